// Months in which images were taken: a choice in the filters, and an offer if a search names one, as words are not dates.
import { ask } from "../api.js";
import { make } from "../dom.js";
import { plural } from "../format.js";
import { address, go } from "./address.js";
import { button } from "./shared.js";

const MOST_OFFERED = 3;
const MONTHS = Array.from({ length: 12 }, (_, number) => new Date(2000, number, 1));

/**
 * Return the months and the year that words name, in English or in the language of the reader: "july 2026", "2026-07".
 * `others` are the other words.
 * @param {string} words
 */
function named(words) {
  const months = new Set();
  const others = [];
  let year = "";
  for (const written of words.split(/[\s,.]+/)) {
    const word = written.toLowerCase();
    const [, years, month] = /^((?:18|19|20)\d\d)(?:-(\d\d))?$/.exec(word) ?? [];
    if (years) year = years;
    const found = month ? [month] : [];
    for (const locale of [undefined, "en"]) {
      for (const length of /** @type {const} */ (["long", "short"])) {
        const number = MONTHS.findIndex((date) => {
          const name = date.toLocaleDateString(locale, { month: length }).toLowerCase().replace(".", "");
          return name === word;
        });
        if (number >= 0) found.push(String(number + 1).padStart(2, "0"));
      }
    }
    for (const number of found) months.add(number);
    if (!years && !found.length) others.push(written);
  }
  return { months, year, others: others.join(" ") };
}

/** @typedef {{ month: string, images: number }} Month such as 2026-07 */

/**
 * Return the months in which images were taken, latest first.
 * @returns {Promise<Month[]>}
 */
async function takenMonths() {
  /** @type {Month[]} */
  const all = [];
  for (let before = ""; ; ) {
    const query = new URLSearchParams({ limit: "240", ...(before && { before }) });
    /** @type {{ months: Month[], next: string | null }} */
    const { months, next } = await (await ask(`v1/timeline?${query}`)).json();
    all.push(...months);
    if (!next) return all;
    before = next;
  }
}

/** @param {string} month */
const lastDay = (month) => `${month}-${new Date(Number(month.slice(0, 4)), Number(month.slice(5)), 0).getDate()}`;

/**
 * Return the name of a month in the reader's language.
 * @param {string} month such as 2026-07
 */
export function monthLabel(month) {
  const [year, number] = month.split("-").map(Number);
  return new Date(year, number - 1, 1).toLocaleDateString(undefined, { month: "long", year: "numeric" });
}

/**
 * Return the month whose first and last days these are, or "".
 * @param {string} first such as 2026-07-01
 * @param {string} last
 */
export function monthOf(first, last) {
  const month = /^(\d{4}-(?:0[1-9]|1[0-2]))-01$/.exec(first)?.[1] ?? "";
  return month && last === lastDay(month) ? month : "";
}

/**
 * Filter by the days of a month, or by none.
 * @param {URLSearchParams} parameters
 * @param {string} month such as 2026-07, or ""
 */
export function setMonth(parameters, month) {
  parameters.delete("sort");
  for (const name of ["taken_from", "taken_until"]) parameters.delete(name);
  if (!month) return;
  parameters.set("taken_from", `${month}-01`);
  parameters.set("taken_until", lastDay(month));
}

/** @param {string} month */
const option = (month) => make("option", { value: month, text: monthLabel(month) });

/**
 * Select a month, or none. It need not be among the options.
 * @param {HTMLSelectElement} select
 * @param {string} month such as 2026-07, or ""
 */
export function showMonth(select, month) {
  const isOffered = [...select.options].some(({ value }) => value === month);
  if (!isOffered) select.append(option(month));
  select.value = month;
}

/**
 * Offer the months in which images were taken.
 * @param {HTMLSelectElement} select
 */
export async function offerMonths(select) {
  const months = await takenMonths().catch(() => null); // the page works without an offer
  if (!months) return;
  const chosen = select.value;
  select.replaceChildren(select.options[0], ...months.map(({ month }) => option(month)));
  showMonth(select, chosen);
}

/**
 * @param {string} month such as 2026-07
 * @param {string} others the words of the search that name no month
 */
const show = (month, others) =>
  go((to) => {
    if (others) to.set("q", others);
    else to.delete("q");
    setMonth(to, month);
  });

/**
 * Fill a place with buttons for the months that the search names and in which images were taken.
 * @param {HTMLElement} place
 */
async function offer(place) {
  const { months, year, others } = named(address().get("q") ?? "");
  if (!months.size && !year) return;
  try {
    const meant = (await takenMonths()).filter(
      ({ month }) => (!year || month.startsWith(year)) && (!months.size || months.has(month.slice(5))),
    );
    place.replaceChildren(
      ...meant.slice(0, MOST_OFFERED).map(({ month, images }) => {
        const name = monthLabel(month);
        const text = others ? `“${others}”, taken in ${name}` : `Taken in ${name}: ${plural(images, "image")}`;
        return button(text, () => show(month, others));
      }),
    );
  } catch {
    // the page works without an offer
  }
}

/** Return a place in which the months appear. */
export function monthsOfSearch() {
  const place = make("div", { class: "row" });
  offer(place);
  return place;
}
