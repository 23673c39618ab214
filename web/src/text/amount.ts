// Amounts as people read them.

/** megabytes is a number of bytes in MB, with a digit after the point below ten. */
export function megabytes(bytes: number): string {
  const mb = bytes / 1e6;
  return `${mb < 10 ? mb.toFixed(1) : Math.round(mb).toString()} MB`;
}

/** megabytesOf is how much of a whole there is, with the unit once. */
export function megabytesOf(bytes: number, total: number): string {
  return `${megabytes(Math.min(bytes, total)).replace(" MB", "")} of ${megabytes(total)}`;
}

/** bitrate is a number of bits a second in Mbit/s or kbit/s. */
export function bitrate(bps: number): string {
  return bps >= 1e6 ? `${(bps / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bps / 1e3)} kbit/s`;
}

/** sentenceCase is a word as it begins a sentence; DICOM writes many in capitals. */
export function sentenceCase(text: string): string {
  const plain = text === text.toUpperCase() && text.length > 3 ? text.toLowerCase() : text;
  return plain.charAt(0).toUpperCase() + plain.slice(1);
}

/** sentence is a remark as a sentence of its own. */
export function sentence(text: string): string {
  // Reasons may begin with the UID of the instance that they are about, which nobody reads.
  const trimmed = text.trim().replace(/^[0-9.]{16,64}: /, "");
  return trimmed === "" ? "" : trimmed.charAt(0).toUpperCase() + trimmed.slice(1) + (/[.!?]$/.test(trimmed) ? "" : ".");
}

/** plural is a number with its noun. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString("en-GB")} ${n === 1 ? one : many}`;
}
