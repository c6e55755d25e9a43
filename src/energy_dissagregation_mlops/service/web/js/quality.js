// How good the data was, in sentences: the server's own about what it met, and those for when all is well.

import { element, find } from "./elements.js";
import { count, counted, duration, percent, sentence } from "./format.js";

/** @typedef {import("./api.js").Quality} Quality */

/** Show the quality of what came in, and beside the result that there is something to know of it. @param {Quality} quality */
export function showQuality(quality) {
  find("notes", HTMLElement).hidden = quality.notes.length === 0;
  find("notes-link", HTMLAnchorElement).textContent = `${counted(quality.notes.length, "note")} on these readings`;
  const sentences = [
    `${count(quality.readings)} readings cover ${percent(quality.coverage)} of the time between the first and the last.`,
    quality.filled_seconds > 0 && `Short pauses, ${duration(quality.filled_seconds)} in all, hold the reading before them.`,
    ...quality.notes.map(sentence),
    quality.unlike_training?.verdict === "like" && "The home’s power looks like that of the homes the model learned from.",
  ];
  find("quality", HTMLElement).replaceChildren(
    element("ul", {}, ...sentences.filter((each) => each !== false).map((each) => element("li", {}, each))),
  );
}
