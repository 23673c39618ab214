// A way between two programs of this machine that lets only so many bytes through.
import { createServer, connect, type Server, type Socket } from "node:net";

/** Narrow passes TCP connections on to a port; what comes back shares a rate. */
export class Narrow {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** free is when the way is free again, milliseconds. */
  #free = 0;

  private constructor(to: number, bytesPerSecond: number) {
    this.#server = createServer((near) => {
      const far = connect(to, "127.0.0.1");
      for (const [socket, other] of [[near, far], [far, near]] as const) {
        this.#sockets.add(socket);
        socket.on("error", () => other.destroy());
        socket.on("close", () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
      }
      near.pipe(far);
      far.on("data", (chunk: Buffer) => {
        far.pause();
        near.write(chunk);
        const now = performance.now();
        this.#free = Math.max(this.#free, now) + (chunk.length / bytesPerSecond) * 1000;
        setTimeout(() => far.resume(), this.#free - now);
      });
      far.on("end", () => near.end());
    });
  }

  static async open(to: number, bytesPerSecond: number): Promise<Narrow> {
    const way = new Narrow(to, bytesPerSecond);
    await new Promise<void>((resolve, reject) => {
      way.#server.once("error", reject);
      way.#server.listen(0, "127.0.0.1", resolve);
    });
    return way;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
