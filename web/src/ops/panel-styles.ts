import { css } from "lit";

/** panelStyles are those of the parts of the page beside the nodes. */
export const panelStyles = css`
  h2.part {
    margin: 28px 0 4px;
    font-size: 16px;
    font-weight: 600;
  }
  h2.part:first-child {
    margin-top: 0;
  }
  h2.part + p {
    margin: 0 0 12px;
    color: var(--tc-soft);
    font-size: 13px;
  }
  .scroll {
    margin-top: 12px;
  }
  h2.part + p + .scroll {
    margin-top: 0;
  }
  .problem {
    display: flex;
    align-items: center;
    gap: 10px;
    margin: 0 0 12px;
    color: var(--tc-bad);
    overflow-wrap: anywhere;
  }
  .problem svg {
    flex: none;
  }
  .chip.good {
    --state: var(--tc-good);
  }
  .chip.going {
    --state: var(--tc-accent);
  }
  .chip.waits {
    --state: var(--tc-warn);
  }
  .chip.bad {
    --state: var(--tc-bad);
  }
  .arrow {
    color: var(--tc-faint);
    padding: 0 4px;
  }
  @media (max-width: 900px) {
    .whole tbody th {
      grid-column: 1 / -1;
      font-size: 14px;
      overflow-wrap: anywhere;
    }
    td.two {
      grid-column: span 2;
    }
    td.none {
      display: none;
    }
    tbody td[data-label="How it is"],
    tbody td[data-label="Outcome"] {
      grid-column: 1 / -1;
      order: -2;
    }
    tbody td[data-label="How it is"]::before,
    tbody td[data-label="Outcome"]::before {
      display: none !important;
    }
  }
`;
