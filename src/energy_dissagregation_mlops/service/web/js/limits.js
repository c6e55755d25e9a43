// Where the model ends: what it can tell apart, what it was taught with, and what it cannot see.

import { element, find } from "./elements.js";
import { counted, duration, percent } from "./format.js";

const and = new Intl.ListFormat("en");

/**
 * Show the limits.
 * @param {import("./home.js").Home} home
 * @param {import("./api.js").Info | null} info what the server says of its model, where it does
 */
export function showLimits(home, info) {
  const card = info?.bundle?.sha256 === home.bundle.sha256 ? info.bundle : null;
  const names = home.parts.filter((part) => part.colour > 0).map((part) => part.name);
  const apart = /come every ([^,]+),/.exec(home.quality.notes.join())?.[1] ?? duration(home.grid.samplePeriod);
  const sentences = [
    `It knows ${and.format(names)}. Whatever else a home has, heating and lighting too, is in “other”.`,
    ...(card ? [taught(card), ...checked(card, names)] : []),
    `It sees one value every ${apart}: shorter events are blurred, and two appliances at once may be taken for one.`,
    "It estimates. To know exactly what one appliance takes, give that appliance a meter.",
  ];
  find("limits", HTMLElement).replaceChildren(...sentences.map((each) => element("li", {}, each)));
  find("sources", HTMLElement).textContent = card ? `It learned from: ${[...new Set(card.attributions.map((each) => each.attribution || each.title))].join("; ")}` : "";
}

/**
 * What it is worth in homes that it had not seen, beside saying nothing.
 * @param {import("./api.js").Card} card
 * @param {string[]} names
 * @returns {string[]}
 */
function checked(card, names) {
  const saved = names.flatMap((name) => {
    const scores = card.unseen.filter((each) => each.appliance === name);
    const sum = (/** @type {(each: import("./api.js").Unseen) => number} */ of) => scores.reduce((total, each) => total + of(each), 0);
    const silent = sum((each) => each.always_off_mae);
    return silent > 0 ? [{ name, share: 1 - sum((each) => each.mae) / silent }] : [];
  });
  if (saved.length === 0) return ["How well it does in a home that it has not seen was not recorded."];
  const better = saved.filter((each) => each.share >= 0.05).map((each) => `${percent(each.share)} for the ${each.name}`);
  const worse = saved.filter((each) => each.share < 0.05).map((each) => each.name);
  const unknown = names.filter((name) => !saved.some((each) => each.name === name));
  return [
    ...(better.length ? [`In homes that it had not seen it was nearer to the truth than saying nothing: by ${and.format(better)}.`] : []),
    ...(worse.length ? [`About the ${and.format(worse)} it was hardly better there than saying nothing: believe that least.`] : []),
    ...(unknown.length ? [`What it says of the ${and.format(unknown)} was checked in no home that it had not seen: take it as a rough figure.`] : []),
  ];
}

/** @param {import("./api.js").Card} card */
function taught({ num_houses: all, num_simulated: simulated }) {
  const which = simulated === 0 ? "" : `, ${simulated === all ? "all" : (simulated ?? "some")} of them simulated`;
  return `It learned from ${counted(all, "home")}${which}: ` +
    `${which ? "real homes are messier" : "other countries’ appliances and habits may differ"}.`;
}
