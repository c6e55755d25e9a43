// Where the model ends: what it can tell apart, what it was taught with, and what it cannot see.

import { element, find } from "./elements.js";
import { counted, duration } from "./format.js";

/**
 * Show the limits.
 * @param {import("./home.js").Home} home
 * @param {import("./api.js").Info | null} info what the server says of its model, where it does
 */
export function showLimits(home, info) {
  const names = home.parts.filter((part) => part.colour > 0).map((part) => part.name);
  const sentences = [
    `It knows ${new Intl.ListFormat("en").format(names)}. Whatever else a home has, heating and lighting too, is in “other”.`,
    ...taught(home, info),
    `It sees one value every ${duration(home.grid.samplePeriod)}: shorter events are blurred, and two appliances at once may be taken for one.`,
    "It estimates. To know exactly what one appliance takes, give that appliance a meter.",
  ];
  find("limits", HTMLElement).replaceChildren(...sentences.map((each) => element("li", {}, each)));
}

/** @param {import("./home.js").Home} home @param {import("./api.js").Info | null} info @returns {string[]} */
function taught(home, info) {
  const card = info?.bundle;
  if (card?.sha256 !== home.bundle.sha256) return [];
  const sources = card.attributions.map((each) => each.attribution || each.title);
  const simulated = card.attributions.length > 0 && card.attributions.every((each) => /simulated/i.test(each.title));
  const where = `It learned from ${counted(card.num_houses, "home")} (${new Intl.ListFormat("en").format(sources)})`;
  return [simulated ? `${where}: none of them is real, and real homes are messier.` : `${where}: other countries’ appliances and habits may differ.`];
}
