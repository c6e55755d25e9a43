// The chart: appliances stacked under the mains, drawn by uPlot. It is never handed more points than the screen has
// columns: each redraw takes means over steps (series.js), so that a year moves as smoothly as a day.

import { roundWatts } from "./format.js";
import { tick } from "./ticks.js";
import { levels, stepFor } from "./series.js";
import { within } from "./view.js";

/** @typedef {import("./home.js").Home} Home */
/** @typedef {import("./view.js").View} View */
/** @typedef {typeof import("uplot")} Library */
/** @typedef {{ step: number, times: number[], parts: (number | null)[][], mains: (number | null)[] }} Picture means in W, by step */

const LIBRARY = "../vendor/uplot/uPlot.esm.js";
const FEWEST_SAMPLES = 15; // in the narrowest view
const PIXELS_PER_STEP = 3; // CSS pixels: an edge, and room between two
const LEAST_POWER = 100; // W, the top of the axis where all is off

/** uPlot, or null where this server was set up without it. @returns {Promise<Library | null>} */
export async function library() {
  try {
    return (await import(LIBRARY)).default;
  } catch {
    return null;
  }
}

/**
 * What a span looks like at a resolution.
 * @param {Home} home
 * @param {View} view
 * @param {number} most steps
 * @returns {Picture}
 */
export function picture(home, view, most) {
  const step = stepFor(view.to - view.from, home.grid.samplePeriod, most);
  const { times, means } = levels(home.grid, [home.mains, ...home.stack.map((part) => part.power)], view, step);
  return { step, times, mains: means[0] ?? [], parts: means.slice(1) };
}

/**
 * The columns that uPlot draws, the top of the stack first: each area covers the lower part of the one before.
 * @param {Picture} shown
 * @returns {(number | null)[][]}
 */
export function stacked(shown) {
  /** @type {(number | null)[][]} */
  const tops = [];
  /** @type {(number | null)[]} */
  let below = shown.mains.map((power) => (power === null ? null : 0));
  for (const part of shown.parts) {
    below = below.map((power, i) => (power === null ? null : power + (part[i] ?? 0)));
    tops.unshift(below);
  }
  return [shown.times, ...[...tops, shown.mains].map(closed)];
}

/** A column whose last known value lasts to the end of its step. @param {(number | null)[]} column */
function closed(column) {
  const last = column.findLastIndex((power) => power !== null);
  return column.map((power, i) => (i === last + 1 ? (column[last] ?? null) : power));
}

export class Chart {
  /**
   * @param {HTMLElement} node where it is drawn
   * @param {Library} Library
   * @param {Home} home
   * @param {{ zone: string, changed: (view: View, step: number) => void, pointed: (index: number | null, shown: Picture) => void }} wiring
   */
  constructor(node, Library, home, { zone, changed, pointed }) {
    this.node = node;
    this.home = home;
    this.changed = changed;
    /** @type {View} */
    this.view = home.span;
    /** @type {View | null} */
    this.mark = null;
    this.pending = 0;
    this.shown = picture(home, home.span, this.most());
    const data = /** @type {import("uplot").AlignedData} */ (stacked(this.shown));
    this.plot = new Library(this.options(Library, zone, pointed), data, node);
    this.resizing = new ResizeObserver(() => {
      this.plot.setSize(size(node));
      this.draw();
    });
    this.resizing.observe(node);
    this.draw();
  }

  /** Show a span, as much of it as there is. @param {View} view @param {View | null} [mark] a span to point out */
  look(view, mark = this.mark) {
    this.view = within(view, this.home.span, FEWEST_SAMPLES * this.home.grid.samplePeriod);
    this.mark = mark;
    this.pending ||= requestAnimationFrame(() => this.draw());
  }

  destroy() {
    cancelAnimationFrame(this.pending);
    this.resizing.disconnect();
    this.plot.destroy();
  }

  /** The time at a place of the chart. @param {number} x CSS pixels from the left of its axes */
  timeAt(x) {
    return this.plot.posToVal(x, "x");
  }

