// Which view the picture on the screen shows, as pictures lag behind what was asked for.
import type { ViewState } from "../contract.js";

/** A view that the edge has told is known by its revision, one that this page has asked for by its number. */
type Known = { view: ViewState } & ({ revision: number } | { seq: number });

/** Views that no picture has shown yet; older ones never will be. */
const bound = 512;

/** ShownViews remembers the views on their way, in the order in which they came to be. */
export class ShownViews {
  #coming: Known[] = [];
  #shown: ViewState | undefined;

  /** shown is the view of the newest picture; undefined before the first. */
  get shown(): ViewState | undefined {
    return this.#shown;
  }

  /** asked is a view that a message with this number asks for. */
  asked(seq: number, view: ViewState): void {
    this.#add({ seq, view });
  }

  /** told is a view of the edge. */
  told(view: ViewState): void {
    this.#add({ revision: view.revision, view });
  }

  /** picture is on the screen and shows all changes up to the revision and the number. */
  picture(revision: number, seq: number): void {
    const at = this.#coming.findLastIndex((known) => ("seq" in known ? known.seq <= seq : known.revision <= revision));
    if (at < 0) return;
    this.#shown = this.#coming[at]?.view;
    // The one that is shown stays, for a picture of a revision between two that are known.
    this.#coming.splice(0, at);
  }

  /** restart forgets what is on its way: another edge counts its revisions anew. */
  restart(): void {
    this.#coming = [];
  }

  /**
   * moved goes on with the pictures of another edge, which has told the view: with its own revision, and every change up to
   * the number. What this page has asked for since is on its way to both.
   */
  moved(view: ViewState, seq: number): void {
    const since = this.#coming.filter((known) => "seq" in known && known.seq > seq);
    this.#coming = [{ revision: view.revision, view }, ...since];
  }

  #add(known: Known): void {
    this.#coming.push(known);
    if (this.#coming.length > bound) this.#coming.shift();
  }
}
