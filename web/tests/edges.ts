// Edges for the tests of a session: what they are told is kept, and they answer as edges do.
import { vi } from "vitest";
import type { BrokerAPI } from "../src/client/api.js";
import type { ConnectionEvents } from "../src/client/connection.js";
import { Emitter } from "../src/client/emitter.js";
import type { Wire } from "../src/client/line.js";
import { Session } from "../src/client/session.js";
import type { Subject } from "../src/client/session-types.js";
import type { Credentials } from "../src/client/signal.js";
import { patched } from "../src/client/view.js";
import type { Event as EdgeEvent, Grant, Input, Problem, Request, SeriesInfo, SeriesRef, Stamp, ViewState } from "../src/contract.js";

export const series: SeriesRef = { studyInstanceUID: "1.2", seriesInstanceUID: "1.2.3" };

export const grantOf = (node: string, attempt = `a-${node}`): Grant => ({
  answer: "edge-assigned", task: "t-1", attempt: { id: attempt, node, fencing: 1 }, signalingURL: `/api/v1/signal/${attempt}`, token: `token-${node}`,
  tokenExpiresAt: "2100-01-01T00:00:00Z", iceServers: [], reasons: ["nearest"],
});

export const viewOf = (revision: number, shown = series): ViewState => ({
  version: 1, revision,
  viewports: [{
    id: "main", rect: { x: 0, y: 0, width: 1, height: 1 }, series: shown, mode: "composite", preset: "bone",
    camera: { position: [0, -500, 0], lookAt: [0, 0, 0], up: [0, 0, 1], projection: "orthographic", height: 300 },
  }],
}) as unknown as ViewState;

const patientOf = (shown: SeriesRef): SeriesInfo => ({ series: shown, patientName: "Test", patientId: "1" }) as unknown as SeriesInfo;

/** FakeEdge is one connection to an edge, which has the series unless it is told to load. */
export class FakeEdge extends Emitter<ConnectionEvents> implements Wire {
  readonly grant: Grant;
  readonly resumes: string;
  readonly credentials: () => Promise<Credentials>;
  requests: Request[] = [];
  inputs: Input[] = [];
  refusals: Partial<Record<Request["type"], Problem>> = {};
  silent = new Set<Request["type"]>();
  view: ViewState;
  seq = 0;
  connected = false;
  wasOpen = false;
  opened = false;
  closed: string | undefined;
  #rtp = 0;

  constructor(grant: Grant, revision: number, credentials: () => Promise<Credentials>, resume = "") {
    super();
    this.grant = grant;
    this.view = viewOf(revision);
    this.credentials = credentials;
    this.resumes = resume;
  }

  get resume(): string { return `resume-${this.grant.attempt.id}`; }
  open(): void { this.opened = true; }
  bulk(): never { throw new Error("nothing is sent in bulk here"); }
  newestTimestamp(): undefined { return undefined; }
  getStats(): Promise<RTCStatsReport> { return Promise.reject(new Error("no statistics")); }
  check(): void { /* it stands */ }
  restart(): void { /* it stands */ }
  alive(): void { /* as was thought */ }
  close(reason?: string): void {
    this.closed = reason ?? "";
    this.connected = false;
    this.clear();
  }

  send(channel: string, message: string): boolean {
    if (!this.connected) return false;
    if (channel === "input") this.#input(JSON.parse(message) as Input);
    if (channel === "control") this.#request(JSON.parse(message) as Request);
    return true;
  }

  /** comes connects the terminal, and tells it what is there. */
  comes(loaded = true): void {
    this.connected = this.wasOpen = true;
    this.emit("stream", { of: this.grant.attempt.node } as unknown as MediaStream);
    this.emit("open", undefined);
    this.say({ type: "ready", session: { node: this.grant.attempt.node } as never, view: this.view });
    if (loaded) this.loaded();
  }

  loaded(): void {
    this.say({ type: "loaded", view: this.view, patients: [patientOf(this.view.viewports[0].series)] });
  }

  say(event: EdgeEvent): void {
    this.emit("message", { channel: "control", data: JSON.stringify(event) });
  }

