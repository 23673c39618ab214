import { css } from "lit";

/** drawerStyles are those of a node, which slides over the page from the right. */
export const drawerStyles = css`
  dialog {
    width: min(600px, 100vw);
    max-width: 100vw;
    height: 100dvh;
    max-height: 100dvh;
    margin: 0 0 0 auto;
    padding: 0 24px 32px;
    border: 0;
    border-left: 1px solid var(--tc-line-strong);
    border-radius: 0;
    overflow: auto;
    scrollbar-width: thin;
  }
  dialog[open] {
    animation: slide 160ms ease-out;
  }
  @keyframes slide {
    from {
      transform: translateX(24px);
      opacity: 0;
    }
  }
  header {
    position: sticky;
    top: 0;
    z-index: 1;
    display: flex;
    align-items: center;
    gap: 12px;
    margin: 0 -24px;
    padding: 14px 16px 12px 24px;
    border-bottom: 1px solid var(--tc-line);
    background: var(--tc-surface);
  }
  dialog header h2 {
    margin: 0;
    min-width: 0;
    overflow-wrap: anywhere;
  }
  .close {
    flex: none;
    width: 40px;
    min-height: 40px;
    margin-left: auto;
    padding: 0;
  }
  dialog .actions {
    justify-content: flex-start;
    margin-top: 16px;
  }
  .question {
    margin-top: 16px;
    padding: 16px;
    border: 1px solid rgb(242 192 99 / 0.45);
    border-radius: 12px;
    background: rgb(242 192 99 / 0.06);
  }
  dialog .question p {
    margin: 6px 0 0;
  }
  .question label {
    display: grid;
    gap: 4px;
    margin-top: 12px;
    color: var(--tc-soft);
    font-size: 13px;
  }
  dialog .warned {
    color: var(--tc-warn);
  }
  .facts {
    display: grid;
    grid-template-columns: 112px minmax(0, 1fr);
    gap: 6px 12px;
    margin: 20px 0 0;
    font-size: 13px;
  }
  .facts dt {
    color: var(--tc-faint);
  }
  .facts dd {
    margin: 0;
    overflow-wrap: anywhere;
  }
  section {
    margin-top: 24px;
  }
  h3 {
    margin: 0 0 8px;
    font-size: 14px;
    font-weight: 600;
  }
  section .loads {
    margin: 0 0 10px;
    grid-template-columns: 84px minmax(40px, 1fr) auto;
  }
  dialog section p {
    margin: 0;
    font-size: 13px;
  }
  .tasks {
    display: grid;
    gap: 8px;
    margin: 0;
    padding: 0;
    list-style: none;
    font-size: 13px;
  }
  .tasks b {
    font-weight: 500;
  }
  .tasks small {
    display: block;
    color: var(--tc-faint);
    font-size: 12px;
    overflow-wrap: anywhere;
  }
  .bad {
    color: var(--tc-bad);
  }
  .override {
    display: grid;
    grid-template-columns: 1fr 1fr;
    gap: 12px;
  }
  .override > label {
    display: grid;
    gap: 4px;
    color: var(--tc-soft);
    font-size: 12px;
  }
  .override input:not([type="checkbox"]) {
    width: 100%;
  }
  .override fieldset,
  .override p,
  .override .actions {
    grid-column: 1 / -1;
  }
  fieldset {
    display: flex;
    flex-wrap: wrap;
    gap: 4px 16px;
    margin: 0;
    padding: 0;
    border: 0;
  }
  legend {
    padding: 0;
    margin-bottom: 4px;
    color: var(--tc-soft);
    font-size: 12px;
  }
  .check {
    display: inline-flex;
    align-items: center;
    gap: 8px;
    min-height: 32px;
    font-size: 13px;
  }
  .check input {
    width: 16px;
    height: 16px;
    accent-color: var(--tc-accent);
  }
  dialog .override .actions {
    justify-content: flex-end;
    margin-top: 0;
  }
  @media (max-width: 900px) {
    dialog .actions .button {
      min-height: 44px;
    }
    .check {
      min-height: 44px;
    }
  }
`;
