// Which rows of a table are on the screen.

/** Visible follows the elements that are told to it, by their "data-node". */
export class Visible {
  readonly #shown = new Set<string>();
  readonly #watched = new Map<string, Element>();
  readonly #observer: IntersectionObserver;

  constructor(changed: () => void) {
    this.#observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const id = (target as HTMLElement).dataset.node ?? "";
        if (this.#watched.get(id) !== target) continue;
        if (isIntersecting) this.#shown.add(id);
        else this.#shown.delete(id);
      }
      changed();
    }, { rootMargin: "80px 0px" });
  }

  /** ids are those on the screen, or just beside it. */
  get ids(): ReadonlySet<string> {
    return this.#shown;
  }

  /** watch follows these elements, and no others. */
  watch(elements: Iterable<HTMLElement>): void {
    const now = new Map([...elements].map((element): [string, HTMLElement] => [element.dataset.node ?? "", element]));
    for (const [id, element] of this.#watched) {
      if (now.get(id) === element) continue;
      this.#observer.unobserve(element);
      this.#watched.delete(id);
      this.#shown.delete(id);
    }
    for (const [id, element] of now) {
      if (this.#watched.has(id)) continue;
      this.#watched.set(id, element);
      this.#observer.observe(element);
    }
  }

  stop(): void {
    this.#observer.disconnect();
    this.#watched.clear();
    this.#shown.clear();
  }
}
