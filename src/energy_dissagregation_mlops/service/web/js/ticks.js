// What stands under the chart's time axis: as much of a time as tells it from its neighbours.

const HOUR = 3600;
const DAY = 24 * HOUR;

/** @type {Map<string, Intl.DateTimeFormat>} */
const known = new Map();

/** @param {string} zone @param {string} kind @param {Intl.DateTimeFormatOptions} options */
function format(zone, kind, options) {
  const key = `${zone} ${kind}`;
  const found = known.get(key) ?? new Intl.DateTimeFormat(undefined, { ...options, timeZone: zone });
  known.set(key, found);
  return found;
}

/**
 * A tick's words.
 * @param {number} time s since 1970
 * @param {number} apart s between ticks
 * @param {string} zone
 */
export function tick(time, apart, zone) {
  const at = time * 1000;
  if (apart >= 27 * DAY) return format(zone, "month", { month: "short", year: "numeric" }).format(at);
  const date = format(zone, "day", { day: "numeric", month: "short" }).format(at);
  if (apart >= DAY) return date;
  const clock = format(zone, "clock", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(at);
  return clock === "00:00" ? date : clock;
}
