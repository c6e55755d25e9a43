// The server, as the page needs it: a meter's file in, the answer or a problem in words out.

import { sentence } from "./format.js";

/**
 * @typedef {{ date: string, energy_kwh: number, measured_seconds?: number } & Ends} Day
 * @typedef {{ energy_low_kwh?: number | null, energy_high_kwh?: number | null }} Ends where the truth lies; of appliances
 * @typedef {{ start: number, end: number, energy_kwh: number, peak: number }} Use times in s since 1970, peak in W
 * @typedef {{ power: (number | null)[], energy_kwh: number, share: number | null, days: Day[] }} Part
 * @typedef {Part & Ends & { activations: Use[], present: number | null, absent: boolean }} Appliance
 * @typedef {{ psi: number | null, outside_range: number | null, verdict: string }} Unlike
 * @typedef {object} Quality
 * @property {number} readings
 * @property {number} missing
 * @property {number} duplicates
 * @property {number} unsorted
 * @property {number} negative
 * @property {number} clipped
 * @property {number} frozen
 * @property {number} filled_seconds
 * @property {number} gaps
 * @property {number} coverage from 0 to 1
 * @property {Unlike | null} unlike_training
 * @property {string[]} notes
 *
 * @typedef {object} Answer what POST /v1/disaggregate gives
 * @property {{ name: string, version: string, sha256: string }} bundle
 * @property {number} start s since 1970
 * @property {number} sample_period s
 * @property {number} num_samples
 * @property {string} time_zone
 * @property {number | null} interval_level share of truths between the ends; null: the model gives none for such readings
 * @property {(number | null)[]} mains W
 * @property {Record<string, Appliance>} appliances
 * @property {Part} other
 * @property {{ energy_kwh: number, days: Day[] }} total
 * @property {Quality} quality
 *
 * @typedef {{ title: string, attribution: string }} Attribution
 * @typedef {{ appliance: string, mae: number, always_off_mae: number }} Unseen
 * @typedef {{ sha256: string, num_houses: number, num_simulated: number | null, attributions: Attribution[], unseen: Unseen[] }} Card
 * @typedef {{ bundle: Card | null }} Info what GET /info gives, as far as the page asks
 *
 * @typedef {{ content: Blob, packed: boolean }} MeterFile `packed`: with gzip
 * @typedef {Record<string, string>} Options the query's: time_zone, unit, time_column, mains_column, day_first
 */

export const MAX_FILE_BYTES = 20 * 1024 * 1024;
const KEY = "edmlops.key";
const NEAR = new Set(["localhost", "127.0.0.1", "[::1]"]); // no line between: packing a year would take longer than the rest
const PARTS = "power,activations,days,quality,mains,other";

/** What went wrong, for a person. */
export class Problem extends Error {
  /**
   * @param {string} message
   * @param {{ status?: number, retry?: boolean }} [facts] `retry`: the same again may well succeed
   */
  constructor(message, { status = 0, retry = false } = {}) {
    super(message);
    this.status = status;
    this.retry = retry;
  }
}

/** @type {string | null} */
let known = null;

/** Whether the server was given a key. */
export function keySent() {
  return Boolean(known);
}

/** Remember the server's key until the tab is closed. @param {string} key */
export function useKey(key) {
  known = key;
  try {
    sessionStorage.setItem(KEY, key);
  } catch {
    // A browser that stores nothing asks again after a reload.
  }
}

/**
 * Take a home's mains apart.
 * @param {MeterFile} file
 * @param {Options} options
 * @param {AbortSignal} signal
 * @returns {Promise<Answer>}
 */
export async function disaggregate(file, options, signal) {
  const response = await post(file, { ...options, parts: PARTS }, "application/json", signal);
  return response.json();
}

/**
 * The same as a table: time, mains, one column an appliance, other; W.
 * @param {MeterFile} file
 * @param {Options} options
 * @param {AbortSignal} signal
 */
export async function table(file, options, signal) {
  const response = await post(file, options, "text/csv", signal);
  return response.blob();
}

/** What the server says of itself and its model, or null where it does not. @returns {Promise<Info | null>} */
export async function info() {
  try {
    const response = await fetch("/info", { headers: key() });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

/**
 * @param {MeterFile} file
 * @param {Options} options
 * @param {string} accept
 * @param {AbortSignal} signal
 */
async function post(file, options, accept, signal) {
  const packs = file.packed || (!NEAR.has(location.hostname) && "CompressionStream" in window);
  const headers = { ...key(), "Content-Type": "text/csv", Accept: accept, ...(packs && { "Content-Encoding": "gzip" }) };
  const body = packs && !file.packed ? await packed(file.content) : file.content;
  const response = await fetch(`/v1/disaggregate?${new URLSearchParams(options)}`, {
    method: "POST", headers, body, signal,
  }).catch((error) => {
    if (signal.aborted) throw error;
    throw new Problem("The server does not answer. See whether it is running and you are online, then try again.", {
      retry: true,
    });
  });
  if (!response.ok) throw await problem(response);
  return response;
}

/** @returns {Record<string, string>} */
function key() {
  try {
    known ??= sessionStorage.getItem(KEY);
  } catch {
    // As above.
  }
  return known ? { "X-API-Key": known } : {};
}

/** Text packs to a tenth: a slow line feels it. @param {Blob} content */
function packed(content) {
  return new Response(content.stream().pipeThrough(new CompressionStream("gzip"))).blob();
}

/** @param {Response} response */
async function problem(response) {
  const said = await response.json().catch(() => ({}));
  const busy = response.status === 429 || response.status === 503;
  const detail = said.detail || said.title || `The server answered ${response.status}.`;
  return new Problem(sentence(String(detail)), { status: response.status, retry: busy });
}
