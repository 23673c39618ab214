// Starts the real broker and edges, and the browser, for the browser tests. What it needs to know of the
// programs' flags is in this file alone.
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { Narrow } from "./narrow.js";

const root = resolve(import.meta.dirname, "../..");
const bin = process.env.TOMOCAST_BIN ?? join(root, "bin");
const readyWithinMs = 60_000;

/** testData is the folder of real studies, where this checkout has one. */
export function testData(): string | undefined {
  const named = process.env.TOMOCAST_TESTDATA;
  if (named !== undefined) return named;
  for (let folder = root; ; folder = dirname(folder)) {
    const data = join(folder, "shared/data");
    if (existsSync(data)) return data;
    if (folder === dirname(folder)) return undefined;
  }
}

/** freePort is a port that nothing listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port was free");
  return address.port;
}

/** Program is a running program, which says in its log what went wrong. */
class Program {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #log = "";

  constructor(name: string, args: string[], env: Record<string, string>) {
    this.#child = spawn(join(bin, name), args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#ended = once(this.#child, "exit");
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding("utf8");
      stream?.on("data", (text: string) => (this.#log = (this.#log + text).slice(-20_000)));
    }
  }

  get log(): string {
    return this.#log;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get failed(): boolean {
    return this.#child.exitCode !== 0;
  }

  /** end waits for its end, after the signal where one is given. */
  async end(signal?: NodeJS.Signals): Promise<void> {
    if (signal !== undefined && this.running) this.#child.kill(signal);
    await this.#ended;
  }
}

export interface StackOptions {
  /** studies is a folder to serve; without it the demo study is. */
  studies?: string;
  /** edges is how many there are at the start. */
  edges?: number;
  /** sessions is how many an edge takes; without it as many as it does by itself. */
  sessions?: number;
  /** handling is how edges handle tasks of a type, like data-computation=ask. */
  handling?: string;
  /** direct edges have an address of their own, at which pages may ask them first. */
  direct?: boolean;
  allowedOrigins?: string[];
  /** store adds a store named "kept" for files that users keep. */
  store?: boolean;
  /** deadPACS adds a PACS named "archive" that does not answer. */
  deadPACS?: boolean;
  /** localToken is the token of the user, for pages of other origins. */
  localToken?: string;
  /** bytesPerSecond is how much edges get from the broker, as over a slow network; without it as much as there is. */
  bytesPerSecond?: number | undefined;
}

/** Stack is a broker with its edges on free ports. */
export class Stack {
  readonly #secret = randomBytes(24).toString("base64");
  readonly #cache: string;
  readonly #options: StackOptions;
  readonly #edges = new Map<string, Program>();
  #broker: Program | undefined;
  #narrow: Narrow | undefined;
  #port = 0;

  private constructor(cache: string, options: StackOptions) {
    this.#cache = cache;
    this.#options = options;
  }

  static async start(options: StackOptions = {}): Promise<Stack> {
    const stack = new Stack(await mkdtemp(join(tmpdir(), "tomocast-e2e-")), options);
    try {
      await stack.#start();
    } catch (error) {
      const log = stack.log;
      await stack.stop();
      throw new Error(`${String(error)}\n${log}`, { cause: error });
    }
    return stack;
  }

  get url(): string {
    return `http://localhost:${this.#port}`;
  }

