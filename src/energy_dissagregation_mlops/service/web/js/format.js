// Numbers, times and money as people write them, in the browser's language.

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
  return `${number(value, digits(like))} kWh`;
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
    ? `${number(value / 1000, { minimumFractionDigits: 2, maximumFractionDigits: 2 })} kW`
    : `${count(value)} W`;
}

/** The same as short as can be, for axes. @param {number} value W */
export function roundWatts(value) {
  return value >= 1000 ? `${number(value / 1000, { maximumFractionDigits: 2 })} kW` : value ? `${count(value)} W` : "0";
}

/** @param {number} value from 0 to 1 */
export function percent(value) {
  const digits = value > 0.995 && value < 1 ? 1 : value < 0.1 ? 1 : 0;
  return number(value, { style: "percent", maximumFractionDigits: digits });
}

/** @param {number} value @param {string} currency ISO 4217 */
export function money(value, currency) {
  return number(value, { style: "currency", currency });
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 60) return `${count(seconds)} s`;
  if (seconds < 3600) return `${count(seconds / 60)} min`;
  if (seconds < 86400) {
    const minutes = Math.round((seconds % 3600) / 60);
    const hours = Math.floor(seconds / 3600) + (minutes === 60 ? 1 : 0);
    return minutes % 60 ? `${hours} h ${minutes} min` : `${hours} h`;
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

/** @param {number} time @param {string} zone */
export function moment(time, zone) {
  return at(time, zone, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
}

/** @param {number} time @param {string} zone */
export function longMoment(time, zone) {
  return at(time, zone, { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
}

/** @param {string} day a date, ISO 8601 */
export function day(day) {
  return at(Date.parse(`${day}T12:00Z`) / 1000, "UTC", { weekday: "short", day: "numeric", month: "short" });
}

/** @param {string} day a date, ISO 8601 */
export function longDay(day) {
  return at(Date.parse(`${day}T12:00Z`) / 1000, "UTC", { day: "numeric", month: "short", year: "numeric" });
}

/** @param {string} name of an appliance */
export function title(name) {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
