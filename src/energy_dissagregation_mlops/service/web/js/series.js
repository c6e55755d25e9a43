// A home's series at any resolution: running sums, so that a mean over any span costs two look-ups,
// whether the home has a day of minutes or a year. It knows nothing of pictures.

/**
 * One series on a regular grid, kept as running sums (length T + 1).
 * @typedef {{ sums: Float64Array, counts: Uint32Array }} Series
 */

/**
 * Steps that people count in, in s.
 */
const STEPS = [
  1, 2, 5, 6, 10, 12, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 28800, 43200, 86400,
  172800, 604800,
];

/**
 * Running sums of a series.
 * @param {readonly (number | null)[]} power W, null where missing
 * @returns {Series}
 */
export function series(power) {
  const sums = new Float64Array(power.length + 1);
  const counts = new Uint32Array(power.length + 1);
  for (let i = 0; i < power.length; i += 1) {
    const watts = power[i] ?? null;
    sums[i + 1] = /** @type {number} */ (sums[i]) + (watts ?? 0);
    counts[i + 1] = /** @type {number} */ (counts[i]) + (watts === null ? 0 : 1);
  }
  return { sums, counts };
}

/**
 * The mean of samples `from` to `to` (exclusive), or null where all are missing.
 * @param {Series} of
 * @param {number} from
 * @param {number} to
 * @returns {number | null}
 */
export function mean(of, from, to) {
  const count = (of.counts[to] ?? 0) - (of.counts[from] ?? 0);
  return count > 0 ? ((of.sums[to] ?? 0) - (of.sums[from] ?? 0)) / count : null;
}

/**
 * The shortest step people count in of which at most `most` fill a span.
 * @param {number} seconds the span
 * @param {number} samplePeriod s; a step is a whole number of samples
 * @param {number} most
 */
export function stepFor(seconds, samplePeriod, most) {
  const least = seconds / most;
  if (least <= samplePeriod) return samplePeriod;
  const whole = STEPS.find((step) => step >= least && step % samplePeriod === 0);
  return whole ?? Math.ceil(least / samplePeriod) * samplePeriod;
}

/**
 * @typedef {object} Grid
 * @property {number} start s since 1970, of the first sample
 * @property {number} samplePeriod s
 * @property {number} length samples
 */

/**
 * Means of several series over the steps that a span touches. Steps begin at whole multiples of their length since
 * 1970, so that a step's value does not change while the view moves.
 * @param {Grid} grid
 * @param {Series[]} all
 * @param {{ from: number, to: number }} view s since 1970
 * @param {number} step s, a multiple of the sample period
 * @returns {{ times: number[], means: (number | null)[][] }} starts of steps, s; of each series one mean a step, W
 */
export function levels(grid, all, view, step) {
  const end = grid.start + grid.length * grid.samplePeriod;
  const first = Math.floor(Math.max(view.from, grid.start) / step);
  const last = Math.ceil(Math.min(view.to, end) / step);
  const times = [];
  /** @type {(number | null)[][]} */
  const means = all.map(() => []);
  for (let k = first; k <= last; k += 1) {
    times.push(k * step);
    const from = sample(grid, k * step);
    const to = sample(grid, (k + 1) * step);
    all.forEach((one, i) => means[i]?.push(to > from ? mean(one, from, to) : null));
  }
  return { times, means };
}

/**
 * The first sample that begins at a time or after it.
 * @param {Grid} grid
 * @param {number} time
 */
function sample(grid, time) {
  return Math.min(grid.length, Math.max(0, Math.round((time - grid.start) / grid.samplePeriod)));
}
