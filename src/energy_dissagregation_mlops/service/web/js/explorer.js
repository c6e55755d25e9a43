// The section of the chart: the chart itself, its keys and buttons, its legend, and the same as a table.

import { Chart, library, picture } from "./chart.js";
import { element, find, headRow, swatch } from "./elements.js";
import { duration, longMoment, moment, title, watts } from "./format.js";
import { listenToFingers, listenToKeys, listenToWheel } from "./gestures.js";
import { moved, zoomed } from "./view.js";

/** @typedef {import("./home.js").Home} Home */
/** @typedef {import("./view.js").View} View */

const TABLE_ROWS = 30;

export class Explorer {
  constructor() {
    /** @type {Home | null} */
    this.home = null;
    /** @type {Chart | null} */
    this.chart = null;
    this.wired = new AbortController();
    this.node = find("chart", HTMLElement);
    this.details = find("chart-details", HTMLDetailsElement);
    this.details.addEventListener("toggle", () => this.showTable());
    listenToKeys(this.node, this.target());
    this.listenToButtons();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  /** Show a home, the whole of it or the span that was looked at. @param {Home} home */
  async show(home) {
    const Library = await library();
    const kept = this.home?.span.from === home.span.from && this.home.span.to === home.span.to ? this.chart?.view : null;
    this.wired.abort();
    this.wired = new AbortController();
    this.chart?.destroy();
    this.chart = null;
    this.home = home;
    this.showLegend(home);
    if (!Library) {
      this.sayMissing();
      return;
    }
    this.node.replaceChildren();
    this.chart = new Chart(this.node, Library, home, {
      zone: home.zone,
      changed: (view, step) => this.tell(view, step),
      pointed: (index, shown) => this.read(index, shown),
    });
    listenToWheel(this.chart.plot.over, this.target(), this.wired.signal);
    listenToFingers(this.chart.plot.over, this.target(), this.wired.signal);
    if (kept) this.chart.look(kept);
  }

  /** Bring a span into view. @param {View} view @param {View | null} mark */
  look(view, mark = null) {
    this.chart?.look(view, mark);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    find("chart-title", HTMLElement).scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
    this.node.focus({ preventScroll: true });
  }

  redraw() {
    if (this.home) void this.show(this.home);
  }

  /** @returns {import("./gestures.js").Target} */
  target() {
    return {
      view: () => this.chart?.view ?? { from: 0, to: 1 },
      look: (view) => this.chart?.look(view),
      whole: () => this.home && this.chart?.look(this.home.span, null),
      timeAt: (x) => this.chart?.timeAt(x) ?? 0,
    };
  }

  listenToButtons() {
    const { view, look, whole } = this.target();
    /** @type {Record<string, () => void>} */
    const buttons = {
      earlier: () => look(moved(view(), -0.5)),
      later: () => look(moved(view(), 0.5)),
      nearer: () => look(zoomed(view(), 0.5)),
      farther: () => look(zoomed(view(), 2)),
      whole,
    };
    for (const [id, act] of Object.entries(buttons)) find(id, HTMLButtonElement).addEventListener("click", act);
  }

  /** @param {View} view @param {number} step */
  tell(view, step) {
    const samples = this.home?.grid.samplePeriod ?? step;
    const means = step > samples ? ` Each step is the mean of ${duration(step)}.` : "";
    const zone = this.home?.zone ?? "UTC";
    const words = `${longMoment(view.from, zone)} to ${longMoment(view.to, zone)}.${means}`;
    const place = find("view", HTMLElement);
    if (place.textContent !== words) place.textContent = words;
    this.showTable();
  }

  /** @param {Home} home */
  showLegend(home) {
    const line = element("li", {}, element("span", { class: "swatch line", "aria-hidden": "true" }), "Mains", element("span", { class: "value" }));
    const areas = home.stack.map((part) => element("li", {}, swatch(part.colour), title(part.name), element("span", { class: "value" })));
    const gap = home.quality.coverage < 1 && element("li", {}, swatch("gap"), "No data");
    find("legend", HTMLElement).replaceChildren(line, ...areas, gap || "");
  }

  /** Write the values under the pointer into the legend. @param {number | null} index @param {import("./chart.js").Picture} shown */
  read(index, shown) {
    const values = [shown.mains, ...shown.parts].map((all) => (index === null ? null : (all[index] ?? null)));
    find("legend", HTMLElement).querySelectorAll(".value").forEach((place, i) => {
      const value = values[i] ?? null;
      place.textContent = value === null ? "" : watts(value);
    });
  }

  showTable() {
    if (!this.details.open || !this.home) return;
    const { home } = this;
    const shown = picture(home, this.chart?.view ?? home.span, TABLE_ROWS);
    const cell = (/** @type {number | null | undefined} */ power) => element("td", {}, power === null || power === undefined ? "–" : watts(power));
    const rows = shown.times.map((time, i) => (shown.mains[i] === null ? null : element("tr", {},
      element("th", { scope: "row" }, moment(time, home.zone)), cell(shown.mains[i]), ...shown.parts.map((part) => cell(part[i])))));
    find("chart-table", HTMLElement).replaceChildren(
      element("caption", { class: "small soft" }, `Mean power over ${duration(shown.step)} from each time on`),
      headRow(["From", "Mains", ...home.stack.map((part) => title(part.name))]),
      element("tbody", {}, ...rows),
    );
  }

  sayMissing() {
    this.node.replaceChildren(element("p", { class: "problem" },
      "The chart is missing: this server was set up without uPlot. Whoever runs it can fetch it with “python scripts/fetch_web.py” where npm is in reach. Everything else on this page works, and the table below shows the same."));
    find("view", HTMLElement).textContent = "";
    this.details.open = true;
    this.showTable();
  }
}