  /** stamps sends the stamp of a picture of what there is now; its timestamp is for showing it. */
  stamps(more: Partial<Stamp> = {}): number {
    const stamp: Stamp = {
      rtp: (this.#rtp += 3000), rev: this.view.revision, seq: this.seq, w: 800, h: 600, quality: "lossy", scale: 1, stepMm: 0.5, bitrate: 4e6,
      times: { wait: 0, render: 10, convert: 1, encode: 4 }, ...more,
    };
    this.emit("message", { channel: "stamps", data: JSON.stringify(stamp) });
    return stamp.rtp;
  }

  has(type: Request["type"]): Request[] {
    return this.requests.filter((request) => request.type === type);
  }

  #input(input: Input): void {
    this.inputs.push(input);
    if (input.seq <= this.seq) return;
    this.seq = input.seq;
    this.#change({ viewports: [input.viewport] });
  }

  #request(request: Request): void {
    this.requests.push(request);
    if (this.silent.has(request.type)) return;
    const problem = this.refusals[request.type];
    queueMicrotask(() => {
      if (problem === undefined && request.type === "set-view" && request.view !== undefined) {
        this.seq = Math.max(this.seq, request.seq ?? 0);
        this.#change(request.view);
        this.say({ type: "view", view: this.view });
      }
      this.say({ type: "reply", id: request.id, ...(problem === undefined ? {} : { problem }) });
    });
  }

  #change(patch: NonNullable<Request["view"]>): void {
    const before = JSON.stringify(this.view.viewports);
    this.view = patched(this.view, patch);
    if (JSON.stringify(this.view.viewports) !== before) this.view = { ...this.view, revision: this.view.revision + 1 };
  }
}

/** Scene is a session and the edges that it has come to. */
export class Scene {
  readonly edges: FakeEdge[] = [];
  readonly session: Session;
  readonly states: string[] = [];
  readonly told: string[] = [];
  readonly asked: unknown[] = [];
  /** next is what the broker grants next. */
  next = grantOf("edge-1");
  revision = 5;

  constructor(subject: Subject = { series }) {
    const api = {
      root: "https://broker.example", webSocketURL: (url: string) => `wss://broker.example${url}`,
      submit: () => Promise.resolve(this.next), finish: () => Promise.resolve(this.told.push("finished")),
      grant: (_: string, renewal: unknown) => {
        this.asked.push(renewal);
        return Promise.resolve(this.next);
      },
    } as unknown as BrokerAPI;
    let made = 0;
    this.session = new Session(api, subject, undefined, undefined, () => ({}), (credentials, _, resume) => {
      const edge = new FakeEdge(this.coming ?? this.next, this.revision + 100 * made++, credentials, resume);
      this.edges.push(edge);
      return edge;
    });
    this.session.on("state", (state) => this.states.push(state));
    this.session.on("coming", (stream) => this.told.push(stream === undefined ? "not coming" : "coming"));
    this.session.on("arrived", ({ node }) => this.told.push(`arrived at ${node}`));
    this.session.on("hold", (on) => this.told.push(on ? "hold" : "go on"));
    this.session.on("notice", ({ title }) => this.told.push(title));
  }

  coming: Grant | undefined;

  /** runs has the session running at its first edge, with a picture on the screen. */
  async runs(): Promise<FakeEdge> {
    void this.session.start();
    await settle();
    const edge = this.edge(0);
    edge.comes();
    this.shows(edge);
    await settle();
    return edge;
  }

  /** moves has the edge tell the page to go to another one, which is reached. */
  async moves(from: FakeEdge, node = "edge-2", loaded = true): Promise<FakeEdge> {
    this.coming = grantOf(node);
    from.say({ type: "move", grant: this.coming, reason: "by hand" });
    const edge = this.edge(this.edges.length - 1);
    edge.comes(loaded);
    await settle();
    return edge;
  }

  /** shows has a picture of the edge presented by the browser. */
  shows(edge: FakeEdge, more: Partial<Stamp> = {}): void {
    const frame = { rtp: edge.stamps(more), width: 800, height: 600, at: performance.now() };
    if (this.session.grant?.attempt.id === edge.grant.attempt.id) this.session.pictures.shown(frame);
    else this.session.lines.comes(frame);
  }

  edge(i: number): FakeEdge {
    const edge = this.edges[i];
    if (edge === undefined) throw new Error(`the session has come to ${this.edges.length} edges only`);
    return edge;
  }
}

/** settle lets promises that are settled have their say. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

/** page stands for the browser's page. */
export function page(): void {
  vi.useFakeTimers();
  vi.stubGlobal("document", { visibilityState: "visible" });
  vi.stubGlobal("requestAnimationFrame", (callback: () => void) => setTimeout(callback, 16));
}
