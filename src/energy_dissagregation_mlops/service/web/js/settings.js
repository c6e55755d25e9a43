// What a person has chosen once: price, currency, time zone; remembered by this browser.

import { element, find } from "./elements.js";

/** @typedef {{ price: number | null, currency: string, zone: string }} Settings price for a kWh */

const PLACE = "edmlops.settings";
const CURRENCIES = ["EUR", "GBP", "USD", "AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "INR", "JPY", "KRW", "MXN", "NOK", "NZD", "PLN", "SEK", "TRY", "ZAR"];

/** @returns {Settings} */
function remembered() {
  const own = { price: null, currency: "EUR", zone: Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC" };
  try {
    return { ...own, ...JSON.parse(localStorage.getItem(PLACE) ?? "{}") };
  } catch {
    return own;
  }
}

/** @param {Settings} settings */
function remember(settings) {
  try {
    localStorage.setItem(PLACE, JSON.stringify(settings));
  } catch {
    // A browser that stores nothing asks again next time.
  }
}

/** Have the times of what is shown. @param {Settings} settings @param {string} zone */
export function keepZone(settings, zone) {
  settings.zone = find("zone", HTMLSelectElement).value = zone;
  remember(settings);
}

/**
 * Show the settings, and tell of each change.
 * @param {(zoneChanged: boolean) => void} changed
 * @returns {Settings} what holds now
 */
export function settings(changed) {
  const now = remembered();
  const price = find("price", HTMLInputElement);
  const currency = find("currency", HTMLSelectElement);
  const zone = find("zone", HTMLSelectElement);
  choices(currency, CURRENCIES, now.currency);
  choices(zone, Intl.supportedValuesOf("timeZone"), now.zone);
  price.value = now.price === null ? "" : String(now.price);

  const tell = (/** @type {boolean} */ zoneChanged) => {
    const typed = price.value.trim().replace(",", ".");
    const known = /^\d*\.?\d*$/.test(typed) && Number.isFinite(Number(typed));
    now.price = known && typed ? Number(typed) : null;
    find("price-help", HTMLElement).textContent = known ? "" : "Not a price: expected a number such as 0.30.";
    now.currency = currency.value;
    now.zone = zone.value;
    remember(now);
    changed(zoneChanged);
  };
  price.oninput = () => tell(false);
  currency.onchange = () => tell(false);
  zone.onchange = () => tell(true);
  find("settings", HTMLFormElement).addEventListener("submit", (event) => event.preventDefault());
  return now;
}

/**
 * @param {HTMLSelectElement} select
 * @param {string[]} known
 * @param {string} chosen one of them, or one more
 */
function choices(select, known, chosen) {
  const all = [...new Set(["UTC", chosen, ...known])].filter((each) => each !== "UTC" || select.id === "zone");
  select.replaceChildren(...all.sort().map((each) => element("option", { value: each }, each.replaceAll("_", " "))));
  select.value = chosen;
}
