import { css } from "lit";

/** timeStyles are those of time lines, of one node and of many. */
export const timeStyles = css`
  :host {
    --free-gpu: var(--tc-accent);
    --free-cpu: #b9a7f0;
    --free-encoder: var(--tc-good);
    --closed: repeating-linear-gradient(135deg, rgb(169 182 194 / 0.2) 0 2px, transparent 2px 7px);
  }
  .choice {
    display: inline-flex;
    border: 1px solid var(--tc-line-strong);
    border-radius: var(--tc-radius);
    overflow: hidden;
  }
  .choice button {
    min-height: 32px;
    padding: 0 12px;
    border: 0;
    border-left: 1px solid var(--tc-line-strong);
    background: none;
    color: var(--tc-soft);
    font-size: 13px;
    cursor: pointer;
  }
  .choice button:first-child {
    border-left: 0;
  }
  .choice button:hover {
    background: var(--tc-hover);
  }
  .choice button:focus-visible {
    outline-offset: -2px;
  }
  .choice button[aria-pressed="true"] {
    background: var(--tc-accent-dim);
    color: var(--tc-accent);
    font-weight: 600;
  }
  .plot {
    position: relative;
    isolation: isolate;
    overflow: hidden;
    border: 1px solid var(--tc-line);
    border-radius: 10px;
    background: var(--tc-ground);
  }
  .plot .tick,
  .plot .now,
  .plot .at,
  .plot .shut {
    position: absolute;
    top: 0;
    bottom: 0;
    left: calc(100% * var(--x));
    pointer-events: none;
  }
  .plot .tick {
    width: 1px;
    background: var(--tc-line);
  }
  .plot .shut {
    width: calc(100% * var(--w));
    background: var(--closed);
  }
  .plot .now {
    width: 2px;
    margin-left: -1px;
    background: var(--tc-text);
  }
  .plot .at {
    width: 1px;
    background: var(--tc-soft);
  }
  .row {
    position: relative;
    padding: 5px 10px 0;
  }
  .row + .row {
    border-top: 1px solid var(--tc-line);
  }
  .plot[aria-busy="true"] {
    animation: breathe 1.4s ease-in-out infinite;
  }
  .row > span {
    position: relative;
    z-index: 1;
    display: flex;
    flex-wrap: wrap;
    justify-content: space-between;
    gap: 0 10px;
    font-size: 12px;
    line-height: 18px;
  }
  .row > span > * {
    margin: 0 -4px;
    padding: 0 4px;
    border-radius: 4px;
    background: color-mix(in srgb, var(--tc-ground) 82%, transparent);
  }
  .row > span b {
    font-weight: 500;
    white-space: nowrap;
  }
  .row > span small {
    margin-left: auto;
    color: var(--tc-soft);
    font-size: 12px;
    font-variant-numeric: tabular-nums;
  }
  .row svg {
    display: block;
    width: calc(100% + 20px);
    height: 34px;
    margin: 4px -10px 0;
  }
  .row svg .area {
    fill: color-mix(in srgb, var(--free) 24%, transparent);
  }
  .row svg .edge {
    fill: none;
    stroke: var(--free);
    stroke-width: 1.5;
    vector-effect: non-scaling-stroke;
  }
  .gpuMilli {
    --free: var(--free-gpu);
  }
  .cpuMilli {
    --free: var(--free-cpu);
  }
  .encoderSessions {
    --free: var(--free-encoder);
  }
  .lane {
    position: relative;
    height: 10px;
    margin: 2px -10px 8px;
  }
  .lane i {
    position: absolute;
    top: 0;
    bottom: 0;
    left: calc(100% * var(--x));
    width: max(3px, calc(100% * var(--w)));
    border-radius: 3px;
    background: var(--tc-warn);
  }
  .lane i.late {
    border-radius: 0 3px 3px 0;
    background: linear-gradient(90deg, color-mix(in srgb, var(--tc-warn) 62%, transparent), color-mix(in srgb, var(--tc-warn) 12%, transparent));
  }
  .lane i.sure {
    border-radius: 3px 0 0 3px;
  }
  .lane i.unknown {
    background: linear-gradient(90deg, color-mix(in srgb, var(--tc-soft) 70%, transparent), transparent);
  }
  .lane i.over {
    background: var(--tc-bad);
  }
  .lane i.shadow {
    opacity: 0.45;
  }
  .axis {
    position: relative;
    height: 20px;
    color: var(--tc-faint);
    font-size: 12px;
    font-variant-numeric: tabular-nums;
  }
  .axis span {
    position: absolute;
    left: calc(100% * var(--x));
    top: 3px;
    transform: translateX(-50%);
    white-space: nowrap;
  }
`;
