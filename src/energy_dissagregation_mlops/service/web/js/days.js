// Energy day by day: stacked bars, and the same as a table. A day leads to its place in the chart.

import { cost } from "./appliances.js";
import { element, find, headRow } from "./elements.js";
import { counted, day, duration, kwh, kwhRange, longDay, title } from "./format.js";
import { localDay } from "./view.js";

/** @typedef {import("./home.js").Home} Home */
/** @typedef {Home["days"][number]} Day */

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 100;
const WIDEST = 11; // em, of a day
const NEARLY_ALL = 0.98; // of a day; with less measured, the bar is short for want of data

/**
 * Show the days.
 * @param {Home} home
 * @param {import("./settings.js").Settings} settings
 * @param {(day: Day) => void} look
 */
export function showDays(home, settings, look) {
  const most = Math.max(...home.days.map((each) => each.energy), 0.001);
  const each = home.days.length <= 7;
  find("days", HTMLElement).replaceChildren(
    element("p", { class: "small soft days-top", "aria-hidden": "true" }, kwh(most)),
    bars(home, most, look),
    element("p", { class: `small soft days-feet${each ? " each" : ""}`, "aria-hidden": "true" },
      ...(each ? home.days : [home.days[0], home.days.at(-1)]).map((one) => element("span", {}, one && (each ? day : longDay)(one.date)))),
  );
  find("days", HTMLElement).style.maxWidth = `${WIDEST * home.days.length}em`;
  const details = find("days-details", HTMLDetailsElement);
  // A year has thousands of cells: they are made when somebody looks.
  const fill = () => find("days-table", HTMLElement).replaceChildren(...(details.open ? table(home, settings, look) : []));
  details.ontoggle = fill;
  fill();
}

/** @param {Home} home @param {number} most @param {(day: Day) => void} look */
function bars(home, most, look) {
  const picture = document.createElementNS(SVG, "svg");
  const width = home.days.length;
  set(picture, { viewBox: `0 0 ${width} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
    "aria-label": `Energy on each of ${counted(width, "day")}, at most ${kwh(most)}; the table below has the numbers.` });
  home.days.forEach((each, x) => picture.append(bar(home, each, x, most, look)));
  return picture;
}

/**
 * @param {Home} home @param {Day} each @param {number} x @param {number} most @param {(day: Day) => void} look
 */
function bar(home, each, x, most, look) {
  const group = document.createElementNS(SVG, "g");
  const name = document.createElementNS(SVG, "title");
  name.textContent = `${day(each.date)}: ${kwh(each.energy)}${short(each, home.zone) ? `, ${duration(each.measured)} measured` : ""}`;
  const whole = document.createElementNS(SVG, "rect");
  set(whole, { x, y: 0, width: 1, height: HEIGHT, class: each.measured ? "day" : "cgap" });
  group.append(name, whole);
  const gap = home.days.length > 120 ? 0 : 0.18;
  let top = HEIGHT;
  for (const part of home.stack) {
    const height = (HEIGHT * (part.days.get(each.date) ?? 0)) / most;
    if (height <= 0) continue;
    top -= height;
    const box = document.createElementNS(SVG, "rect");
    set(box, { x: x + gap / 2, y: top, width: 1 - gap, height, class: `c${part.colour}` });
    group.append(box);
  }
  group.addEventListener("click", () => look(each));
  return group;
}

/** @param {Element} node @param {Record<string, string | number>} attributes */
function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
}

/** @param {Day} each @param {string} zone */
function short({ date, measured }, zone) {
  if (measured >= NEARLY_ALL * 86400) return false;
  const { from, to } = localDay(date, zone);
  return measured < NEARLY_ALL * (to - from);
}

/** Head and body. @param {Home} home @param {import("./settings.js").Settings} settings @param {(day: Day) => void} look */
function table(home, settings, look) {
  const priced = settings.price !== null;
  const rows = home.days.map((each) =>
    element("tr", {},
      element("th", { scope: "row" },
        element("button", { type: "button", class: "link", onclick: () => look(each) }, longDay(each.date)),
        short(each, home.zone) && element("span", { class: "soft range" }, `${duration(each.measured)} measured`)),
      element("td", {}, kwh(each.energy)),
      priced && element("td", {}, cost(each.energy, settings)),
      ...home.parts.map((part) => element("td", {}, kwh(part.days.get(each.date) ?? 0, part.dayRanges.get(each.date)?.[1]), dayRange(part, each.date))),
    ),
  );
  return [
    headRow(["Day", "All", ...(priced ? ["Cost"] : []), ...home.parts.map((part) => title(part.name))]),
    element("tbody", {}, ...rows),
  ];
}

/** Where a day's energy lies, below it. @param {import("./home.js").Part} part @param {string} date */
function dayRange(part, date) {
  const range = part.dayRanges.get(date);
  return range && element("span", { class: "soft range" }, kwhRange(range));
}
