// What went wrong, in words, with what can be done about it: another key, or the same again.

import { Problem, keySent, useKey } from "./api.js";
import { element, find } from "./elements.js";

/** Take the words away. */
export function clearProblem() {
  find("problem", HTMLElement).hidden = true;
}

/**
 * Say what went wrong.
 * @param {unknown} error
 * @param {() => void} again
 * @param {string} [what] what did not come to be, a sentence
 */
export function showProblem(error, again, what = "") {
  const known = error instanceof Problem ? error : null;
  const words = known?.message ?? `This page failed (${String(error)}). Load it anew; if it stays so, tell who runs this server.`;
  const box = find("problem", HTMLElement);
  box.hidden = false;
  if (known?.status === 422) document.querySelector("#meter details")?.setAttribute("open", "");
  if (known?.status === 401) {
    box.replaceChildren(...keyQuestion(again));
    box.querySelector("input")?.focus();
    return;
  }
  box.replaceChildren(
    what ? element("p", {}, element("strong", {}, what)) : "",
    element("p", {}, words),
    known?.retry ? element("button", { type: "button", onclick: again }, "Try again") : "",
  );
  box.scrollIntoView({ block: "nearest" });
}

/** @param {() => void} again */
function keyQuestion(again) {
  const input = element("input", { type: "password", id: "key", autocomplete: "current-password", required: true, "aria-describedby": "key-help" });
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    useKey(/** @type {HTMLInputElement} */ (input).value.trim());
    again();
  };
  return [
    element("p", { id: "key-help" }, keySent() && "This key was refused. ", "This server answers those who have its key. It is kept until this tab is closed."),
    element("form", { class: "fields", onsubmit: submit },
      element("label", { for: "key" }, "API key ", input),
      element("button", { type: "submit", class: "primary" }, "Use this key")),
  ];
}
