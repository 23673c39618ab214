// Dialogs over the page: a frame for their contents.
import { css, html, type TemplateResult } from "lit";

export const dialogStyles = css`
  dialog {
    width: min(480px, calc(100vw - 32px));
    max-height: calc(100dvh - 48px);
    padding: 24px;
    border: 1px solid var(--tc-line-strong);
    border-radius: 14px;
    background: var(--tc-surface);
    color: var(--tc-text);
    box-shadow: 0 24px 70px rgb(0 0 0 / 0.7);
  }
  dialog::backdrop {
    background: rgb(4 6 9 / 0.66);
  }
  dialog h2 {
    margin: 0 0 6px;
    font-size: 17px;
    font-weight: 600;
    color: var(--tc-text);
  }
  dialog p {
    margin: 0 0 12px;
    color: var(--tc-soft);
    overflow-wrap: anywhere;
  }
  dialog [role="alert"] {
    color: var(--tc-bad);
  }
  dialog .actions {
    display: flex;
    flex-wrap: wrap;
    justify-content: flex-end;
    gap: 10px;
    margin-top: 20px;
  }
  dialog .actions .button {
    min-height: 40px;
  }
  .button.danger {
    border-color: transparent;
    background: #c8453c;
    color: #fff;
    font-weight: 600;
  }
  .button.danger:hover:not(:disabled) {
    background: #d7554b;
  }
`;

/** dialogOf is a modal dialog's element; showDialog opens it once it is in the page. */
export function dialogOf(label: string, content: TemplateResult, closed: () => void): TemplateResult {
  return html`<dialog aria-label=${label} @close=${closed}>${content}</dialog>`;
}

/** showDialog opens the dialog of a shadow root, where it has one that is not open yet. */
export function showDialog(root: ParentNode): void {
  const dialog = root.querySelector("dialog");
  if (dialog?.open === false) dialog.showModal();
}
