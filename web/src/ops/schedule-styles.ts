import { css } from "lit";

/** scheduleStyles are those of the form that says when a node is open. */
export const scheduleStyles = css`
  p {
    margin: 0;
    font-size: 13px;
  }
  .said {
    display: grid;
    gap: 2px;
    margin: 0;
    padding: 0;
    list-style: none;
    font-size: 13px;
  }
  .said li:last-child:not(:first-child) {
    color: var(--tc-faint);
    font-size: 12px;
  }
  form {
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    gap: 16px;
  }
  label:not(.day) {
    display: grid;
    gap: 4px;
    color: var(--tc-soft);
    font-size: 12px;
  }
  label small {
    color: var(--tc-faint);
    font-size: 12px;
  }
  label input {
    width: 100%;
    font-size: 14px;
  }
  fieldset {
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    gap: 8px;
    min-width: 0;
    margin: 0;
    padding: 0;
    border: 0;
  }
  legend {
    margin-bottom: 4px;
    padding: 0;
    font-size: 13px;
    font-weight: 600;
  }
  fieldset p {
    font-size: 12px;
  }
  .entry {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    justify-content: space-between;
    gap: 8px 12px;
    padding: 10px 8px 10px 12px;
    border: 1px solid var(--tc-line);
    border-radius: 10px;
    background: var(--tc-ground);
  }
  .days {
    display: flex;
    gap: 3px;
  }
  .day {
    position: relative;
  }
  .day input {
    position: absolute;
    inset: 0;
    width: 100%;
    height: 100%;
    margin: 0;
    opacity: 0;
    cursor: pointer;
  }
  .day span {
    display: grid;
    place-items: center;
    width: 30px;
    height: 30px;
    border: 1px solid var(--tc-line-strong);
    border-radius: 6px;
    color: var(--tc-soft);
    font-size: 12px;
  }
  .day input:checked + span {
    border-color: var(--tc-accent);
    background: var(--tc-accent-dim);
    color: var(--tc-accent);
    font-weight: 600;
  }
  .day input:focus-visible + span {
    outline: 2px solid var(--tc-accent);
    outline-offset: 2px;
  }
  .between {
    display: flex;
    align-items: center;
    gap: 6px;
    font-size: 13px;
  }
  .between span {
    color: var(--tc-faint);
  }
  .between input {
    min-width: 0;
    padding: 0 8px;
  }
  .entry.span .between {
    flex: 1;
  }
  .entry.span input {
    flex: 1;
  }
  .less {
    width: 36px;
    padding: 0;
    color: var(--tc-soft);
  }
  .add {
    justify-self: start;
  }
  .fault,
  [role="alert"] {
    flex-basis: 100%;
    color: var(--tc-bad);
    font-size: 12px;
    overflow-wrap: anywhere;
  }
  input[aria-invalid="true"] {
    border-color: var(--tc-bad);
  }
  details {
    color: var(--tc-soft);
    font-size: 13px;
  }
  summary {
    width: fit-content;
    cursor: pointer;
  }
  .pair {
    display: grid;
    align-items: start;
    grid-template-columns: 1fr 1fr;
    gap: 12px;
    margin-top: 10px;
  }
  .actions {
    display: flex;
    flex-wrap: wrap;
    gap: 10px;
    margin-top: 12px;
  }
  form .actions {
    justify-content: flex-end;
    margin: 0;
  }
  @media (max-width: 900px) {
    .button {
      min-height: 44px;
    }
    .less {
      width: 44px;
    }
    .day span {
      width: 38px;
      height: 44px;
    }
    .between input {
      height: 44px;
    }
    summary {
      min-height: 44px;
      padding-top: 10px;
    }
    .between {
      flex: 1 0 100%;
    }
    .between input {
      flex: 1 1 0;
      padding: 0 6px;
    }
    .entry.span .between {
      display: grid;
      grid-template-columns: minmax(0, 1fr) 44px;
    }
    .entry.span .between span {
      display: none;
    }
    .entry.span .less {
      grid-area: 1 / 2 / 3 / 3;
    }
  }
`;
