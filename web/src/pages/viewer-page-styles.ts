import { css } from "lit";

export const viewerPageStyles = css`
  :host {
    display: grid;
    grid-template: "head head" 56px "view side" minmax(0, 1fr) "scrub side" auto / minmax(0, 1fr) auto;
    height: 100%;
    background: var(--tc-ground);
  }
  header {
    grid-area: head;
    display: flex;
    align-items: center;
    gap: 8px;
    padding: 0 12px;
    border-bottom: 1px solid var(--tc-line);
    background: var(--tc-surface);
  }
  .back {
    padding: 0 12px 0 6px;
  }
  .who {
    display: flex;
    align-items: baseline;
    gap: 12px;
    min-width: 0;
    flex: 1;
    margin-left: 8px;
    padding-left: 16px;
    border-left: 1px solid var(--tc-line);
    white-space: nowrap;
  }
  .who h1 {
    flex: 0 1 auto;
    margin: 0;
    overflow: hidden;
    font-size: 15px;
    font-weight: 600;
    text-overflow: ellipsis;
  }
  .who span {
    /* It has what the name leaves. */
    flex: 1 1 0;
    min-width: 0;
    overflow: hidden;
    color: var(--tc-soft);
    font-size: 13px;
    text-overflow: ellipsis;
  }
  .segments {
    display: flex;
    padding: 2px;
    border-radius: 10px;
    background: var(--tc-ground);
  }
  .segments .button {
    min-height: 32px;
    border-color: transparent;
    background: transparent;
    color: var(--tc-soft);
  }
  .segments .button[aria-pressed="true"] {
    background: var(--tc-hover);
    color: var(--tc-text);
  }
  .icon {
    width: 36px;
    padding: 0;
  }
  tomocast-viewer {
    grid-area: view;
    min-width: 0;
    min-height: 0;
  }
  tc-scrubber {
    grid-area: scrub;
  }
  aside {
    grid-area: side;
    width: 312px;
    overflow: auto;
    overscroll-behavior: contain;
    border-left: 1px solid var(--tc-line);
    background: var(--tc-surface);
    scrollbar-width: thin;
    scrollbar-color: var(--tc-line-strong) transparent;
  }
  section {
    padding: 16px 16px 20px;
  }
  section + section {
    border-top: 1px solid var(--tc-line);
  }
  h2 {
    margin: 0 0 12px;
    font-size: 13px;
    font-weight: 600;
    color: var(--tc-soft);
  }
  .keys {
    display: grid;
    grid-template-columns: auto 1fr;
    gap: 6px 16px;
    margin: 0;
    font-size: 13px;
  }
  .keys dt {
    color: var(--tc-soft);
  }
  .keys dd {
    margin: 0;
    text-align: right;
  }
  nav {
    display: none;
  }
  .others {
    max-height: 38vh;
    margin-top: 18px;
    padding: 14px 8px 0;
    overflow: auto;
    border-top: 1px solid var(--tc-line);
    scrollbar-width: thin;
  }
  .reset {
    width: 100%;
    margin-top: 8px;
  }
  .page {
    grid-area: 1 / 1 / -1 / -1;
    min-height: 0;
  }
  @media (max-width: 1080px) {
    .back span,
    .who span,
    .keep span {
      display: none;
    }
    .keep {
      padding: 0 10px;
    }
    .back {
      padding: 0 6px;
    }
  }
  @media (max-width: 960px) {
    .segments span {
      display: none;
    }
  }
  @media (max-width: 760px) {
    :host {
      grid-template: "head" 52px "view" minmax(0, 1fr) "scrub" auto "side" auto "nav" auto / minmax(0, 1fr);
      height: 100dvh;
    }
    header {
      padding: 0 8px;
      gap: 4px;
    }
    header .segments,
    header .open,
    header .panel-toggle {
      display: none;
    }
    .icon,
    .back {
      width: 44px;
      min-height: 44px;
    }
    .who {
      margin-left: 0;
      padding-left: 4px;
      border: 0;
    }
    .done {
      min-height: 40px;
      padding: 0 12px;
    }
    .done svg {
      display: none;
    }
    .keep {
      min-height: 44px;
    }
    aside {
      width: auto;
      max-height: 46dvh;
      border-top: 1px solid var(--tc-line);
      border-left: 0;
    }
    aside section {
      display: none;
      border: 0 !important;
    }
    aside[data-open="series"] .series,
    aside[data-open="presets"] .presets,
    aside[data-open="views"] .views,
    aside[data-open="window"] .window,
    aside[data-open="session"] .session {
      display: block;
    }
    aside[data-open=""] {
      display: none;
    }
    nav {
      grid-area: nav;
      display: grid;
      grid-auto-columns: minmax(0, 1fr);
      grid-auto-flow: column;
      padding: 4px 4px calc(4px + env(safe-area-inset-bottom));
      border-top: 1px solid var(--tc-line);
      background: var(--tc-surface);
    }
    nav .button {
      flex-direction: column;
      gap: 2px;
      min-height: 52px;
      padding: 4px 0;
      border-color: transparent;
      background: transparent;
      color: var(--tc-soft);
      font-size: 12px;
    }
    nav .button[aria-pressed="true"],
    nav .button[aria-expanded="true"] {
      color: var(--tc-accent);
    }
  }
`;
