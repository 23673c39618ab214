import { css } from "lit";

/** concernStyles are those of warnings and of the strip below a picture that is not whole. */
export const concernStyles = css`
  .viewport {
    position: absolute;
  }
  /* Bone and fat are white up to the edges of a picture; what is written there is read all the same. */
  .corner:not(.bl),
  .corner .disclaimer {
    margin: -6px -8px;
    padding: 6px 8px;
    border-radius: 8px;
    background: rgb(0 0 0 / 0.8);
  }
  .corner .disclaimer {
    width: fit-content;
    margin-top: 0;
    padding-block: 3px;
  }
  .corner.br:not(:has(*)) {
    display: none;
  }
  .letter {
    padding: 0 6px;
    border-radius: 6px;
    background: rgb(0 0 0 / 0.6);
  }
  /* A plain image may have text burned in where ours stands, of another patient even. */
  .over.flat .corner:not(.bl),
  .over.flat .disclaimer,
  .over.flat .badge,
  .over.flat .concern {
    background: #050708;
  }
  .badge.preview {
    --dot: var(--tc-warn);
    border-color: rgb(242 192 99 / 0.45);
    color: var(--tc-warn);
  }
  .badge.preview::before {
    animation: pulse 1.2s ease-in-out infinite;
  }
  .letter.unplaced {
    font-size: 13px;
    letter-spacing: 0;
  }
  .concern {
    display: flex;
    align-items: flex-start;
    gap: 7px;
    max-width: min(52ch, 60cqw);
    margin-bottom: 8px;
    padding: 4px 10px 4px 7px;
    border: 1px solid rgb(255 255 255 / 0.16);
    border-radius: 10px;
    background: rgb(8 11 15 / 0.82);
    color: var(--tc-soft);
    font-size: 12px;
    line-height: 18px;
    text-align: left;
    text-shadow: none;
    pointer-events: auto;
    cursor: pointer;
  }
  .concern:hover {
    background: rgb(24 32 40 / 0.92);
  }
  .concern svg {
    flex: none;
    width: 18px;
    height: 18px;
  }
  .concern.grave {
    border-color: rgb(242 192 99 / 0.45);
    color: #ffd9a0;
  }
  .concern span {
    display: -webkit-box;
    overflow: hidden;
    -webkit-box-orient: vertical;
    -webkit-line-clamp: 2;
  }
  .concerns {
    position: absolute;
    left: 16px;
    bottom: 14px;
    display: flex;
    flex-direction: column;
    width: min(460px, calc(100% - 32px));
    max-height: calc(100% - 28px);
    border: 1px solid var(--tc-line-strong);
    border-radius: 14px;
    background: #11161c;
    box-shadow: 0 18px 50px rgb(0 0 0 / 0.6);
    user-select: text;
    -webkit-user-select: text;
  }
  .concerns header {
    display: flex;
    align-items: center;
    justify-content: space-between;
    padding: 8px 8px 0 18px;
  }
  .concerns header .button {
    width: 36px;
    padding: 0;
  }
  .concerns h2 {
    margin: 0;
    font-size: 15px;
    font-weight: 600;
  }
  .concerns .body {
    overflow: auto;
    padding: 0 18px 16px;
    overflow-wrap: anywhere;
    scrollbar-width: thin;
  }
  .concerns h3 {
    margin: 14px 0 6px;
    color: var(--tc-faint);
    font-size: 12px;
    font-weight: 500;
  }
  .concerns ul {
    display: grid;
    gap: 6px;
    margin: 0;
    padding: 0 0 0 18px;
  }
  .concerns ul.grave {
    color: #ffd9a0;
  }
  dl {
    margin: 0;
  }
  dt {
    font-size: 13px;
  }
  dd {
    margin: 0 0 8px;
    color: var(--tc-soft);
    font-size: 13px;
  }
  .files {
    margin-top: 14px;
  }
  .strip {
    position: absolute;
    left: 50%;
    bottom: 44px;
    display: grid;
    grid-template-columns: minmax(0, 1fr) auto;
    gap: 8px 14px;
    align-items: center;
    width: min(460px, calc(100% - 32px));
    padding: 10px 10px 10px 16px;
    transform: translateX(-50%);
    border: 1px solid rgb(242 192 99 / 0.45);
    border-radius: 12px;
    background: rgb(17 22 28 / 0.92);
  }
  .strip .line {
    display: flex;
    flex-wrap: wrap;
    justify-content: space-between;
    gap: 0 14px;
    font-size: 13px;
  }
  .strip .line b {
    color: #ffd9a0;
    font-weight: 600;
  }
  .strip .track {
    grid-column: 1;
    margin: 0;
  }
  .strip .cancel {
    grid-area: 1 / 2 / span 2 / 3;
    min-height: 32px;
  }
  .card.quietly .cancel {
    margin-top: 18px;
  }
  .place {
    font-weight: 600;
  }
  @container (max-width: 620px) {
    .concern {
      max-width: 74cqw;
    }
    .corner.bl {
      max-width: 76%;
    }
    .concerns {
      left: 8px;
      bottom: 8px;
      width: calc(100% - 16px);
      max-height: calc(100% - 16px);
    }
    .strip {
      bottom: 84px;
    }
    .strip .cancel {
      min-height: 44px;
    }
  }
`;
