// Who the user is to the broker.
import type { BrokerHTTP } from "./http.js";

/** Who is the user, and what the user may do. */
export interface Who {
  subject: string;
  /** operator may see the pool and everyone's tasks. */
  operator: boolean;
  /** urgent may go before others in the queue. */
  urgent: boolean;
}

/** whoAmI asks the broker. It rejects with a ProblemError. */
export async function whoAmI(http: BrokerHTTP, signal?: AbortSignal): Promise<Who> {
  const { subject = "", operator = false, urgent = false } = (await http.ask("GET", "/session", { signal })) as Partial<Who>;
  return { subject, operator, urgent };
}
