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
  .search {
    position: relative;
    align-self: center;
    width: min(400px, 100%);
    margin-left: auto;
  }
  .search svg {
    position: absolute;
    left: 12px;
    top: 10px;
    color: var(--tc-faint);
    pointer-events: none;
  }
  .search input {
    width: 100%;
    height: 40px;
    padding: 0 12px 0 40px;
    border: 1px solid var(--tc-line-strong);
    border-radius: var(--tc-radius);
    background: var(--tc-surface);
  }
  .search input::placeholder {
    color: var(--tc-faint);
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
  .row.study {
    position: relative;
    transition: background 100ms;
  }
  .row.study + .row.study,
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
  .patient a {
    color: var(--tc-text);
    font-size: 15px;
    font-weight: 600;
    text-decoration: none;
  }
  .patient a::after {
    content: "";
    position: absolute;
    inset: 0;
  }
  .patient a:focus-visible {
    outline: none;
  }
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
  .series p {
    margin: 8px;
  }
  .one {
    display: grid;
    grid-template-columns: 48px minmax(0, 1fr) 110px 100px 120px;
    gap: 16px;
    align-items: center;
    min-height: 46px;
    padding: 4px 12px 4px 8px;
    border-radius: var(--tc-radius);
    color: var(--tc-text);
    text-decoration: none;
  }
  .one em {
    justify-self: start;
  }
  a.one:hover {
    background: var(--tc-hover);
  }
  .one.no {
    color: var(--tc-soft);
  }
  .go {
    display: flex;
    align-items: center;
    justify-content: flex-end;
    gap: 4px;
    color: var(--tc-accent);
    font-weight: 500;
  }
  .no .go {
    color: var(--tc-faint);
    font-weight: 400;
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
  @media (max-width: 900px) {
    .top {
      flex-wrap: wrap;
      margin: 12px 0 16px;
    }
    h1 {
      font-size: 22px;
    }
    .search {
      width: 100%;
      margin: 0;
    }
    .search input {
      height: 44px;
      font-size: 16px;
    }
    .search svg {
      top: 12px;
    }
    .row.head {
      display: none;
    }
    .row.study {
      grid-template-columns: 1fr auto;
      gap: 2px 12px;
      padding: 14px 12px 14px 16px;
    }
    .row.study > span {
      grid-column: 1;
      text-align: left;
    }
    .row.study > .more {
      grid-area: 1 / 2 / span 4 / 3;
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
    .row.study > .modality {
      margin: 4px 0;
    }
    .row.study > .count,
    .patient small {
      display: none;
    }
    .one {
      grid-template-columns: auto minmax(0, 1fr) auto;
      gap: 10px;
    }
    .one .number,
    .one .go {
      display: none;
    }
    .one .quiet:not(.size) {
      display: block;
    }
  }
`;
