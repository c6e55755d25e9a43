// What a person has chosen once: price, currency, time zone; remembered by this browser. A currency that nobody has
// chosen is that of the browser's region, and none where it names no region; a price is never guessed.

import { element, find } from "./elements.js";

/** @typedef {{ price: number | null, currency: string, zone: string }} Settings price for a kWh; currency: ISO 4217, or "" */

const PLACE = "edmlops.settings";
const CURRENCIES = ["EUR", "GBP", "USD", "AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "INR", "JPY", "KRW", "MXN", "NOK", "NZD", "PLN", "SEK", "TRY", "ZAR"];

const EURO = "AD AT BE BG CY DE EE ES FI FR GR HR IE IT LT LU LV MC ME MT NL PT SI SK SM VA XK";

/**
 * The currency of a browser's region: that of its first language, or of the first that is the same with a region.
 * @param {readonly string[]} languages BCP 47
 */
export function currencyOf(languages) {
  const all = languages.map((each) => new Intl.Locale(each));
  const region = all.find((each) => each.region && each.language === all[0]?.language)?.region;
  if (!region) return "";
  if (EURO.includes(region)) return "EUR";
  return CURRENCIES.find((each) => each.startsWith(region)) ?? ""; // ISO 4217: the country's code, and a letter
}

/** @returns {Partial<Settings>} */
function stored() {
  try {
    return JSON.parse(localStorage.getItem(PLACE) ?? "{}");
  } catch {
    return {};
  }
}

/** @param {Partial<Settings>} chosen */
function remember(chosen) {
  try {
    localStorage.setItem(PLACE, JSON.stringify({ ...stored(), ...chosen }));
  } catch {
    // A browser that stores nothing asks again next time.
  }
}

/** Have the times of what is shown. @param {Settings} settings @param {string} zone */
export function keepZone(settings, zone) {
  settings.zone = find("zone", HTMLSelectElement).value = zone;
  remember({ zone });
}

/**
 * Show the settings, and tell of each change.
 * @param {(zoneChanged: boolean) => void} changed
 * @returns {Settings} what holds now
 */
export function settings(changed) {
  const zoneHere = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const now = { price: null, currency: currencyOf(navigator.languages), zone: zoneHere, ...stored() };
  const price = find("price", HTMLInputElement);
  const currency = find("currency", HTMLSelectElement);
  const zone = find("zone", HTMLSelectElement);
  choices(currency, ["", ...CURRENCIES], now.currency);
  choices(zone, ["UTC", ...Intl.supportedValuesOf("timeZone")], now.zone);
  price.value = now.price === null ? "" : String(now.price);

  const tell = (/** @type {boolean} */ zoneChanged) => {
    const typed = price.value.trim().replace(",", ".");
    const known = /^\d*\.?\d*$/.test(typed) && Number.isFinite(Number(typed));
    now.price = known && typed ? Number(typed) : null;
    find("price-help", HTMLElement).textContent = known ? "" : "Not a price: expected a number such as 0.30.";
    now.currency = currency.value;
    now.zone = zone.value;
    remember(zoneChanged ? { zone: now.zone } : { price: now.price, currency: now.currency }); // a price is in a currency
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
  const all = [...new Set([chosen, ...known])].sort();
  select.replaceChildren(...all.map((each) => element("option", { value: each }, each.replaceAll("_", " ") || "none")));
  select.value = chosen;
}
