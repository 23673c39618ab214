// Events of plain objects, with their types.

/** Emitter tells listeners what happens, in the order in which they were added. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(detail: never) => void>>();

  /** on adds a listener and returns what takes it away again. */
  on<Name extends keyof Events>(name: Name, listener: (detail: Events[Name]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    listeners.add(listener);
    this.#listeners.set(name, listeners);
    return () => listeners.delete(listener);
  }

  emit<Name extends keyof Events>(name: Name, detail: Events[Name]): void {
    const listeners = this.#listeners.get(name) as Set<(detail: Events[Name]) => void> | undefined;
    for (const listener of listeners ?? []) listener(detail);
  }

  clear(): void {
    this.#listeners.clear();
  }
}
