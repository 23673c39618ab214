// What leads to the edge of one attempt: its connection, and who speaks over the channels.
import type { Event as EdgeEvent, Request, Stamp } from "../contract.js";
import { Computations } from "./compute.js";
import type { Connection } from "./connection.js";
import { Control } from "./control.js";
import { InputSender, pageScheduler, type Sequence } from "./input.js";
import type { Pictures } from "./pictures.js";
import { Pulse } from "./pulse.js";

/** Ends are what a line begins and ends with on the page's side. */
export interface Ends {
  pictures: Pictures;
  sequence: Sequence;
  /** display is what the edge is told about the display. */
  display(): NonNullable<Request["display"]>;
  /** sent is told which input has gone out, and when. */
  sent(seq: number, at: number): void;
  /** event takes what the edge says on "control". */
  event(event: EdgeEvent): void;
}

/** Line is there from the grant of a place until the place is lost. */
export class Line {
  readonly connection: Connection;
  readonly control: Control;
  readonly computations: Computations;
  readonly input: InputSender;
  readonly pulse: Pulse;

  constructor(connection: Connection, ends: Ends) {
    this.connection = connection;
    this.control = new Control((message) => connection.send("control", message));
    this.computations = new Computations(this.control);
    this.pulse = new Pulse(connection, this.control, () => ends.display());
    this.input = new InputSender({
      sequence: ends.sequence,
      scheduler: pageScheduler,
      // What waits in the buffer is old before it is sent.
      send: (message) => connection.send("input", JSON.stringify(message), 16 << 10),
      sent: (seq, at) => { ends.sent(seq, at); },
    });
    connection.on("suspect", () => { this.pulse.doubt(); });
    connection.on("message", ({ channel, data }) => {
      if (channel === "still") ends.pictures.stillMessage(data);
      else if (channel === "bulk") void this.computations.message(data);
      else if (typeof data !== "string") return; // binary messages are for those two only
      else if (channel === "stamps") ends.pictures.stamp(JSON.parse(data) as Stamp);
      else if (channel === "control") ends.event(JSON.parse(data) as EdgeEvent);
    });
  }

  close(reason?: string): void {
    this.pulse.stop();
    this.input.close();
    this.computations.close();
    this.control.close();
    this.connection.close(reason);
  }
}
