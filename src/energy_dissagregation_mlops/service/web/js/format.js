// Numbers, times and money as people write them, in the browser's language.

const NBSP = "\u00a0"; // a number and its unit stay on one line

// Making a format costs 50 times as much as using it.
/** @type {Map<string, Intl.NumberFormat>} */
const numbers = new Map();

/** @param {number} value @param {Intl.NumberFormatOptions} options */
function number(value, options) {
  const key = JSON.stringify(options);
  const format = numbers.get(key) ?? new Intl.NumberFormat(undefined, options);
  numbers.set(key, format);
  return format.format(value);
}

/** @param {number} value */
export function count(value) {
  return number(value, { maximumFractionDigits: 0 });
}

/**
 * A count with its noun, English.
 * @param {number} value
 * @param {string} one
 * @param {string} [many]
 */
export function counted(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** @param {number} value kWh @param {number} [like] one that it is to be as fine as */
export function kwh(value, like = value) {
  return `${number(value, digits(like))}${NBSP}kWh`;
}

/** Where an energy lies, short. @param {[number, number]} range kWh */
export function kwhRange([low, high]) {
  return `${number(low, digits(high))} to ${number(high, digits(high))}`;
}

/** @param {number} value kWh */
function digits(value) {
  const all = value >= 100 ? 0 : value >= 1 ? 1 : 2;
  return { minimumFractionDigits: all, maximumFractionDigits: all };
}

/** @param {number} value W */
export function watts(value) {
  return value >= 1000
    ? `${number(value / 1000, { minimumFractionDigits: 2, maximumFractionDigits: 2 })}${NBSP}kW`
    : `${count(value)}${NBSP}W`;
}

/** The same as short as can be, for an axis. @param {number} value W @param {number} top of the axis, W: one unit for all */
export function roundWatts(value, top) {
  if (!value) return "0";
  return top >= 1000 ? `${number(value / 1000, { maximumFractionDigits: 2 })} kW` : `${count(value)} W`;
}

/** @param {number} value from 0 to 1 */
export function percent(value) {
  const small = value > 0 && value < 0.1;
  const digits = small || (value > 0.995 && value < 1) ? 1 : 0;
  return number(value, { style: "percent", minimumFractionDigits: small ? 1 : 0, maximumFractionDigits: digits });
}

/** @param {number} value @param {string} currency ISO 4217, or "" for a bare number */
export function money(value, currency) {
  return number(value, currency ? { style: "currency", currency } : { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 60) return `${count(seconds)}${NBSP}s`;
  if (seconds < 3600) return `${count(seconds / 60)}${NBSP}min`;
  if (seconds < 86400) {
    const minutes = Math.round((seconds % 3600) / 60);
    const hours = Math.floor(seconds / 3600) + (minutes === 60 ? 1 : 0);
    return minutes % 60 ? `${hours}${NBSP}h ${minutes}${NBSP}min` : `${hours}${NBSP}h`;
  }
  return counted(Math.round((seconds / 86400) * 10) / 10, "day");
}

/** @type {Map<string, Intl.DateTimeFormat>} */
const times = new Map();

/** @param {number} time s since 1970 @param {string} zone @param {Intl.DateTimeFormatOptions} options */
export function at(time, zone, options) {
  const key = zone + JSON.stringify(options);
  const format = times.get(key) ?? new Intl.DateTimeFormat(undefined, { ...options, timeZone: zone });
  times.set(key, format);
  return format.format(time * 1000);
}

/** @param {number} time @param {string} zone */
export function date(time, zone) {
  return at(time, zone, { day: "numeric", month: "short", year: "numeric" });
}

/** Whether a day has twice twelve hours here: 6 PM, where others write 18:00. */
export const halves = new Intl.DateTimeFormat(undefined, { hour: "numeric" }).resolvedOptions().hour12;
/** @type {Intl.DateTimeFormatOptions} */
const CLOCK = { hour: halves ? "numeric" : "2-digit", minute: "2-digit" };

/** @param {number} time @param {string} zone */
export function clock(time, zone) {
  return at(time, zone, CLOCK);
}

/** @param {number} time @param {string} zone */
export function moment(time, zone) {
  return at(time, zone, { weekday: "short", day: "numeric", month: "short", ...CLOCK });
}

/** @param {number} time @param {string} zone */
export function longMoment(time, zone) {
  return at(time, zone, { day: "numeric", month: "short", year: "numeric", ...CLOCK });
}

/** @param {string} day a date, ISO 8601 */
export function day(day) {
  return at(Date.parse(`${day}T12:00Z`) / 1000, "UTC", { weekday: "short", day: "numeric", month: "short" });
}

/** @param {string} day a date, ISO 8601 */
export function longDay(day) {
  return at(Date.parse(`${day}T12:00Z`) / 1000, "UTC", { day: "numeric", month: "short", year: "numeric" });
}

/** What the server says, as a sentence: it begins with a capital, ends with a stop, and tears no number from its unit. @param {string} said */
export function sentence(said) {
  const words = said.replace(/(\d) (?=(?:%|k?Wh?|s|min|h)(?!\p{L}))/gu, `$1${NBSP}`).replace(/^\p{Ll}+(?=[ :,])/u, title);
  return /[.!?]$/.test(words) ? words : `${words}.`;
}

/** @param {string} name of an appliance */
export function title(name) {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
