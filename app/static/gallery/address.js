// The address bar holds the gallery's state: the list's filters, and `image`, the ID of the open image.

/** Filters that only the list by time of capture has. */
export const CAPTURE_FILTERS = ["taken_from", "taken_until", "captured_after", "captured_before", "camera", "bbox"];

/** The parameters of GET /v1/images that the gallery uses, and the days `taken_from` and `taken_until`. */
const FILTERS = ["q", "tag", "content_type", "created_after", "created_before", ...CAPTURE_FILTERS, "sort"];

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** @type {() => void} */
let listener = () => {};

/**
 * Call a function each time that go() has changed the address.
 * @param {() => void} callback
 */
export function onChange(callback) {
  listener = callback;
}

export function address() {
  return new URLSearchParams(location.search);
}

/** Return the ID of the open image, or null. Any other text in the address is no ID, and never part of a request. */
export function imageId() {
  const id = address().get("image");
  return id !== null && UUID.test(id) ? id : null;
}

/** Return the address's filters, in a fixed order: they name a view. */
export function filters() {
  const kept = new URLSearchParams();
  for (const name of FILTERS) for (const value of address().getAll(name)) if (value) kept.append(name, value);
  const sort = sortOf(kept);
  if (sort === "newest") kept.delete("sort");
  else kept.set("sort", sort);
  return kept;
}

/**
 * Return the order of the list unless the user chooses another. A filter by capture has no other.
 * @param {URLSearchParams} parameters
 */
export function defaultSort(parameters) {
  if (CAPTURE_FILTERS.some((name) => parameters.get(name))) return "captured";
  return parameters.get("q") ? "relevance" : "newest";
}

/**
 * Return the order of the list. Only a search has an order by relevance.
 * @param {URLSearchParams} parameters
 */
export function sortOf(parameters) {
  const chosen = parameters.get("sort");
  const preset = defaultSort(parameters);
  return !chosen || preset === "captured" || (chosen === "relevance" && preset === "newest") ? preset : chosen;
}

/**
 * Change the address, as a new entry of the browser's history unless it replaces the current one.
 * @param {(parameters: URLSearchParams) => void} change
 * @param {{ replace?: boolean }} [options]
 */
export function go(change, { replace = false } = {}) {
  const next = address();
  change(next);
  const query = next.toString();
  if (query === address().toString()) return;
  const opened = next.has("image") && imageId() === null; // history.back() then leads to the wall
  const url = query ? `?${query}` : location.pathname;
  if (replace) history.replaceState(history.state, "", url);
  else history.pushState({ opened }, "", url);
  listener();
}

/**
 * Set a filter, or remove it if the value is empty.
 * @param {string} name
 * @param {string} value
 */
export function setFilter(name, value) {
  go((to) => {
    if (value) to.set(name, value);
    else to.delete(name);
    if (CAPTURE_FILTERS.includes(name)) to.delete("sort");
    if (name === "q" && !value && to.get("sort") === "relevance") to.delete("sort");
    if (name === "sort" && value !== "captured") for (const other of CAPTURE_FILTERS) to.delete(other);
  });
}

/** @param {string} tag */
export function removeTag(tag) {
  go((to) => to.delete("tag", tag));
}

/** @param {string[]} names */
export function clearFilters(names = FILTERS) {
  go((to) => {
    for (const name of names) to.delete(name);
  });
}

/**
 * Open an image. A step from one open image to the next adds no entry to the history.
 * @param {string} id
 * @param {{ replace?: boolean }} [options]
 */
export function openImage(id, options) {
  go((to) => to.set("image", id), options);
}

/** @param {string} id */
export function withImage(id) {
  const to = address();
  to.set("image", id);
  return `?${to}`;
}
