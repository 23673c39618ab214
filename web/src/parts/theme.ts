// Colours, type and shapes, the same in the element and on the pages.
import { css } from "lit";

export const theme = css`
  :host {
    --tc-ground: #0a0d11;
    --tc-surface: #11161c;
    --tc-raised: #182028;
    --tc-hover: #202a34;
    --tc-line: #26313c;
    --tc-line-strong: #3a4856;
    --tc-text: #e9eef3;
    --tc-soft: #a9b6c2;
    --tc-faint: #8494a3;
    --tc-accent: #5cc8d7;
    --tc-accent-ink: #04222a;
    --tc-accent-dim: rgb(92 200 215 / 0.14);
    --tc-good: #7fd6a2;
    --tc-warn: #f2c063;
    --tc-bad: #ff8f86;
    --tc-radius: 8px;
    --tc-font: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "DejaVu Sans", sans-serif;
    font: 400 14px/1.45 var(--tc-font);
    color: var(--tc-text);
    color-scheme: dark;
    -webkit-font-smoothing: antialiased;
  }
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  [hidden] {
    display: none !important;
  }
  :focus-visible {
    outline: 2px solid var(--tc-accent);
    outline-offset: 2px;
  }
  button,
  input,
  select {
    font: inherit;
    color: inherit;
  }
  .number {
    font-variant-numeric: tabular-nums;
  }
  .quiet {
    color: var(--tc-soft);
  }
  .visually-hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  @media (prefers-reduced-motion: reduce) {
    *,
    *::before,
    *::after {
      animation-duration: 0.01ms !important;
      animation-iteration-count: 1 !important;
      transition-duration: 0.01ms !important;
    }
  }
`;

export const buttons = css`
  .button {
    display: inline-flex;
    align-items: center;
    justify-content: center;
    gap: 8px;
    min-height: 36px;
    padding: 0 14px;
    border: 1px solid var(--tc-line-strong);
    border-radius: var(--tc-radius);
    background: var(--tc-raised);
    color: var(--tc-text);
    font-weight: 500;
    text-decoration: none;
    white-space: nowrap;
    cursor: pointer;
    transition:
      background 120ms,
      border-color 120ms;
  }
  .button:hover:not(:disabled) {
    background: var(--tc-hover);
  }
  .button:disabled {
    opacity: 0.45;
    cursor: default;
  }
  .button.primary {
    border-color: transparent;
    background: var(--tc-accent);
    color: var(--tc-accent-ink);
    font-weight: 600;
  }
  .button.primary:hover:not(:disabled) {
    background: #7ad6e2;
  }
  .button.plain {
    border-color: transparent;
    background: transparent;
  }
  .button[aria-pressed="true"],
  .button[aria-checked="true"] {
    border-color: var(--tc-accent);
    background: var(--tc-accent-dim);
    color: var(--tc-accent);
  }
  .button svg {
    flex: none;
  }
`;
