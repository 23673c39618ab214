// What a window keeps until it is closed.

/** sessionStore is the window's own storage, where the browser allows any. */
export function sessionStore(): Storage | undefined {
  try {
    return globalThis.sessionStorage;
  } catch {
    return undefined;
  }
}
