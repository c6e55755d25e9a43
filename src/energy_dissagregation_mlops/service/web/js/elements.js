// Makes and finds elements. Text is always text: nothing that a file or a server says becomes markup.

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * An element with attributes and children; `on…` attributes are listeners, null ones are left out.
 * @param {string} tag
 * @param {Record<string, string | number | boolean | null | ((event: Event) => void)>} [attributes]
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child instanceof Node || typeof child === "string"));
  return node;
}

/**
 * The element with this id, of the kind that is expected; the page's own HTML has them all.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function find(id, kind) {
  const node = document.getElementById(id);
  if (!(node instanceof kind)) throw new Error(`index.html has no ${kind.name} called ${id}`);
  return node;
}

/**
 * The small square that stands for a series, in its colour.
 * @param {number | "gap"} colour its number in the palette of css/base.css, 0 for what is left over
 */
export function swatch(colour) {
  return element("span", { class: `swatch c${colour}`, "aria-hidden": "true" });
}

/** A name that may be broken after its marks, and nowhere else where that is enough. @param {string} name */
export function breakable(name) {
  return name.split(/(?<=[_.-])/u).flatMap((part) => [part, element("wbr")]);
}

/**
 * The cells of a table's head, in one row.
 * @param {Child[]} names
 */
export function headRow(names) {
  return element("thead", {}, element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name))));
}
