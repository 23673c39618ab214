import { css } from "lit";

export const viewerStyles = css`
  :host {
    display: block;
    position: relative;
    min-width: 0;
    min-height: 0;
    overflow: hidden;
    background: #000;
    container-type: size;
    user-select: none;
    -webkit-user-select: none;
  }
  .stage {
    position: absolute;
    inset: 0;
    overflow: hidden;
    touch-action: none;
    cursor: grab;
    outline-offset: -2px;
  }
  .stage.window {
    cursor: crosshair;
  }
  .stage:active {
    cursor: grabbing;
  }
  .picture {
    position: absolute;
    isolation: isolate;
    top: 0;
    left: 0;
  }
  .picture.gone {
    opacity: 0;
  }
  video,
  .still {
    position: absolute;
    inset: 0;
    width: 100%;
    height: 100%;
    object-fit: contain;
    pointer-events: none;
  }
  /* Drawn, so that its frames are told, and seen by nobody. */
  video.back {
    z-index: 1;
    opacity: 0.001;
  }
  .still,
  .over {
    z-index: 2;
  }
  .still {
    background: #000;
  }
  .over {
    position: absolute;
    inset: 0;
    pointer-events: none;
    font-size: 13px;
    line-height: 1.4;
    text-shadow:
      0 0 3px rgb(0 0 0 / 0.95),
      0 1px 1px rgb(0 0 0 / 0.9);
  }
  .corner {
    position: absolute;
    max-width: 42%;
    overflow-wrap: anywhere;
  }
  .corner.tl {
    top: 14px;
    left: 16px;
  }
  .corner.tr {
    top: 14px;
    right: 16px;
    text-align: right;
  }
  .corner.bl {
    bottom: 14px;
    left: 16px;
  }
  .corner.br {
    bottom: 14px;
    right: 16px;
    text-align: right;
  }
  .name {
    font-size: 16px;
    font-weight: 600;
  }
  .corner .quiet {
    color: #c4ced8;
  }
  .letter {
    position: absolute;
    color: #f4d58a;
    font-size: 17px;
    font-weight: 600;
    letter-spacing: 0.04em;
  }
  .letter.left {
    left: 16px;
    top: 50%;
    transform: translateY(-50%);
  }
  .letter.right {
    right: 16px;
    top: 50%;
    transform: translateY(-50%);
  }
  .letter.top {
    top: 14px;
    left: 50%;
    transform: translateX(-50%);
  }
  .letter.bottom {
    bottom: 14px;
    left: 50%;
    transform: translateX(-50%);
  }
  .badge {
    display: inline-flex;
    align-items: center;
    gap: 7px;
    margin-bottom: 6px;
    padding: 3px 10px 3px 8px;
    border: 1px solid rgb(255 255 255 / 0.16);
    border-radius: 999px;
    background: rgb(8 11 15 / 0.78);
    font-size: 12px;
    font-weight: 600;
    letter-spacing: 0.02em;
    text-shadow: none;
  }
  .badge::before {
    content: "";
    width: 8px;
    height: 8px;
    border-radius: 50%;
    background: var(--dot, var(--tc-faint));
  }
  .badge.lossless {
    --dot: var(--tc-good);
    color: var(--tc-good);
  }
  .badge.lossy {
    --dot: var(--tc-accent);
  }
  .badge.stale,
  .badge.reduced {
    --dot: var(--tc-warn);
    color: var(--tc-warn);
  }
  .badge.loading::before {
    animation: pulse 1.2s ease-in-out infinite;
  }
  @keyframes pulse {
    50% {
      opacity: 0.25;
    }
  }
  .warned {
    color: #ffd9a0;
  }
  .disclaimer {
    font-size: 12px;
    font-weight: 600;
    color: #ffd9a0;
  }
  .message {
    position: absolute;
    inset: 0;
    display: grid;
    place-items: center;
    padding: 24px;
    pointer-events: none;
  }
  .card {
    width: min(420px, 100%);
    padding: 24px;
    border: 1px solid var(--tc-line-strong);
    border-radius: 14px;
    background: rgb(17 22 28 / 0.96);
    box-shadow: 0 18px 50px rgb(0 0 0 / 0.6);
    pointer-events: auto;
    user-select: text;
    -webkit-user-select: text;
  }
  .card:not(.quietly) {
    max-height: 100%;
    overflow: auto;
    scrollbar-width: thin;
  }
  .card.quietly {
    border-color: transparent;
    background: transparent;
    box-shadow: none;
    text-align: center;
  }
  .card h2 {
    margin: 0;
    font-size: 17px;
    font-weight: 600;
    line-height: 1.35;
  }
  .card p {
    margin: 6px 0 0;
    color: var(--tc-soft);
    overflow-wrap: anywhere;
  }
  .actions {
    display: flex;
    flex-wrap: wrap;
    gap: 10px;
    margin-top: 18px;
  }
  .track {
    height: 4px;
    margin: 16px 0 10px;
    overflow: hidden;
    border-radius: 2px;
    background: rgb(255 255 255 / 0.14);
  }
  .track > i {
    display: block;
    height: 100%;
    width: var(--share, 0%);
    border-radius: 2px;
    background: var(--tc-accent);
    transition: width 160ms linear;
  }
  .track.unknown > i {
    width: 30%;
    animation: sweep 1.3s ease-in-out infinite;
  }
  @keyframes sweep {
    from {
      transform: translateX(-110%);
    }
    to {
      transform: translateX(360%);
    }
  }
  .notice {
    position: absolute;
    /* Below whose picture it is. */
    top: 92px;
    right: 16px;
    left: 16px;
    display: flex;
    align-items: center;
    gap: 12px;
    width: fit-content;
    max-width: 560px;
    margin: 0 auto;
    padding: 10px 14px;
    border: 1px solid rgb(242 192 99 / 0.5);
    border-radius: 10px;
    background: rgb(30 25 14 / 0.96);
    text-shadow: none;
    pointer-events: auto;
  }
  .notice .button {
    min-height: 28px;
    padding: 0 10px;
  }
  @container (max-width: 620px) {
    .over {
      font-size: 12px;
    }
    .corner.tl,
    .corner.tr {
      top: 10px;
    }
    .corner.tl,
    .corner.bl {
      left: 12px;
    }
    .corner.tr,
    .corner.br {
      right: 12px;
    }
    .corner.bl,
    .corner.br {
      bottom: 10px;
    }
    .letter.left {
      left: 12px;
    }
    .letter.right {
      right: 12px;
    }
    .letter.bottom {
      bottom: 10px;
    }
    .letter.top {
      top: 10px;
    }
    .name {
      font-size: 14px;
    }
    .corner {
      max-width: 44%;
    }
    .corner .extra {
      display: none;
    }
  }
`;
