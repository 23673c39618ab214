// A study's page: the viewer and the tools around it.
import { html, LitElement, type TemplateResult } from "lit";
import type { BrokerAPI } from "../client/api.js";
import type { TomocastViewer } from "../element/tomocast-viewer.js";
import { theme } from "../parts/theme.js";

/** ViewerPage opens the study that the address names. */
export class ViewerPage extends LitElement {
  static override readonly styles = [theme];
  static override readonly properties = { api: { attribute: false }, query: { type: String } };

  declare api: BrokerAPI;
  /** query is the address's: StudyInstanceUIDs and SeriesInstanceUIDs, the first of each counts. */
  declare query: string;

  protected override render(): TemplateResult {
    return html`<tomocast-viewer style="height:100%"></tomocast-viewer>`;
  }

  protected override firstUpdated(): void {
    const query = new URLSearchParams(this.query);
    const study = query.get("StudyInstanceUIDs")?.split(",")[0] ?? "";
    const series = query.get("SeriesInstanceUIDs")?.split(",")[0];
    const viewer = this.renderRoot.querySelector<TomocastViewer>("tomocast-viewer");
    void viewer?.load({ studyInstanceUID: study, ...(series ? { seriesInstanceUID: series } : {}) }).catch(() => undefined);
  }
}
