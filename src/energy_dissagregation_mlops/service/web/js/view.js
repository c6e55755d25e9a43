// Which span of time is looked at: arithmetic on {from, to} in s since 1970, always within a home's span.

/** @typedef {{ from: number, to: number }} View */

/**
 * As much of a view as lies within the limits, and no shorter than `least`.
 * @param {View} view
 * @param {View} limits
 * @param {number} least s
 * @returns {View}
 */
export function within(view, limits, least) {
  const span = Math.min(Math.max(view.to - view.from, least), limits.to - limits.from);
  const centred = (view.from + view.to - span) / 2;
  const from = Math.min(Math.max(centred, limits.from), limits.to - span);
  return { from, to: from + span };
}

/**
 * The view `factor` times as wide; what lies at `at` stays where it is.
 * @param {View} view
 * @param {number} factor
 * @param {number} at s since 1970
 * @returns {View}
 */
export function zoomed(view, factor, at = (view.from + view.to) / 2) {
  return { from: at - (at - view.from) * factor, to: at + (view.to - at) * factor };
}

/**
 * The view, some of its own widths later.
 * @param {View} view
 * @param {number} widths
 * @returns {View}
 */
export function moved(view, widths) {
  const by = (view.to - view.from) * widths;
  return { from: view.from + by, to: view.to + by };
}

/**
 * A view that shows a span with room on both sides.
 * @param {View} span
 * @param {number} least s, of the room on either side
 * @returns {View}
 */
export function around(span, least) {
  const room = Math.max((span.to - span.from) * 0.75, least);
  return { from: span.from - room, to: span.to + room };
}

/**
 * A local day's span: midnights differ from UTC's, and a day may have 23 or 25 hours.
 * @param {string} date ISO 8601
 * @param {string} zone
 * @returns {View}
 */
export function localDay(date, zone) {
  const utc = Date.parse(`${date}T00:00Z`);
  return { from: midnight(utc, zone), to: midnight(utc + 86400e3, zone) };
}

/** @param {number} utc ms, the same midnight in UTC @param {string} zone @returns {number} s since 1970 */
function midnight(utc, zone) {
  // Swedes write ISO 8601.
  const offset = (/** @type {number} */ at) => Date.parse(`${new Date(at).toLocaleString("sv", { timeZone: zone })}Z`) - at;
  return (utc - offset(utc - offset(utc))) / 1000;
}
