// The edges near this page: which there are, and how far away they are by ping (A2, A3).
import type { NearEdge, NearEdges, Ping } from "../contract.js";

/** What pings are measured with, so that tests need no network and no clock. */
export interface Instruments {
  /** ping resolves when the edge has answered. */
  ping(url: string, signal: AbortSignal): Promise<unknown>;
  /** now in milliseconds, of a clock that only goes forward. */
  now(): number;
  /** wallClock in milliseconds since 1970, for what is kept from page to page. */
  wallClock(): number;
  store: Pick<Storage, "getItem" | "setItem"> | undefined;
}

/** NearAPI is what Near asks of the broker. */
export interface NearAPI {
  readonly root: string;
  near(type: string, signal?: AbortSignal): Promise<NearEdges>;
  pinged(pings: Ping[]): Promise<void>;
}

const likely = 4;
const rounds = 3;
const withinMs = 400;
const freshMs = 600_000;
const key = "tomocast.pings";

/** Near knows the edges near one broker's terminals. Pings are kept for ten minutes, also from page to page. */
export class Near {
  readonly #api: NearAPI;
  readonly #with: Instruments;
  readonly #https: boolean;
  #measuring: Promise<Ping[]> | undefined;
  #edges: NearEdges | undefined;

  /** https says that this page came by https, which may ask no edge without it. */
  constructor(api: NearAPI, https: boolean, instruments: Instruments) {
    this.#api = api;
    this.#https = https;
    this.#with = instruments;
  }

  /** known are the pings that are fresh; none where nothing was measured yet. */
  known(): Ping[] {
    try {
      const kept = JSON.parse(this.#with.store?.getItem(this.#key) ?? "{}") as { at?: number; pings?: Ping[] };
      const age = this.#with.wallClock() - (kept.at ?? 0);
      return age >= 0 && age < freshMs ? (kept.pings ?? []).filter(isPing).slice(0, likely) : [];
    } catch {
      return [];
    }
  }

  /** measure pings the likeliest edges, unless that was done lately, and tells the broker. It never rejects. */
  async measure(type: string): Promise<Ping[]> {
    const known = this.known();
    if (known.length > 0) return known;
    this.#measuring ??= this.#measure(type).catch(() => []);
    return this.#measuring;
  }

  /** nearest are the edges that this page may ask first, the nearest first, with the token that they want to see. */
  async nearest(type: string, signal?: AbortSignal): Promise<{ edges: NearEdge[]; token: string }> {
    const near = await this.#near(type, signal);
    const measured = new Map((await this.measure(type)).map(({ node, ms }) => [node, ms]));
    const distance = ({ node, distanceMs }: NearEdge): number => measured.get(node) ?? distanceMs;
    const limit = near.maxDistanceMs ?? 0;
    const edges = near.edges
      .filter((edge) => edge.types.some((one) => one === type) && reachable(edge.url, this.#https) && (limit === 0 || distance(edge) <= limit))
      .sort((a, b) => distance(a) - distance(b));
    return { edges, token: near.token };
  }

  async #measure(type: string): Promise<Ping[]> {
    const near = await this.#near(type);
    const asked = near.edges.filter(({ url }) => reachable(url, this.#https)).slice(0, likely);
    if (asked.length === 0) return [];
    const stop = AbortSignal.timeout(withinMs);
    const measured = await Promise.all(asked.map(async ({ node, url = "" }) => ({ node, ms: await this.#roundTrip(url, stop) })));
    const pings = measured.filter(({ ms }) => Number.isFinite(ms));
    if (pings.length === 0) return [];
    try {
      this.#with.store?.setItem(this.#key, JSON.stringify({ at: this.#with.wallClock(), pings }));
    } catch {
      // They hold for this page only then.
    }
    this.#api.pinged(pings).catch(() => undefined);
    return pings;
  }

  /** roundTrip is the shortest of a few: the first has the connection to be opened in it. */
  async #roundTrip(url: string, stop: AbortSignal): Promise<number> {
    let least = Number.POSITIVE_INFINITY;
    for (let round = 0; round < rounds; round++) {
      const before = this.#with.now();
      try {
        await this.#with.ping(`${url.replace(/\/$/, "")}/ping`, stop);
      } catch {
        break;
      }
      least = Math.min(least, Math.round(10 * (this.#with.now() - before)) / 10);
    }
    return least;
  }

  async #near(type: string, signal?: AbortSignal): Promise<NearEdges> {
    const old = this.#edges;
    if (old !== undefined && Date.parse(old.tokenExpiresAt) > this.#with.wallClock() + 5_000) return old;
    this.#edges = await this.#api.near(type, signal);
    return this.#edges;
  }

  get #key(): string {
    return `${key} ${this.#api.root}`;
  }
}

/** reachable says whether a page may ask an address: one of https asks no other. */
export function reachable(url: string | undefined, https: boolean): boolean {
  try {
    const { protocol, username, password } = new URL(url ?? "");
    return username === "" && password === "" && (protocol === "https:" || (protocol === "http:" && !https));
  } catch {
    return false;
  }
}

function isPing(ping: unknown): ping is Ping {
  const { node, ms } = (ping ?? {}) as Partial<Ping>;
  return typeof node === "string" && typeof ms === "number" && ms >= 0 && ms <= 60_000;
}

/** pageInstruments are the browser's own. */
export function pageInstruments(store: Storage | undefined): Instruments {
  return {
    // Neither cookies nor tokens go with it, and no cache answers it.
    ping: (url, signal) => fetch(url, { cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer", signal }),
    now: () => performance.now(),
    wallClock: () => Date.now(),
    store,
  };
}
