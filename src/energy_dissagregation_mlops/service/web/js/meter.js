// How a meter's file comes in: chosen, dropped anywhere, or the sample home; and how it is to be read.

import { MAX_FILE_BYTES, Problem } from "./api.js";
import { element, find } from "./elements.js";

/** @typedef {import("./api.js").MeterFile} MeterFile */
/** @typedef {() => Promise<MeterFile>} Getter */

const SAMPLE = "/static/sample_home.csv.gz";
const MIB = 1024 * 1024;

/**
 * Listen for files.
 * @param {(get: Getter, name: string) => void} come
 */
export function listenForFiles(come) {
  const form = find("meter", HTMLFormElement);
  const input = find("file", HTMLInputElement);
  const again = find("again", HTMLButtonElement);
  let last = "";
  let repeat = () => {};
  const take = (/** @type {Getter} */ get, /** @type {string} */ name) => {
    again.hidden = get === sampleHome;
    // What was said of one file does not hold for another.
    if (again.hidden || (last && last !== name)) form.reset();
    last = name;
    repeat = () => !again.hidden && come(get, name);
    come(get, name);
  };
  const takeFile = (/** @type {File} */ file) => take(() => fromDisk(file), file.name);
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    if (file) takeFile(file);
    input.value = "";
  });
  find("sample", HTMLButtonElement).onclick = () => take(sampleHome, "Sample home");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    repeat();
  });
  again.onclick = () => repeat();
  listenForDrops(form, takeFile);
}

/** What a person says of the file's columns. @returns {import("./api.js").Options} */
export function reading() {
  const said = {
    time_column: find("time-column", HTMLInputElement).value.trim(),
    mains_column: find("mains-column", HTMLInputElement).value.trim(),
    unit: find("unit", HTMLSelectElement).value,
    day_first: find("day-first", HTMLSelectElement).value,
  };
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value));
}

/** @param {HTMLElement} form @param {(file: File) => void} dropped */
function listenForDrops(form, dropped) {
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    form.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) form.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    const file = event.dataTransfer?.files[0];
    if (file) dropped(file);
  });
}

/** @param {File} file @returns {Promise<MeterFile>} */
async function fromDisk(file) {
  if (file.size > MAX_FILE_BYTES) {
    const size = (file.size / MIB).toFixed(0);
    throw new Problem(
      `${file.name} has ${size} MB: expected at most ${MAX_FILE_BYTES / MIB} MB. Send a shorter period, or pack it with gzip.`,
    );
  }
  if (file.size === 0) throw new Problem(`${file.name} is empty: expected a table of times and power.`);
  const start = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  return { content: file, packed: start[0] === 0x1f && start[1] === 0x8b };
}

/** @returns {Promise<MeterFile>} */
async function sampleHome() {
  const response = await fetch(SAMPLE).catch(() => null);
  if (!response?.ok) throw new Problem("The sample home could not be fetched: the server does not answer. Try again.", { retry: true });
  return { content: await response.blob(), packed: true };
}

/** Say what is being done; nothing where nothing is. @param {string} words @param {boolean} [busy] @param {string} [place] */
export function say(words, busy = false, place = "status") {
  find(place, HTMLElement).replaceChildren(words, busy ? element("span", { class: "busy", "aria-hidden": "true" }) : "");
}
