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
