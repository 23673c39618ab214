import { css } from "lit";

export const listStyles = css`
  :host {
    display: block;
    height: 100%;
  }
  .top {
    display: flex;
    align-items: baseline;
    gap: 14px;
    margin: 28px 0 20px;
  }
  h1 {
    margin: 0;
    font-size: 26px;
    font-weight: 600;
    letter-spacing: -0.02em;
  }
  .top p {
    margin: 0;
  }
  tc-open-files {
    align-self: center;
    margin-left: auto;
  }
  .banner {
    display: flex;
    align-items: center;
    gap: 12px;
    margin: 0 0 12px;
    padding: 8px 8px 8px 14px;
    border: 1px solid rgb(242 192 99 / 0.4);
    border-radius: 10px;
    background: rgb(242 192 99 / 0.07);
    color: #ffd9a0;
  }
  .banner svg {
    flex: none;
  }
  .banner span {
    flex: 1;
    min-width: 0;
    overflow-wrap: anywhere;
  }
  .banner details {
    flex: 1;
    min-width: 0;
  }
  .banner summary {
    padding: 6px 0;
    cursor: pointer;
  }
  .banner details > span {
    display: block;
    padding: 4px 0 4px 18px;
  }
  .table {
    overflow: hidden;
    border: 1px solid var(--tc-line);
    border-radius: 12px;
    background: var(--tc-surface);
  }
  .table[aria-busy="true"] {
    opacity: 0.75;
  }
  .row {
    display: grid;
    grid-template-columns: minmax(180px, 2fr) minmax(100px, 1.2fr) 100px 100px 96px minmax(140px, 2fr) 64px 72px 44px;
    gap: 16px;
    align-items: center;
    min-height: 56px;
    padding: 6px 10px 6px 20px;
  }
  .row.head {
    min-height: 40px;
    border-bottom: 1px solid var(--tc-line);
    color: var(--tc-faint);
    font-size: 12px;
    font-weight: 500;
  }
  .patients .row {
    grid-template-columns: minmax(200px, 2fr) minmax(120px, 1.2fr) 110px 120px minmax(96px, 1fr) minmax(120px, 1.4fr) 44px;
  }
  .row.inner .patient {
    grid-column: span 3;
    padding-left: 24px;
  }
  .row.inner .patient a {
    font-size: 14px;
    font-weight: 500;
  }
  .below {
    background: rgb(0 0 0 / 0.16);
  }
  .row.study {
    position: relative;
    content-visibility: auto;
    contain-intrinsic-size: auto 56px;
    transition: background 100ms;
  }
  .sort {
    display: inline-flex;
    gap: 4px;
    margin: 0 -8px;
    padding: 4px 8px;
    border: 0;
    border-radius: 6px;
    background: none;
    color: inherit;
    font-weight: inherit;
    cursor: pointer;
  }
  .sort:hover {
    background: var(--tc-raised);
    color: var(--tc-text);
  }
  .right .sort {
    flex-direction: row-reverse;
  }
  .sort i {
    width: 10px;
    color: var(--tc-accent);
    font-style: normal;
  }
  [aria-sort]:not([aria-sort="none"]) .sort {
    color: var(--tc-text);
  }
  .row.study + .row.study,
  .below + .row.study,
  .series + .row.study {
    border-top: 1px solid var(--tc-line);
  }
  .row.study:hover,
  .row.study.open {
    background: var(--tc-raised);
  }
  .row.study > span {
    min-width: 0;
    overflow-wrap: anywhere;
  }
  .row b {
    display: none;
  }
  .name {
    padding: 0;
    border: 0;
    background: none;
    text-align: left;
    cursor: pointer;
  }
  .name,
  .patient a {
    color: var(--tc-text);
    font-size: 15px;
    font-weight: 600;
    text-decoration: none;
  }
  .name::after,
  .patient a::after {
    content: "";
    position: absolute;
    inset: 0;
  }
  .name:focus-visible,
  .patient a:focus-visible {
    outline: none;
  }
  .name:focus-visible::after,
  .patient a:focus-visible::after {
    outline: 2px solid var(--tc-accent);
    outline-offset: -2px;
    border-radius: 6px;
  }
  small {
    display: block;
    color: var(--tc-faint);
    font-size: 12px;
  }
  .id,
  .born,
  .date,
  .description {
    color: var(--tc-soft);
  }
  .date {
    color: var(--tc-text);
  }
  .right {
    text-align: right;
  }
  .modality {
    display: flex;
    flex-wrap: wrap;
    gap: 4px;
  }
  em {
    padding: 1px 7px;
    border-radius: 5px;
    background: var(--tc-accent-dim);
    color: var(--tc-accent);
    font-size: 12px;
    font-style: normal;
    font-weight: 600;
  }
  em.mark {
    background: rgb(127 214 162 / 0.13);
    color: var(--tc-good);
  }
  .more .button {
    position: relative;
    z-index: 1;
    width: 36px;
    padding: 0;
    color: var(--tc-soft);
  }
  .more svg {
    transition: transform 140ms;
  }
  .open .more svg {
    transform: rotate(90deg);
  }
  .series {
    padding: 4px 12px 14px;
    background: var(--tc-raised);
  }
  .kept {
    display: flex;
    align-items: center;
    justify-content: flex-end;
    gap: 14px;
    padding: 8px 12px 0;
  }
  .end {
    margin: 0;
    padding: 20px;
    text-align: center;
  }
  .empty pre {
    margin: 0 0 20px;
    padding: 10px 16px;
    border-radius: var(--tc-radius);
    background: var(--tc-raised);
    font: 13px/1.4 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
    user-select: all;
  }
  .ghost {
    grid-template-columns: 2fr 1fr 1fr 2fr;
  }
  .ghost i {
    height: 12px;
    border-radius: 6px;
    background: var(--tc-raised);
    animation: breathe 1.4s ease-in-out infinite;
  }
  @keyframes breathe {
    50% {
      opacity: 0.45;
    }
  }
  @media (max-width: 1140px) {
    .born,
    .series-count {
      display: none;
    }
    .row {
      grid-template-columns: minmax(150px, 2fr) minmax(90px, 1fr) 96px 90px minmax(120px, 2fr) 64px 44px;
      gap: 12px;
    }
    .patients .row {
      grid-template-columns: minmax(150px, 2fr) minmax(90px, 1fr) 110px minmax(90px, 1fr) minmax(110px, 1.4fr) 44px;
    }
    .row.inner .patient {
      grid-column: span 2;
    }
  }
  @media (max-width: 900px) {
    .banner {
      flex-wrap: wrap;
    }
    .banner details[open] {
      flex-basis: calc(100% - 48px);
    }
    .banner .button {
      min-height: 44px;
      margin-left: auto;
    }
    .top {
      margin: 12px 0 16px;
    }
    h1 {
      font-size: 22px;
    }
    .series {
      padding: 4px 4px 14px;
    }
    .row.head {
      display: none;
    }
    .row.study {
      display: flex;
      flex-wrap: wrap;
      gap: 3px 14px;
      padding: 14px 60px 14px 16px;
      contain-intrinsic-size: auto 128px;
    }
    .row.inner {
      padding-left: 28px;
    }
    .row.inner .patient {
      padding: 0;
    }
    .row.study > .patient,
    .row.study > .description {
      flex-basis: 100%;
    }
    .row.study > .description:empty {
      display: none;
    }
    .row.study > .more {
      position: absolute;
      top: 10px;
      right: 8px;
    }
    .more .button {
      width: 44px;
      min-height: 44px;
    }
    .row b {
      display: inline;
      margin-right: 6px;
      color: var(--tc-faint);
      font-weight: 400;
    }
    .row b.unit {
      margin: 0 0 0 4px;
    }
    .row.study > .series-count,
    .patient small {
      display: none;
    }
  }
`;
