import { css } from "lit";

/** queueStyles are those of a session that waits for its place. */
export const queueStyles = css`
  .queued .standing {
    display: flex;
    align-items: center;
    gap: 16px;
    margin: 14px 0 4px;
    text-align: left;
  }
  .queued .standing > b {
    display: grid;
    place-items: center;
    flex: none;
    min-width: 56px;
    height: 56px;
    padding: 0 10px;
    border: 1px solid rgb(92 200 215 / 0.45);
    border-radius: 14px;
    background: var(--tc-accent-dim);
    color: var(--tc-accent);
    font-size: 26px;
    font-weight: 600;
  }
  .queued .standing p {
    margin: 0;
  }
  .queued .standing .place {
    color: var(--tc-text);
    font-size: 15px;
  }
  .queued .actions {
    align-items: center;
  }
  .queued .urgent {
    border-color: rgb(242 192 99 / 0.5);
    color: var(--tc-warn);
  }
  .queued .chip {
    padding: 4px 12px;
    border: 1px solid rgb(242 192 99 / 0.5);
    border-radius: 999px;
    color: var(--tc-warn);
    font-size: 13px;
    font-weight: 600;
  }
  .why {
    margin-top: 14px;
    color: var(--tc-soft);
    font-size: 13px;
    text-align: left;
  }
  .why summary {
    cursor: pointer;
  }
  .why p {
    margin: 6px 0 0;
  }
`;
