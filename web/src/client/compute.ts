// Compute tasks beside the picture: submitted on control, their results come over bulk.
import type { Event as EdgeEvent, Request, TaskRequest } from "../contract.js";
import { BulkReceiver } from "./bulk.js";
import type { Control } from "./control.js";
import { ProblemError } from "./problem.js";

/** Result is what a compute task made. */
export interface Result {
  format: string;
  bytes: Uint8Array<ArrayBuffer>;
}

/** Computation is a compute task under way. */
export interface Computation {
  readonly id: string;
  readonly result: Promise<Result>;
  cancel(): void;
}

/** Handling is how an edge handles a task (A9): by its resident workers, by workers of the task's own, or later. */
export type Handling = NonNullable<Request["handling"]>;

/** Handled is told how the edge handles a task, and asked where that is the user's to say. */
export interface Handled {
  /** waiting says why the task does not run yet. */
  waiting?(reason: string): void;
  started?(handling: Handling | undefined): void;
  /** choose resolves with the user's choice; without one the edge takes its default after a while. */
  choose?(choices: Handling[]): Promise<Handling | undefined>;
}

interface Running extends Handled {
  progress(share: number): void;
  resolve(result: Result): void;
  reject(error: Error): void;
}

/** Computations runs compute tasks in one session. */
export class Computations {
  readonly #control: Control;
  readonly #running = new Map<string, Running>();
  readonly #bulk = new BulkReceiver(
    ({ header, bytes }) => {
      this.#take(header.task ?? "")?.resolve({ format: header.format, bytes });
    },
    (transfer, reason) => {
      const problem = new ProblemError("unreadable", "The result did not come through whole", `${reason}. Run the task again.`);
      this.#take(this.#tasks.get(transfer) ?? "")?.reject(problem);
    },
  );
  /** The task of each transfer announced. */
  readonly #tasks = new Map<number, string>();

  constructor(control: Control) {
    this.#control = control;
  }

  /** busy says that something is computed, or waits for its turn. */
  get busy(): boolean {
    return this.#running.size > 0;
  }

  /** submit starts a task; progress is told the share done, 0 to 1. */
  submit(task: TaskRequest, progress: (share: number) => void, handled: Handled = {}): Computation {
    const id = `c-${crypto.randomUUID()}`;
    const result = new Promise<Result>((resolve, reject) => {
      this.#running.set(id, { ...handled, progress, resolve, reject });
      this.#control.request({ type: "task-submit", taskId: id, task }).catch((error: unknown) => {
        this.#take(id)?.reject(error as Error);
      });
    });
    const cancel = (): void => {
      const running = this.#take(id);
      if (running === undefined) return;
      running.reject(new ProblemError("cancelled", "Cancelled"));
      // One that has just ended cannot be cancelled, which is as well.
      this.#control.request({ type: "task-cancel", taskId: id }).catch(() => undefined);
    };
    return { id, result, cancel };
  }

  /** event takes the control events of tasks. */
  event(event: EdgeEvent): void {
    const id = event.taskId ?? "";
    const running = this.#running.get(id);
    if (event.type === "task-progress") running?.progress(event.progress ?? 0);
    else if (event.type === "task-waiting") running?.waiting?.(event.reason ?? "");
    else if (event.type === "task-started") running?.started?.(event.handling);
    else if (event.type === "choose") void this.#choose(id, event.choices ?? []);
    else if (event.problem !== undefined) this.#take(id)?.reject(ProblemError.from(event.problem));
  }

  /** choose passes the user's choice on. One that comes too late is refused, which changes nothing. */
  async #choose(id: string, choices: Handling[]): Promise<void> {
    const handling = await this.#running.get(id)?.choose?.(choices).catch(() => undefined);
    if (handling === undefined || !this.#running.has(id)) return;
    this.#control.request({ type: "handle", taskId: id, handling }).catch(() => undefined);
  }

  /** message takes one message of the bulk channel. */
  async message(data: string | ArrayBuffer): Promise<void> {
    if (typeof data !== "string") {
      await this.#bulk.chunk(new Uint8Array(data));
      return;
    }
    const header = JSON.parse(data) as Parameters<BulkReceiver["header"]>[0];
    this.#tasks.set(header.transfer, header.task ?? "");
    await this.#bulk.header(header);
  }

  /** close fails what still runs. */
  close(): void {
    for (const id of [...this.#running.keys()]) {
      this.#take(id)?.reject(new ProblemError("cancelled", "The session was interrupted", "Run the task again."));
    }
  }

  #take(id: string): Running | undefined {
    const running = this.#running.get(id);
    this.#running.delete(id);
    return running;
  }
}
