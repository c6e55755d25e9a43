// A home as the page shows it: the answer's parts, the largest first, each with its colour.

import { series } from "./series.js";

/** @typedef {import("./api.js").Answer} Answer */

/**
 * @typedef {[number, number]} Range low and high
 *
 * @typedef {object} Part
 * @property {string} name
 * @property {number} colour its number in the palette, 0 for what is left over
 * @property {number} energy kWh
 * @property {number} share of the mains' energy
 * @property {Range | null} range kWh, where the truth lies
 * @property {boolean} absent whether the home probably does not have it
 * @property {import("./api.js").Use[]} uses
 * @property {Map<string, number>} days kWh by date
 * @property {Map<string, Range | null>} dayRanges
 * @property {import("./series.js").Series} power
 *
 * @typedef {object} Home
 * @property {string} name
 * @property {string} zone of its days
 * @property {Answer["bundle"]} bundle
 * @property {import("./series.js").Grid} grid
 * @property {import("./view.js").View} span
 * @property {Part[]} parts appliances by energy, what is left over last: the order of tables
 * @property {Part[]} stack those that are on the longest first, what is left over last: a calm base for pictures
 * @property {import("./series.js").Series} mains
 * @property {{ date: string, energy: number, measured: number }[]} days kWh, and s for which the mains is known
 * @property {number} energy kWh
 * @property {number | null} intervalLevel share of truths within their ranges; null: there are no ranges
 * @property {import("./api.js").Quality} quality
 */

export const NUM_COLOURS = 8;

/**
 * The home that an answer tells of.
 * @param {string} name
 * @param {Answer} answer
 * @returns {Home}
 */
export function home(name, answer) {
  const grid = { start: answer.start, samplePeriod: answer.sample_period, length: answer.num_samples };
  const appliances = Object.entries(answer.appliances)
    .map(([each, found], i) => part(each, (i % NUM_COLOURS) + 1, found, found.activations, found.absent))
    .sort((a, b) => b.energy - a.energy);
  const other = part("other", 0, answer.other, []);
  return {
    name,
    zone: answer.time_zone,
    bundle: answer.bundle,
    grid,
    span: { from: grid.start, to: grid.start + grid.length * grid.samplePeriod },
    parts: [...appliances, other],
    stack: [...appliances.toSorted((a, b) => secondsOn(b) - secondsOn(a)), other],
    mains: series(answer.mains),
    days: answer.total.days.map((each) => ({
      date: each.date, energy: each.energy_kwh, measured: each.measured_seconds ?? 86400,
    })),
    energy: answer.total.energy_kwh,
    intervalLevel: answer.interval_level,
    quality: answer.quality,
  };
}

/** @param {Part} part */
function secondsOn(part) {
  return part.uses.reduce((sum, use) => sum + use.end - use.start, 0);
}

/**
 * @param {string} name
 * @param {number} colour
 * @param {import("./api.js").Part & import("./api.js").Ends} found
 * @param {import("./api.js").Use[]} uses
 * @param {boolean} [absent]
 * @returns {Part}
 */
function part(name, colour, found, uses, absent = false) {
  return {
    name,
    colour,
    energy: found.energy_kwh,
    share: found.share ?? 0,
    range: range(found),
    absent,
    uses,
    days: new Map(found.days.map((each) => [each.date, each.energy_kwh])),
    dayRanges: new Map(found.days.map((each) => [each.date, range(each)])),
    power: series(found.power),
  };
}

/** @param {import("./api.js").Ends} found @returns {Range | null} */
function range(found) {
  const { energy_low_kwh: low = null, energy_high_kwh: high = null } = found;
  return low === null || high === null ? null : [low, high];
}
