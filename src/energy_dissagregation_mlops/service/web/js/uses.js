// Every use of every appliance; one leads to its place in the chart.

import { element, find, headRow, swatch } from "./elements.js";
import { counted, duration, kwh, longMoment, moment, title, watts } from "./format.js";

/** @typedef {import("./home.js").Home} Home */
/** @typedef {import("./home.js").Part} Part */
/** @typedef {{ part: Part, use: import("./api.js").Use }} Row */

const AT_FIRST = 10;
const MORE = 50;

/**
 * Show the uses, those of one appliance where one is chosen.
 * @param {Home} home
 * @param {(row: Row) => void} look
 */
export function showUses(home, look) {
  const chosen = find("uses-of", HTMLSelectElement);
  const order = find("uses-order", HTMLSelectElement);
  const before = chosen.value;
  const appliances = home.parts.filter((part) => part.colour > 0);
  chosen.replaceChildren(
    element("option", { value: "" }, "All"),
    ...appliances.map((part) => element("option", { value: part.name }, title(part.name))),
  );
  chosen.value = appliances.some((part) => part.name === before) ? before : "";

  const told = home.days.length > 365 ? longMoment : moment;
  const began = (/** @type {Row} */ { use }) => told(use.start, home.zone);
  const show = (/** @type {number} */ most) => {
    const rows = ordered(appliances.filter((part) => !chosen.value || part.name === chosen.value), order.value);
    fill(rows, Math.min(most, rows.length), began, look);
    const more = find("uses-more", HTMLButtonElement);
    more.hidden = rows.length <= most;
    more.onclick = () => {
      show(most + MORE);
      const next = find("uses", HTMLElement).querySelectorAll("button")[most];
      next?.focus();
    };
  };
  chosen.onchange = order.onchange = () => show(AT_FIRST);
  show(AT_FIRST);
}

/** @param {Part[]} parts @param {string} by "energy" or "time" @returns {Row[]} */
function ordered(parts, by) {
  const rows = parts.flatMap((part) => part.uses.map((use) => ({ part, use })));
  return rows.sort((a, b) => (by === "energy" ? b.use.energy_kwh - a.use.energy_kwh : a.use.start - b.use.start));
}

/** @param {Row[]} rows @param {number} most @param {(row: Row) => string} began @param {(row: Row) => void} look */
function fill(rows, most, began, look) {
  find("uses-count", HTMLElement).textContent =
    rows.length > most ? `${counted(rows.length, "use")}, the first ${most} shown` : counted(rows.length, "use");
  const lines = rows.slice(0, most).map((row) =>
    element("tr", { class: "choice", onclick: () => look(row) },
      element("th", { scope: "row" }, swatch(row.part.colour), title(row.part.name)),
      element("td", {}, element("button", { type: "button", class: "link", "aria-label": `${title(row.part.name)}, ${began(row)}` }, began(row))),
      element("td", {}, duration(row.use.end - row.use.start)),
      element("td", {}, kwh(row.use.energy_kwh)),
      element("td", {}, watts(row.use.peak)),
    ),
  );
  find("uses", HTMLElement).replaceChildren(
    headRow(["Appliance", "Began", "Lasted", "Energy", "Peak"]),
    element("tbody", {}, ...lines),
  );
}
