// Names and dates as people read them, without any doubt about what is what.

/**
 * personName is a DICOM person name (PS3.5 section 6.2.1) as read: prefix, FAMILY, given and middle, suffix.
 * Of several groups (alphabetic, ideographic, phonetic) the alphabetic is shown, and the ideographic after it.
 */
export function personName(name: string): string {
  const [alphabetic = "", ideographic = ""] = name.split("=");
  const western = group(alphabetic, true);
  const native = group(ideographic, false);
  if (western === "") return native === "" ? "No name" : native;
  return native === "" ? western : `${western} (${native})`;
}

function group(text: string, western: boolean): string {
  const [family = "", given = "", middle = "", prefix = "", suffix = ""] = text.split("^").map((part) => part.trim());
  if (!western) return [family, given, middle].filter(Boolean).join(" ");
  const first = [prefix, given, middle].filter(Boolean).join(" ");
  const main = family === "" ? first : [family.toLocaleUpperCase(), first].filter(Boolean).join(", ");
  return [main, suffix].filter(Boolean).join(", ");
}

/** isoDate is a DICOM date (YYYYMMDD) as YYYY-MM-DD; what is no date stays as it is. */
export function isoDate(date: string | undefined): string {
  const text = (date ?? "").trim();
  const parts = /^(\d{4})[.-]?(\d{2})[.-]?(\d{2})$/.exec(text);
  return parts === null ? text : `${parts[1] ?? ""}-${parts[2] ?? ""}-${parts[3] ?? ""}`;
}

/** sexWord is a DICOM sex in a word. */
export function sexWord(sex: string | undefined): string {
  const words: Record<string, string> = { M: "Male", F: "Female", O: "Other" };
  return words[(sex ?? "").trim().toUpperCase()] ?? "";
}
