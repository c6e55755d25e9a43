// The sum of it: what was used in all, and by which appliance, with its cost.

import { breakable, element, find, headRow, swatch } from "./elements.js";
import { count, counted, date, kwh, kwhRange, money, percent, title } from "./format.js";

/** @typedef {import("./home.js").Home} Home */
/** @typedef {import("./settings.js").Settings} Settings */

/**
 * Show the overview.
 * @param {Home} home
 * @param {Settings} settings
 */
export function showAppliances(home, settings) {
  const days = home.days.length;
  find("home", HTMLElement).replaceChildren(...breakable(home.name));
  find("span", HTMLElement).textContent =
    `${date(home.span.from, home.zone)} to ${date(home.span.to - 1, home.zone)}, ${counted(days, "day")}, ` +
    `${percent(home.quality.coverage)} of the time measured`;
  showHeadline(home, settings);
  find("ranges", HTMLElement).textContent = home.intervalLevel === null
    ? "No ranges are given: this model was never calibrated on readings like these."
    : `The line below each bar and the numbers below each energy are where the truth lies, ${percent(home.intervalLevel)} of the time in homes like those it was measured in.`;
  find("shares", HTMLElement).replaceChildren(...home.parts.filter((part) => part.share > 0).map(shareBar));
  const priced = settings.price !== null;
  const widest = Math.max(...home.parts.map((part) => (part.colour ? Math.max(part.energy, part.range?.[1] ?? 0) : 0)), 0.001);
  find("appliances", HTMLElement).replaceChildren(
    headRow(["Appliance", "Energy", "Share", ...(priced ? ["Cost"] : []), "Uses"]),
    element("tbody", {}, ...home.parts.map((part) => row(part, widest, settings))),
    element("tfoot", {}, element("tr", {},
      element("th", { scope: "row" }, "All"),
      element("td", {}, kwh(home.energy)),
      element("td"),
      priced && element("td", {}, cost(home.energy, settings)),
      element("td"),
    )),
  );
}

/** @param {Home} home @param {Settings} settings */
function showHeadline(home, settings) {
  const measured = home.days.reduce((sum, day) => sum + day.measured, 0) / 86400;
  const figures = [
    figure(kwh(home.energy), "in all"),
    ...(measured < 1 ? [] : [figure(kwh(home.energy / measured), "a day")]),
    ...(settings.price === null ? [] : [figure(cost(home.energy, settings), `at ${money(settings.price, settings.currency)} a kWh`)]),
  ];
  find("headline", HTMLElement).replaceChildren(...figures);
}

/** @param {string} value @param {string} of */
function figure(value, of) {
  return element("span", { class: "figure" }, element("strong", {}, value), " ", element("span", { class: "soft" }, of));
}

/** @param {import("./home.js").Part} part */
function shareBar(part) {
  const bar = element("span", { class: `c${part.colour}` });
  bar.style.flexGrow = String(part.share);
  return bar;
}

/** An energy as a bar, and where it lies as a line below. @param {import("./home.js").Part} part @param {number} widest kWh */
function energyBar(part, widest) {
  const span = (/** @type {string} */ kind, /** @type {number} */ low, /** @type {number} */ high) => {
    const node = element("span", { class: kind });
    node.style.marginLeft = `${(100 * low) / widest}%`;
    node.style.width = `${(100 * (high - low)) / widest}%`;
    return node;
  };
  return element("span", { class: "estimate", "aria-hidden": "true" },
    span(`c${part.colour}`, 0, part.energy), part.range && span("truth", ...part.range));
}

/** @param {import("./home.js").Part} part @param {number} widest kWh, of the bars @param {Settings} settings */
function row(part, widest, settings) {
  return element("tr", {},
    element("th", { scope: "row" }, swatch(part.colour), title(part.name),
      part.absent && element("span", { class: "soft range" }, "probably not in this home"),
      part.colour > 0 && (part.energy > 0 || part.range) && energyBar(part, widest),
    ),
    element("td", {}, kwh(part.energy, part.range?.[1]), part.range && element("span", { class: "soft range" }, kwhRange(part.range))),
    element("td", {}, percent(part.share)),
    settings.price !== null && element("td", {}, cost(part.energy, settings)),
    element("td", { class: "soft" }, part.colour ? count(part.uses.length) : "–"),
  );
}

/**
 * What some energy costs.
 * @param {number} energy kWh
 * @param {Settings} settings with a price
 */
export function cost(energy, settings) {
  return money(energy * (settings.price ?? 0), settings.currency);
}
