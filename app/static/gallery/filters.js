// Search and filters: the forms above the wall, and the chips of the active filters.
import { find, make } from "../dom.js";
import { moment } from "../format.js";
import { address, clearFilters, defaultSort, go, removeTag, setFilter, sortOf } from "./address.js";
import { suggestCameras } from "./cameras.js";
import { areaLabel } from "./capture.js";
import { dayLabel } from "./days.js";
import { monthLabel, monthOf, offerMonths, setMonth, showMonth } from "./months.js";
import { button, chip } from "./shared.js";
import { hasTag, suggestTags } from "./tags.js";

const searchForm = find("#search", HTMLFormElement);
const query = find("[name=q]", HTMLInputElement, searchForm);
const toggle = find("#toggle", HTMLButtonElement);
const filters = find("#filters", HTMLFormElement);
const tag = find("[name=tag]", HTMLInputElement, filters);
const type = find("[name=content_type]", HTMLSelectElement, filters);
const order = find("[name=sort]", HTMLSelectElement, filters);
const relevance = find("[value=relevance]", HTMLOptionElement, order);
const from = find("[name=from]", HTMLInputElement, filters);
const until = find("[name=until]", HTMLInputElement, filters);
const takenFrom = find("[name=taken_from]", HTMLInputElement, filters);
const month = find("[name=month]", HTMLSelectElement, filters);
const takenUntil = find("[name=taken_until]", HTMLInputElement, filters);
const camera = find("[name=camera]", HTMLInputElement, filters);
const chips = find("#chips", HTMLUListElement);

/**
 * The label of a filter's chip.
 * @type {Record<string, (value: string) => string>}
 */
const LABELS = {
  content_type: (value) => value.replace("image/", "").toUpperCase(),
  created_after: (value) => `From ${dateLabel(value)}`,
  created_before: (value) => `Until ${dateLabel(value, -1)}`,
  taken_from: (value) => `Taken from ${dayLabel(value)}`,
  taken_until: (value) => `Taken until ${dayLabel(value)}`,
  captured_after: (value) => `Taken from ${dateLabel(value)}`,
  captured_before: (value) => `Taken until ${dateLabel(value, -1)}`,
  camera: (value) => value,
  bbox: areaLabel,
};

/**
 * @param {string} text
 * @param {() => unknown} remove
 */
const filterChip = (text, remove) => chip(text, `Remove the filter ${text}`, remove);

/**
 * Show the filters in the forms.
 * @param {URLSearchParams} parameters
 */
export function showFilters(parameters) {
  query.value = parameters.get("q") ?? "";
  type.value = parameters.get("content_type") ?? "";
  const sort = sortOf(address());
  order.value = sort;
  relevance.hidden = relevance.disabled = !parameters.get("q");
  from.value = dateValue(parameters.get("created_after"));
  until.value = dateValue(parameters.get("created_before"), -1);
  const [first, last] = [parameters.get("taken_from") ?? "", parameters.get("taken_until") ?? ""];
  const whole = monthOf(first, last);
  showMonth(month, whole);
  takenFrom.value = first;
  takenUntil.value = last;
  camera.value = parameters.get("camera") ?? "";
  const active = parameters.getAll("tag").map((tag) => chip(tag, `Remove the tag ${tag}`, () => removeTag(tag)));
  for (const [name, label] of Object.entries(LABELS)) {
    for (const value of parameters.getAll(name)) {
      if (!whole || !name.startsWith("taken_")) active.push(filterChip(label(value), () => setFilter(name, "")));
    }
  }
  if (whole) active.push(filterChip(`Taken in ${monthLabel(whole)}`, () => go((to) => setMonth(to, ""))));
  if (sort !== defaultSort(parameters)) {
    active.push(filterChip(`Sort: ${order.selectedOptions[0]?.text ?? sort}`, () => setFilter("sort", "")));
  }
  const clear = button("Clear all", () => clearFilters(["tag", "sort", ...Object.keys(LABELS)]), "plain");
  const items = active.length > 1 ? [...active, clear] : active;
  chips.replaceChildren(...items.map((item) => make("li", {}, item)));
}

// The API's filters by the time of upload are instants. The form's are local days, from the beginning of the first to the end of the last.

/**
 * @param {string} time
 * @param {number} days to add
 */
function shifted(time, days) {
  const date = new Date(time);
  date.setDate(date.getDate() + days);
  return date;
}

/**
 * Return an instant as the value of a date field: YYYY-MM-DD, or "" if it is none.
 * @param {string | null} time
 * @param {number} [days] to add
 */
function dateValue(time, days = 0) {
  const date = shifted(time ?? "", days);
  if (Number.isNaN(date.getTime())) return "";
  const [year, month, day] = [date.getFullYear(), date.getMonth() + 1, date.getDate()].map(String);
  return `${year.padStart(4, "0")}-${month.padStart(2, "0")}-${day.padStart(2, "0")}`;
}

/**
 * @param {string} time
 * @param {number} [days] to add, if the instant is midnight
 */
function dateLabel(time, days = 0) {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return `“${time}”, which is no date`;
  if (date.getHours() || date.getMinutes()) return moment(time);
  return shifted(time, days).toLocaleDateString(undefined, { dateStyle: "medium" });
}

/**
 * Return the instant at which a local day begins, or "".
 * @param {string} value of a date field
 * @param {number} days to add
 */
function dayStart(value, days) {
  if (!value) return "";
  const [year, month, day] = value.split("-").map(Number);
  return new Date(year, month - 1, day + days).toISOString();
}

const hasMouse = () => matchMedia("(any-pointer: fine)").matches;

searchForm.addEventListener("submit", (event) => {
  event.preventDefault();
  setFilter("q", query.value.trim());
  if (!hasMouse()) query.blur(); // the keyboard of a phone would cover the results
});
query.addEventListener("search", () => query.value || setFilter("q", "")); // the field's own button empties it

/** @param {boolean} open */
function setOpen(open) {
  filters.hidden = !open;
  toggle.setAttribute("aria-expanded", String(open));
  // On a phone, the keyboard of the tag field would cover the other filters.
  if (!open || hasMouse()) (open ? tag : toggle).focus();
  if (open) offerMonths(month);
}

toggle.addEventListener("click", () => setOpen(Boolean(filters.hidden)));
filters.addEventListener("keydown", (event) => event.key === "Escape" && !event.defaultPrevented && setOpen(false));
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("change", (event) => {
  const field = event.target;
  if (field === type) setFilter("content_type", type.value);
  else if (field === order) setFilter("sort", order.value);
  else if (field === month) go((to) => setMonth(to, month.value));
  else if (field === camera) setFilter("camera", camera.value.trim());
  // While a user types a year, its first digits are a date out of range.
  else if (field === from && from.validity.valid) setFilter("created_after", dayStart(from.value, 0));
  else if (field === until && until.validity.valid) setFilter("created_before", dayStart(until.value, 1));
  else if (field === takenFrom && takenFrom.validity.valid) setFilter("taken_from", takenFrom.value);
  else if (field === takenUntil && takenUntil.validity.valid) setFilter("taken_until", takenUntil.value);
});

suggestCameras(camera, find("#cameras", HTMLDataListElement));
suggestTags(tag, (tag) => hasTag(address().getAll("tag"), tag) || go((to) => to.append("tag", tag)));
