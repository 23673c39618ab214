// The signalling WebSocket: hello, welcome, and back again with the resume secret when it was cut.
import type { ICECandidate, ICEServer, Signal } from "../contract.js";
import { backoffMs } from "./backoff.js";
import { Emitter } from "./emitter.js";
import { ProblemError } from "./problem.js";

/** Credentials are where to connect and with what. */
export interface Credentials {
  url: string;
  token: string;
}

export interface SignalEvents {
  /** welcome comes after each hello; resumed says that the edge has this terminal's session still. */
  welcome: { iceServers: ICEServer[] };
  answer: string;
  candidate: ICECandidate | null;
  /** problem is what the edge or the broker refused. The link is closed then, unless it may be otherwise soon. */
  problem: ProblemError;
  /** open is false while the socket is cut. */
  open: boolean;
}

/** The part of WebSocket that the link uses. */
export interface Socket {
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(data: string): void;
  close(code?: number): void;
}

/** What may be otherwise when the link tries again: a broker that is back, an edge that has found it again. */
const passing = new Set<ProblemError["code"]>(["edge-lost", "unavailable", "rate-limited"]);

/** Messages that wait for the welcome: an offer and its candidates. */
const queueBound = 128;

/** SignalLink keeps one terminal's signalling connection up until it is closed. */
export class SignalLink extends Emitter<SignalEvents> {
  readonly #credentials: () => Promise<Credentials>;
  readonly #connect: (url: string) => Socket;
  #socket: Socket | undefined;
  #resume: string;
  #welcomed = false;
  #queue: Signal[] = [];
  #attempts = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** credentials is asked before each connection, so that a token that has expired is replaced. */
  constructor(
    credentials: () => Promise<Credentials>,
    resume = "",
    connect: (url: string) => Socket = (url) => new WebSocket(url),
  ) {
    super();
    this.#resume = resume;
    this.#credentials = credentials;
    this.#connect = connect;
  }

  get welcomed(): boolean {
    return this.#welcomed;
  }

  /** resume is the secret that lets this terminal come back; empty before the first welcome. */
  get resume(): string {
    return this.#resume;
  }

  async open(): Promise<void> {
    let credentials: Credentials;
    try {
      credentials = await this.#credentials();
    } catch (error) {
      if (this.#closed) return;
      if (error instanceof ProblemError && !passing.has(error.code)) this.#end(error);
      else this.#again();
      return;
    }
    if (this.#closed) return;
    const socket = this.#connect(credentials.url);
    this.#socket = socket;
    socket.onopen = () => {
      const hello: Signal = { type: "hello", token: credentials.token };
      if (this.#resume !== "") hello.resume = this.#resume;
      socket.send(JSON.stringify(hello));
    };
    socket.onmessage = (event) => {
      if (this.#socket === socket) this.#receive(event.data);
    };
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.#welcomed = false;
      this.emit("open", false);
      this.#again();
    };
  }

  /** send sends a message, after the welcome where that has not come yet. */
  send(signal: Signal): void {
    if (this.#closed) return;
    // A new offer makes what was said about an older one void.
    if (signal.type === "offer") this.#queue = [];
    if (this.#welcomed) this.#socket?.send(JSON.stringify(signal));
    else if (this.#queue.length < queueBound) this.#queue.push(signal);
  }

  /** nudge connects at once where the link waits for its next attempt. */
  nudge(): void {
    if (this.#retry === undefined) return;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    void this.open();
  }

  /** close leaves for good, with a good-bye where the reason is given. */
  close(reason?: string): void {
    if (reason !== undefined && this.#welcomed) this.send({ type: "bye", reason });
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const socket = this.#socket;
    this.#socket = undefined;
    this.#welcomed = false;
    socket?.close(1000);
    this.clear();
  }

  #receive(data: unknown): void {
    let signal: Signal;
    try {
      signal = JSON.parse(String(data)) as Signal;
    } catch {
      return; // not a message of ours
    }
    switch (signal.type) {
      case "welcome":
        this.#resume = signal.resume ?? this.#resume;
        this.#attempts = 0;
        this.#welcomed = true;
        this.emit("open", true);
        this.emit("welcome", { iceServers: signal.iceServers ?? [] });
        for (const waiting of this.#queue.splice(0)) this.send(waiting);
        break;
      case "answer":
        this.emit("answer", signal.sdp ?? "");
        break;
      case "candidate":
        this.emit("candidate", signal.candidate ?? null);
        break;
      case "error":
        this.#end(signal.problem ? ProblemError.from(signal.problem) : new ProblemError("internal", "Refused without a reason"));
        break;
      case "bye":
        this.#end(new ProblemError("cancelled", "The session was ended by the renderer", signal.reason ?? ""));
        break;
      default: // hello and offer are ours to send
    }
  }

  #end(problem: ProblemError): void {
    if (passing.has(problem.code)) {
      this.emit("problem", problem);
      return; // the other side closes the socket
    }
    const socket = this.#socket;
    this.#socket = undefined;
    this.#welcomed = false;
    this.#closed = true;
    socket?.close(1000);
    this.emit("problem", problem);
  }

  #again(): void {
    if (this.#closed || this.#retry !== undefined) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      void this.open();
    }, backoffMs(this.#attempts++));
  }
}
