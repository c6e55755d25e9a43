// What stands under the chart's time axis: as much of a time as tells it from its neighbours.

import { at, clock, halves } from "./format.js";

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
  const whole = at(time, zone, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  if (whole === "00:00") return date;
  return halves && whole.endsWith(":00") ? at(time, zone, { hour: "numeric" }) : clock(time, zone);
}
