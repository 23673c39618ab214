import { css } from "lit";

/** tableStyles are those of the operators' tables, which are lists of cards on a narrow page. */
export const tableStyles = css`
  input,
  select {
    height: 36px;
    padding: 0 10px;
    border: 1px solid var(--tc-line-strong);
    border-radius: var(--tc-radius);
    background: var(--tc-surface);
    color: var(--tc-text);
  }
  input::placeholder {
    color: var(--tc-faint);
    opacity: 1;
  }
  .scroll {
    overflow-x: auto;
    border: 1px solid var(--tc-line);
    border-radius: 12px;
    background: var(--tc-surface);
    scrollbar-width: thin;
  }
  table {
    width: 100%;
    border-collapse: collapse;
    font-size: 13px;
  }
  th,
  td {
    padding: 9px 12px;
    font-weight: 400;
    text-align: left;
    vertical-align: middle;
  }
  thead th {
    color: var(--tc-faint);
    font-size: 12px;
    white-space: nowrap;
  }
  tbody tr {
    border-top: 1px solid var(--tc-line);
  }
  th small,
  td small {
    display: block;
    color: var(--tc-faint);
    font-size: 12px;
  }
  .right {
    text-align: right;
  }
  .seen,
  .nowrap {
    white-space: nowrap;
  }
  .sort {
    padding: 2px 4px;
    margin: -2px -4px;
    border: 0;
    border-radius: 4px;
    background: none;
    color: inherit;
    cursor: pointer;
  }
  .sort:hover {
    color: var(--tc-text);
  }
  .sort i {
    position: absolute;
    padding-left: 3px;
    color: var(--tc-accent);
    font-style: normal;
  }
  .chip {
    display: inline-flex;
    align-items: center;
    gap: 6px;
    padding: 2px 10px;
    border: 1px solid color-mix(in srgb, var(--state, var(--tc-soft)) 45%, transparent);
    border-radius: 999px;
    color: var(--state, var(--tc-soft));
    font-size: 12px;
    font-weight: 600;
    white-space: nowrap;
  }
  .chip.urgent {
    margin-left: 8px;
  }
  .chip::before {
    content: "";
    width: 7px;
    height: 7px;
    border-radius: 50%;
    background: currentcolor;
  }
  .foot {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    justify-content: space-between;
    gap: 8px 16px;
    min-height: 44px;
    margin-top: 8px;
  }
  .foot p {
    margin: 0;
  }
  .foot nav {
    display: flex;
    align-items: center;
    gap: 12px;
  }
  .ghosts {
    display: grid;
    gap: 1px;
    overflow: hidden;
    border: 1px solid var(--tc-line);
    border-radius: 12px;
  }
  .ghosts i {
    height: 56px;
    background: var(--tc-surface);
    animation: breathe 1.4s ease-in-out infinite;
  }
  .nothing {
    display: grid;
    justify-items: center;
    padding: 48px 24px;
    border: 1px dashed var(--tc-line-strong);
    border-radius: 12px;
    text-align: center;
  }
  .nothing svg {
    width: 32px;
    height: 32px;
    color: var(--tc-faint);
  }
  .nothing h3 {
    margin: 12px 0 4px;
    font-size: 16px;
    font-weight: 600;
  }
  .nothing p {
    max-width: 52ch;
    margin: 0 0 14px;
    color: var(--tc-soft);
  }
  pre {
    max-width: 100%;
    margin: 0;
    padding: 10px 14px;
    overflow-x: auto;
    border-radius: 8px;
    background: var(--tc-surface);
    font-size: 13px;
  }
  @media (max-width: 900px) {
    input,
    select,
    .foot .button {
      height: 44px;
      font-size: 16px;
    }
    .scroll {
      border: 0;
      background: none;
      overflow: visible;
    }
    table,
    tbody {
      display: grid;
      gap: 8px;
    }
    thead {
      display: none;
    }
    tbody tr {
      display: grid;
      grid-template-columns: repeat(3, minmax(0, 1fr));
      gap: 10px 12px;
      padding: 14px;
      border: 1px solid var(--tc-line);
      border-radius: 12px;
      background: var(--tc-surface);
    }
    tbody th,
    tbody td,
    td.meter {
      min-width: 0;
      padding: 0;
      text-align: left;
    }
    tbody td.right {
      text-align: left;
    }
    tbody td.place {
      text-align: right;
    }
    tbody th {
      order: -1;
      grid-column: 1 / 3;
      font-size: 15px;
    }
    tbody td[data-label="State"] {
      justify-self: end;
    }
    tbody td:not([data-label="State"])::before {
      content: attr(data-label);
      display: block;
      color: var(--tc-faint);
      font-size: 12px;
    }
    td.wide {
      grid-column: 1 / -1;
    }
  }
`;

/** rowStyles are those of rows that open what their first button, .name, names. */
export const rowStyles = css`
  .name {
    padding: 0;
    border: 0;
    border-radius: 4px;
    background: none;
    color: var(--tc-text);
    font-weight: 600;
    text-align: left;
    overflow-wrap: anywhere;
    cursor: pointer;
  }
  .name::after {
    content: "";
    position: absolute;
    inset: 0;
  }
  .name:focus-visible {
    outline: none;
  }
  .name:focus-visible::after {
    outline: 2px solid var(--tc-accent);
    outline-offset: -2px;
  }
  tbody tr {
    position: relative;
    cursor: pointer;
  }
  tbody tr:hover {
    background: var(--tc-raised);
  }
`;
