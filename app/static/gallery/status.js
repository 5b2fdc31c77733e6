// The status below the wall: loading, the number of images, an empty result, or a problem.
import { find, make } from "../dom.js";
import { plural } from "../format.js";
import { clearFilters, setFilter } from "./address.js";
import { camerasOfSearch } from "./cameras.js";
import { monthsOfSearch } from "./months.js";
import { button } from "./shared.js";

const RANKED = 200; // images. With as many matches or more, the list by relevance may have only the newest ones
const status = find("#state", HTMLElement);
const files = find("#files", HTMLInputElement);

/** @param {string} selector */
const icon = (selector) => find(selector, SVGElement).cloneNode(true);
const showAll = () => button("Show all images", () => clearFilters());

/**
 * @param {number} count of all images of the view
 * @param {string | null} query
 */
export function summary(count, query) {
  if (count) return plural(count, "image");
  if (query) return "No images match.";
  return "No images yet.";
}

/**
 * @param {object} view
 * @param {number} view.count of the images so far
 * @param {string | null} view.query
 * @param {string | null} view.next the cursor of the next page: "" is the first page, null the end
 * @param {boolean} view.loading
 * @param {import("../api.js").Problem | null} view.problem
 * @param {() => unknown} view.retry
 */
export function showStatus({ count, query, next, loading, problem, retry }) {
  document.body.classList.toggle("busy", loading && !count);
  status.className = count ? "" : "empty";
  status.hidden = !problem && next === "";
  if (problem) {
    const text = problem.message + (problem.retryAfter || !problem.status ? " Trying again…" : "");
    const all = query && [403, 422].includes(problem.status) ? [showAll()] : [];
    status.replaceChildren(make("span", { class: "bad", role: "alert", text }), button("Try again", retry), ...all);
  } else if (next !== null) status.replaceChildren("Loading…");
  else if (count) {
    const isPart = count >= RANKED && new URLSearchParams(query ?? "").get("sort") === "relevance";
    const all = isPart ? [button("Show older matches too", () => setFilter("sort", "newest"))] : [];
    status.replaceChildren(summary(count, query), ...all);
  } else if (query) {
    const offers = [monthsOfSearch(), camerasOfSearch()];
    status.replaceChildren(icon("#search svg"), summary(count, query), ...offers, showAll());
  } else {
    const select = button("Select images", () => files.click(), "primary change");
    const canDrop = matchMedia("(any-pointer: fine)").matches;
    const text = canDrop ? "Select images, or drop them anywhere on this page." : "";
    status.replaceChildren(icon("h1 svg"), summary(count, query), make("span", { class: "change", text }), select);
  }
}
