// What stands under the chart's time axis: as much of a time as tells it from its neighbours.

import { at } from "./format.js";

const DAY = 86400; // s

/**
 * A tick's words.
 * @param {number} time s since 1970
 * @param {number} apart s between ticks
 * @param {string} zone
 */
export function tick(time, apart, zone) {
  if (apart >= 27 * DAY) return at(time, zone, { month: "short", year: "numeric" });
  const date = at(time, zone, { day: "numeric", month: "short" });
  if (apart >= DAY) return date;
  const clock = at(time, zone, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return clock === "00:00" ? date : clock;
}
