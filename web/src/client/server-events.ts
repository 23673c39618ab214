// Server-sent events (WHATWG HTML 9.2), read from a fetch: unlike EventSource, that can show a bearer token.
import { ProblemError } from "./problem.js";

export interface ServerEvent {
  type: string;
  data: string;
}

/** An event is at most so long, in characters. */
const longest = 4 << 20;

/** EventParser takes the text of a stream as it comes, and gives the events that are complete. */
export class EventParser {
  #rest = "";
  #type = "";
  #data: string[] = [];
  #length = 0;
  #begun = false;

  /** push takes the next piece of text. It throws where an event is longer than any that is meant for a page. */
  push(text: string): ServerEvent[] {
    if (!this.#begun && text !== "") {
      this.#begun = true;
      text = text.replace(/^\uFEFF/, "");
    }
    this.#rest += text;
    const events: ServerEvent[] = [];
    // A carriage return at the end may be half of a line end.
    for (let end = /\r\n|\n|\r(?!$)/.exec(this.#rest); end !== null; end = /\r\n|\n|\r(?!$)/.exec(this.#rest)) {
      const line = this.#rest.slice(0, end.index);
      this.#rest = this.#rest.slice(end.index + end[0].length);
      const event = this.#line(line);
      if (event !== undefined) events.push(event);
    }
    if (this.#rest.length + this.#length > longest) throw new ProblemError("too-large", "The broker sent an event that is too long");
    return events;
  }

  #line(line: string): ServerEvent | undefined {
    if (line === "") return this.#complete();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#type = value;
    if (field === "data") {
      this.#data.push(value);
      this.#length += value.length;
    }
    return undefined; // comments, ids and times of retries are not for us
  }

  #complete(): ServerEvent | undefined {
    const event = { type: this.#type === "" ? "message" : this.#type, data: this.#data.join("\n") };
    const empty = this.#data.length === 0;
    this.#type = "";
    this.#data = [];
    this.#length = 0;
    return empty ? undefined : event;
  }
}

/** A broker says something at least every ten seconds, if only a comment. */
const silentMs = 25_000;

/** Open asks for the stream; the signal ends it. */
export type OpenStream = (signal: AbortSignal) => Promise<Response>;

/**
 * serverEvents reads a stream until it ends, or until nothing has come for too long, which rejects with a ProblemError
 * "unavailable". stop ends it with its reason.
 */
export async function* serverEvents(open: OpenStream, stop?: AbortSignal, silent = silentMs): AsyncGenerator<ServerEvent> {
  const watch = new AbortController();
  const fail = (): void => { watch.abort(new ProblemError("unavailable", "The broker does not answer", `Nothing came for ${silent / 1000} s.`)); };
  const signal = stop === undefined ? watch.signal : AbortSignal.any([stop, watch.signal]);
  let timer = setTimeout(fail, silent);
  const parser = new EventParser();
  try {
    const response = await open(signal);
    const reader = response.body?.pipeThrough(new TextDecoderStream(), { signal }).getReader();
    for (let piece = await reader?.read(); piece?.done === false; piece = await reader?.read()) {
      clearTimeout(timer);
      timer = setTimeout(fail, silent);
      yield* parser.push(piece.value);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ProblemError) throw error;
    throw new ProblemError("unavailable", "The connection to the broker was cut", "It is being restored.");
  } finally {
    clearTimeout(timer);
    watch.abort(new ProblemError("cancelled", "Closed"));
  }
}