  draw() {
    this.pending = 0;
    this.shown = picture(this.home, this.view, this.most());
    this.plot.batch(() => {
      this.plot.setData(/** @type {import("uplot").AlignedData} */ (stacked(this.shown)), false);
      this.plot.setScale("x", { min: this.view.from, max: this.view.to });
    });
    this.changed(this.view, this.shown.step);
  }

  /** How many steps the eye can tell apart here. */
  most() {
    return Math.max(this.node.clientWidth, 300) / PIXELS_PER_STEP;
  }

  /**
   * @param {Library} Library
   * @param {string} zone
   * @param {(index: number | null, shown: Picture) => void} pointed
   * @returns {import("uplot").Options}
   */
  options(Library, zone, pointed) {
    const style = getComputedStyle(document.documentElement);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim();
    const paths = Library.paths.stepped?.({ align: 1, alignGaps: 1 });
    const quiet = { stroke: colour("soft"), ticks: { show: false }, font: `12px ${colour("font")}` };
    const areas = this.home.stack.toReversed().map((part) => (
      { fill: colour(`c${part.colour}`), stroke: colour("outline"), width: 1, paths, points: { show: false } }
    ));
    return {
      ...size(this.node),
      padding: [12, 32, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false, dist: 4 } },
      scales: { y: { range: (_, __, max) => [0, Math.max((max ?? 0) * 1.06, LEAST_POWER)] } },
      axes: [
        { ...quiet, grid: { show: false }, space: 72, size: 32, values: (_, times, __, ___, apart) => times.map((each) => tick(each, apart, zone)) },
        { ...quiet, grid: { stroke: colour("line"), width: 1 }, size: 62, values: (_, all) => all.map((each) => roundWatts(each, all.at(-1) ?? 0)) },
      ],
      tzDate: (time) => Library.tzDate(new Date(time * 1000), zone),
      series: [{}, ...areas, { stroke: colour("mains"), width: 1, paths, points: { show: false } }],
      hooks: {
        setSelect: [(plot) => this.selected(plot)],
        setCursor: [(plot) => pointed(plot.cursor.idx ?? null, this.shown)],
        drawClear: [(plot) => this.drawBelow(plot, hatched(plot.ctx, colour("gap"), colour("edge")), colour("mark"))],
      },
    };
  }

  /** @param {import("uplot")} plot */
  selected(plot) {
    const { left, width } = plot.select;
    if (width < 4) return;
    const view = { from: this.timeAt(left), to: this.timeAt(left + width) };
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.look(view, null);
  }

  /** Steps without data, and the span that is pointed out. @param {import("uplot")} plot @param {CanvasPattern | string} gap @param {string} mark how they are filled */
  drawBelow(plot, gap, mark) {
    const { ctx, bbox } = plot;
    const { mains, times, step } = this.shown;
    const x = (/** @type {number} */ time) => Math.round(Math.min(Math.max(plot.valToPos(time, "x", true), bbox.left), bbox.left + bbox.width));
    ctx.fillStyle = gap;
    times.forEach((time, i) => {
      if (mains[i] === null) ctx.fillRect(x(time), bbox.top, x(time + step) - x(time), bbox.height);
    });
    if (!this.mark) return;
    const from = x(this.mark.from);
    ctx.fillStyle = mark;
    ctx.fillRect(from, bbox.top, Math.max(x(this.mark.to) - from, 2), bbox.height);
  }
}

/** Lines aslant, so that no data is not taken for no power. @param {CanvasRenderingContext2D} ctx @param {string} paper @param {string} line colours */
function hatched(ctx, paper, line) {
  const side = 8 * devicePixelRatio;
  const tile = new OffscreenCanvas(side, side).getContext("2d");
  if (!tile) return paper;
  tile.fillStyle = paper;
  tile.fillRect(0, 0, side, side);
  tile.strokeStyle = line;
  tile.lineWidth = devicePixelRatio;
  for (const shift of [-side, 0, side]) {
    tile.moveTo(shift, side);
    tile.lineTo(shift + side, 0);
  }
  tile.stroke();
  return ctx.createPattern(tile.canvas, "repeat") ?? paper;
}

/** @param {HTMLElement} node */
function size(node) {
  return { width: Math.max(node.clientWidth, 200), height: node.clientWidth < 560 ? 260 : 360 };
}
