// The pages: a list of studies at /, and a study at /viewer.
import { css, html, LitElement, type TemplateResult } from "lit";
import { BrokerAPI } from "../client/api.js";
import { defineTomocastViewer } from "../index.js";
import { PresetList } from "../parts/presets.js";
import { StandardViews } from "../parts/standard-views.js";
import { StatsPanel } from "../parts/stats-panel.js";
import { WindowPanel } from "../parts/window-panel.js";
import { StudyListPage } from "./study-list.js";
import { ViewerPage } from "./viewer-page.js";

/** TomocastApp shows the page of the address. */
export class TomocastApp extends LitElement {
  static override readonly styles = css`
    :host > * {
      height: 100%;
    }
  `;

  readonly #api = new BrokerAPI("");

  protected override render(): TemplateResult {
    if (location.pathname.replace(/\/$/, "") === "/viewer") {
      return html`<tc-viewer-page .query=${location.search}></tc-viewer-page>`;
    }
    return html`<tc-study-list .api=${this.#api}></tc-study-list>`;
  }
}

/** defineApp defines the pages' elements. */
export function defineApp(): void {
  defineTomocastViewer();
  customElements.define("tc-presets", PresetList);
  customElements.define("tc-views", StandardViews);
  customElements.define("tc-window", WindowPanel);
  customElements.define("tc-stats", StatsPanel);
  customElements.define("tc-study-list", StudyListPage);
  customElements.define("tc-viewer-page", ViewerPage);
  customElements.define("tomocast-app", TomocastApp);
}
