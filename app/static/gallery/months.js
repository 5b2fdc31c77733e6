// Months in a search without matches: the words of a search are not dates, so the page offers the months that they name.
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

/**
 * @param {string} month such as 2026-07
 * @param {string} others the words of the search that name no month
 */
const show = (month, others) => {
  const [year, number] = month.split("-").map(Number);
  go((to) => {
    if (others) to.set("q", others);
    else to.delete("q");
    to.delete("sort");
    to.set("taken_from", `${month}-01`);
    to.set("taken_until", `${month}-${new Date(year, number, 0).getDate()}`);
  });
};

/**
 * Fill a place with buttons for the months that the search names and in which images were taken.
 * @param {HTMLElement} place
 */
async function offer(place) {
  const { months, year, others } = named(address().get("q") ?? "");
  if (!months.size && !year) return;
  try {
    /** @type {{ months: { month: string, images: number }[] }} */
    const { months: known } = await (await ask("v1/timeline?limit=200")).json();
    const meant = known.filter(
      ({ month }) => (!year || month.startsWith(year)) && (!months.size || months.has(month.slice(5))),
    );
    place.replaceChildren(
      ...meant.slice(0, MOST_OFFERED).map(({ month, images }) => {
        const [number, index] = month.split("-").map(Number);
        const name = new Date(number, index - 1, 1).toLocaleDateString(undefined, { month: "long", year: "numeric" });
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
