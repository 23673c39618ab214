// What leads to the edge of one attempt: its connection, and who speaks over the channels.
import type { Event as EdgeEvent, Grant, Request, Stamp } from "../contract.js";
import { Computations } from "./compute.js";
import type { Connection } from "./connection.js";
import { Control } from "./control.js";
import { Pulse } from "./pulse.js";
import { Track } from "./track.js";

/** Wire is a connection as the line uses it. */
export type Wire = Pick<Connection, keyof Connection>;

/** Ends are what a line ends with on the page's side. */
export interface Ends {
  /** display is what the edge is told about the display. */
  display(): NonNullable<Request["display"]>;
  /** event takes what the edge says on "control". */
  event(line: Line, event: EdgeEvent): void;
  /** quiet is told where nothing is heard of the edge any more. */
  quiet(line: Line): void;
}

/** Line is there from the grant of a place until the place is lost or left. */
export class Line {
  readonly grant: Grant;
  readonly connection: Wire;
  readonly control: Control;
  readonly computations: Computations;
  readonly pulse: Pulse;
  readonly track = new Track();

  constructor(grant: Grant, connection: Wire, ends: Ends) {
    this.grant = grant;
    this.connection = connection;
    this.control = new Control((message) => connection.send("control", message));
    this.computations = new Computations(this.control);
    this.pulse = new Pulse(connection, this.control, () => ends.display(), () => { ends.quiet(this); });
    connection.on("suspect", () => { this.pulse.doubt(); });
    connection.on("message", ({ channel, data }) => {
      this.pulse.heard();
      if (channel === "still") this.track.stillMessage(data);
      else if (channel === "bulk") void this.computations.message(data);
      else if (typeof data !== "string") return; // binary messages are for those two only
      else if (channel === "stamps") this.track.stamp(JSON.parse(data) as Stamp);
      else if (channel === "control") this.#event(ends, JSON.parse(data) as EdgeEvent);
    });
  }

  /** input sends what the hand moves, and says false where that cannot go now. What waits in the buffer is old before it is sent. */
  input(message: string): boolean {
    this.pulse.works();
    return this.connection.send("input", message, 16 << 10);
  }

  /** send is for requests whose refusal the user need not hear of. */
  send(request: Omit<Request, "id">): void {
    this.control.request(request).catch(() => undefined);
  }

  close(reason?: string): void {
    this.pulse.stop();
    this.computations.close();
    this.control.close();
    this.connection.close(reason);
    this.track.taker = undefined;
  }

  #event(ends: Ends, event: EdgeEvent): void {
    if (event.type === "reply") this.control.reply(event);
    ends.event(this, event);
  }
}
