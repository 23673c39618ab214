// How long to wait between attempts, and waiting that can be ended.

/** backoffMs is the wait before attempt n (from 0): short at first, then longer, at most `most`. */
export function backoffMs(n: number, least = 500, most = 10_000): number {
  return Math.min(most, least * 2 ** Math.min(n, 16));
}

/** wait resolves after ms; it rejects as soon as the signal aborts. */
export function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const aborted = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", aborted);
      resolve();
    }, ms);
    signal.addEventListener("abort", aborted, { once: true });
  });
}