  /** folder holds the files of the first series: that of the studies given, or of the demo study. */
  async folder(): Promise<string> {
    const entries = await readdir(this.#options.studies ?? this.#cache, { recursive: true, withFileTypes: true });
    const slice = entries.find((entry) => entry.isFile() && entry.name.endsWith(".dcm"));
    if (slice === undefined) throw new Error(`no DICOM files below ${this.#options.studies ?? this.#cache}`);
    return slice.parentPath;
  }

  /** api asks the broker's API as this machine's user, who is its operator too. */
  async api(path: string, method = "GET", body?: unknown): Promise<unknown> {
    const page = await fetch(`${this.url}/`);
    const cookie = (page.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
    const json = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await fetch(`${this.url}/api/v1${path}`, { method, headers: { cookie, origin: this.url, "Content-Type": "application/json" }, ...json });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  get log(): string {
    return [this.#broker, ...this.#edges.values()].map((program) => program?.log ?? "").join("\n");
  }

  /** startEdge starts an edge and waits until the broker has it; in a full pool, until it has been started. */
  async startEdge(id: string, full = false): Promise<void> {
    const { sessions, handling, direct = false } = this.#options;
    const port = direct ? await freePort() : 0;
    const args = ["--broker", `http://127.0.0.1:${this.#narrow?.port ?? this.#port}`, "--listen", `127.0.0.1:${port}`, "--id", id];
    if (direct) args.push("--direct-url", `ws://127.0.0.1:${port}`);
    if (handling !== undefined) args.push("--handling", handling);
    if (sessions !== undefined) args.push("--max-sessions", String(sessions));
    this.#edges.set(id, new Program("edge-renderer", args, { TOMOCAST_EDGE_SECRET: this.#secret }));
    await this.#answers(full ? "/readyz" : "/readyz?session=1");
  }

  /** killEdge ends an edge as a power failure would. */
  async killEdge(id: string): Promise<void> {
    await this.#edges.get(id)?.end("SIGKILL");
    this.#edges.delete(id);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#edges.values()].map((edge) => edge.end("SIGTERM")));
    await this.#narrow?.close();
    await this.#broker?.end("SIGTERM");
    await rm(this.#cache, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    this.#port = await freePort();
    const { studies, allowedOrigins = [], localToken, edges = 1, bytesPerSecond } = this.#options;
    const args = ["--listen", `127.0.0.1:${this.#port}`, "--cache-dir", this.#cache];
    args.push(...(studies === undefined ? ["--demo"] : ["--studies", studies]));
    for (const origin of allowedOrigins) args.push("--allowed-origins", origin);
    const sources = await this.#sources();
    if (sources !== undefined) args.push("--sources", sources);
    const env: Record<string, string> = { TOMOCAST_EDGE_SECRET: this.#secret };
    if (localToken !== undefined) env.TOMOCAST_LOCAL_TOKEN = localToken;
    this.#broker = new Program("cloud-broker", args, env);
    await this.#answers("/healthz");
    if (bytesPerSecond !== undefined) this.#narrow = await Narrow.open(this.#port, bytesPerSecond);
    for (let i = 1; i <= edges; i++) await this.startEdge(`edge-${i}`);
  }

  /** sources writes the configuration of further sources, where there are any. */
  async #sources(): Promise<string | undefined> {
    const lines: string[] = [];
    if (this.#options.store === true) {
      const folder = join(this.#cache, "kept");
      await mkdir(folder);
      lines.push("  - name: kept", "    kind: store", `    path: ${folder}`);
    }
    if (this.#options.deadPACS === true) {
      const port = await freePort();
      lines.push("  - name: archive", "    kind: pacs", `    url: http://127.0.0.1:${port}/dicom-web`, "    timeout: 2s");
    }
    if (lines.length === 0) return undefined;
    const file = join(this.#cache, "sources.yaml");
    await writeFile(file, ["sources:", ...lines, ""].join("\n"));
    return file;
  }

  async #answers(path: string): Promise<void> {
    const end = Date.now() + readyWithinMs;
    while (Date.now() < end) {
      if (this.#broker?.running !== true) throw new Error("the broker has ended");
      for (const [id, edge] of this.#edges) if (!edge.running) throw new Error(`${id} has ended`);
      const response = await fetch(`${this.url}${path}`).catch(() => undefined);
      if (response?.ok === true) return;
      await new Promise((resolved) => setTimeout(resolved, 50));
    }
    throw new Error(`${path} is not ready after ${readyWithinMs / 1000} s`);
  }
}

/** run runs a command of a program to its end and fails with its log where it fails. */
export async function run(name: string, ...args: string[]): Promise<void> {
  const program = new Program(name, args, {});
  await program.end();
  if (program.failed) throw new Error(`${name} ${args.join(" ")}\n${program.log}`);
}

/** startBrowser starts Debian's Chromium without a window. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.TOMOCAST_CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync",
    ],
  });
}
