// Elements of the page: find one, make one.

/**
 * Return the first element that matches. Throw if there is none, or if it is of another kind.
 * @template {Element} T
 * @param {string} selector
 * @param {new () => T} kind a class, as HTMLInputElement
 * @param {ParentNode} [root]
 * @returns {T}
 */
export function find(selector, kind, root = document) {
  const element = root.querySelector(selector);
  if (!(element instanceof kind)) throw new TypeError(`${selector} is not an ${kind.name}`);
  return element;
}

/**
 * Return the element that an event happened in, or the next ancestor that matches.
 * @param {Event} event
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
export function closest(event, selector) {
  const found = event.target instanceof Element ? event.target.closest(selector) : null;
  return found instanceof HTMLElement ? found : null;
}

/**
 * The value of an attribute. "text" is the content, "on..." is a listener, true and false set and remove the attribute.
 * @typedef {string | number | boolean | null | undefined | ((event: Event) => unknown)} Attribute
 */

/**
 * A child of an element. Empty values are left out.
 * @typedef {Node | string | false | null | undefined} Child
 */

/**
 * Return a new element.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, Attribute>} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "text") element.textContent = String(value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else if (value != null) element.setAttribute(name, String(value));
  }
  for (const child of children) if (child) element.append(child);
  return element;
}
