// Mouse wheel, fingers and keys, as moves of a view. Dragging with the mouse is uPlot's own selection.

import { moved, zoomed } from "./view.js";

/**
 * @typedef {object} Target
 * @property {() => import("./view.js").View} view
 * @property {(view: import("./view.js").View) => void} look
 * @property {() => void} whole
 * @property {(x: number) => number} timeAt of CSS pixels from the left of the axes
 */

const NEARER = 0.6;

/** Listen to keys, once for the page. @param {HTMLElement} node @param {Target} target */
export function listenToKeys(node, { view, look, whole }) {
  /** @type {Record<string, () => void>} */
  const keys = {
    ArrowLeft: () => look(moved(view(), -0.25)),
    ArrowRight: () => look(moved(view(), 0.25)),
    "+": () => look(zoomed(view(), NEARER)),
    "=": () => look(zoomed(view(), NEARER)),
    "-": () => look(zoomed(view(), 1 / NEARER)),
    0: whole,
    Home: whole,
  };
  node.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
}

/** Turn the wheel to zoom, sideways to move. @param {HTMLElement} over @param {Target} target @param {AbortSignal} signal */
export function listenToWheel(over, target, signal) {
  // Who scrolls the page and happens to come past the chart wants to scroll on: the pointer has to aim first.
  let aimed = false;
  over.addEventListener("pointermove", (event) => (aimed ||= event.movementX !== 0 || event.movementY !== 0), { signal });
  over.addEventListener("pointerleave", () => (aimed = false), { signal });
  window.addEventListener("scroll", () => (aimed = false), { signal, passive: true });
  over.addEventListener("wheel", (event) => {
    if (!aimed && !event.ctrlKey) return;
    event.preventDefault();
    const sideways = event.shiftKey ? event.deltaY : event.deltaX;
    if (Math.abs(sideways) > Math.abs(event.deltaY) || event.shiftKey) target.look(moved(target.view(), sideways / 800));
    else target.look(zoomed(target.view(), Math.exp(event.deltaY / 400), target.timeAt(event.offsetX)));
  }, { signal, passive: false });
}

/** One finger moves, two zoom. @param {HTMLElement} over @param {Target} target @param {AbortSignal} signal */
export function listenToFingers(over, target, signal) {
  /** @type {Map<number, number>} */
  const fingers = new Map(); // where each is, CSS pixels from the left of the axes
  const place = (/** @type {PointerEvent} */ event) => event.clientX - over.getBoundingClientRect().left;
  const end = (/** @type {PointerEvent} */ event) => fingers.delete(event.pointerId);
  over.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch") fingers.set(event.pointerId, place(event));
  }, { signal });
  over.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const before = [...fingers.values()];
    fingers.set(event.pointerId, place(event));
    const after = [...fingers.values()];
    target.look(held(before, after, target));
  }, { signal });
  for (const name of /** @type {const} */ (["pointerup", "pointercancel", "pointerleave"])) {
    over.addEventListener(name, end, { signal });
  }
}

/**
 * The view in which the times that lay under the fingers lie under them still.
 * @param {number[]} before
 * @param {number[]} after
 * @param {Target} target
 */
function held(before, after, target) {
  const [was = 0, wasOther] = before;
  const [is = 0, isOther] = after;
  const view = target.view();
  const scale = target.timeAt(1) - target.timeAt(0); // s a pixel
  if (wasOther === undefined || isOther === undefined) {
    return { from: view.from - (is - was) * scale, to: view.to - (is - was) * scale };
  }
  const factor = Math.abs(wasOther - was) / Math.max(Math.abs(isOther - is), 1);
  const nearer = zoomed(view, factor, target.timeAt((was + wasOther) / 2));
  const by = ((is + isOther - was - wasOther) / 2) * scale * factor;
  return { from: nearer.from - by, to: nearer.to - by };
}
