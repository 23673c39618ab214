// The frame of the pages that are no viewer: whose they are, and what they are not for.
import { css, html, nothing, type TemplateResult } from "lit";
import { icons, logo } from "./icons.js";

export const frameStyles = css`
  .page {
    height: 100%;
    overflow: auto;
    background: var(--tc-ground);
  }
  .page > .within {
    max-width: 1360px;
    margin: 0 auto;
    padding: 0 32px 64px;
  }
  .page header {
    display: flex;
    align-items: center;
    justify-content: space-between;
    height: 64px;
    padding: 0;
    border: 0;
    background: none;
  }
  .brand {
    display: flex;
    align-items: center;
    gap: 10px;
    border-radius: 6px;
    color: var(--tc-text);
    font-size: 17px;
    font-weight: 600;
    letter-spacing: -0.01em;
    text-decoration: none;
  }
  .links {
    margin: 0 16px 0 auto;
  }
  .disclaimer {
    color: #ffd9a0;
    font-size: 12px;
    font-weight: 600;
    white-space: nowrap;
  }
  .empty {
    display: grid;
    justify-items: center;
    padding: 72px 24px;
    border: 1px dashed var(--tc-line-strong);
    border-radius: 12px;
    text-align: center;
  }
  .empty > svg {
    width: 36px;
    height: 36px;
    color: var(--tc-faint);
  }
  .empty h1,
  .empty h2 {
    margin: 14px 0 4px;
    font-size: 18px;
    font-weight: 600;
    letter-spacing: 0;
    color: var(--tc-text);
  }
  .empty p {
    max-width: 52ch;
    margin: 0 0 18px;
    color: var(--tc-soft);
    overflow-wrap: anywhere;
  }
  @media (max-width: 460px) {
    .page header:has(.links > *) .brand span {
      display: none;
    }
  }
  @media (max-width: 900px) {
    .page > .within {
      padding: 0 16px 40px;
    }
    .page header {
      height: 56px;
    }
    .links {
      margin-right: 8px;
    }
    .links .button {
      min-height: 44px;
      padding: 0 8px;
    }
  }
`;

/** framed is a page's content in the frame, with links to other pages in its head. */
export function framed(content: TemplateResult, links: TemplateResult | typeof nothing = nothing): TemplateResult {
  return html`<div class="page"><div class="within">
    <header>
      <a class="brand" href="/" aria-label="Tomocast, list of studies">${logo}<span>Tomocast</span></a>
      <nav class="links" aria-label="Pages">${links}</nav>
      <span class="disclaimer">Not for diagnostic use</span>
    </header>
    <main>${content}</main>
  </div></div>`;
}

/** stranded is a page that has nothing to show, says why, and leads back to the studies. */
export function stranded(title: string, detail: string): TemplateResult {
  return framed(html`<div class="empty" role="alert">
    ${icons.warning}
    <h1>${title}</h1>
    <p>${detail}</p>
    <a class="button primary" href="/">Back to studies</a>
  </div>`);
}
