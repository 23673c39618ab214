// Times by the clock on the wall of an IANA time zone, as forms have them: YYYY-MM-DDTHH:MM.

const formats = new Map<string, Intl.DateTimeFormat>();

/** formatOf is a zone's clock; it throws a RangeError for a zone that is unknown. Empty is UTC. */
function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone === "" ? "UTC" : zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit",
    });
    formats.set(zone, format);
  }
  return format;
}

/** isZone says whether this machine knows a time zone. */
export function isZone(zone: string): boolean {
  try {
    formatOf(zone);
    return true;
  } catch {
    return false;
  }
}

/** zones are the names of the time zones that this machine knows. */
export function zones(): string[] {
  return ["UTC", ...Intl.supportedValuesOf("timeZone").filter((zone) => zone !== "UTC")];
}

/** wallOf is what the clock shows at an instant, milliseconds since 1970. */
export function wallOf(instant: number, zone: string): string {
  const parts = new Map(formatOf(zone).formatToParts(instant).map(({ type, value }) => [type, value]));
  const part = (name: Intl.DateTimeFormatPartTypes): string => parts.get(name) ?? "";
  return `${part("year").padStart(4, "0")}-${part("month")}-${part("day")}T${part("hour")}:${part("minute")}`;
}

/**
 * instantOf is when the clock shows that, milliseconds since 1970; undefined for what is no time. An hour that comes twice
 * counts as its first time, one that is left out as the one behind it.
 */
export function instantOf(wall: string, zone: string): number | undefined {
  const asUTC = Date.parse(`${wall}Z`);
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d$/.test(wall) || !Number.isFinite(asUTC)) return undefined;
  const dayMs = 86_400_000;
  // The offsets before and after any change of the clocks near it.
  const offset = (at: number): number => Date.parse(`${wallOf(at, zone)}Z`) - at;
  const candidates = [asUTC - offset(asUTC - dayMs), asUTC - offset(asUTC + dayMs)].sort((a, b) => a - b);
  return candidates.find((at) => wallOf(at, zone) === wall) ?? candidates[1];
}
