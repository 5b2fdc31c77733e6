// Days on which images were taken, by the clock of the camera. Most cameras do not write their time zone.

const DAY = 86_400_000; // milliseconds

/** @typedef {import("./shared.js").ApiImage} ApiImage */

/**
 * Return a day in the words of the reader's language.
 * @param {string} day such as 2026-07-14
 */
export function dayLabel(day) {
  const date = new Date(day);
  if (Number.isNaN(date.getTime())) return `“${day}”, which is no date`;
  return date.toLocaleDateString(undefined, { dateStyle: "medium", timeZone: "UTC" });
}

/**
 * @param {string} day
 * @param {number} days to add
 */
function midnight(day, days) {
  const time = Date.parse(day);
  return Number.isNaN(time) ? day : new Date(time + days * DAY).toISOString(); // the service explains a wrong day
}

/**
 * Replace the days by the moments that the API filters by. They are a day more at each end, because an image may be
 * taken in any time zone. `isTakenWithin` then leaves out the others.
 * @param {URLSearchParams} query
 */
export function withMoments(query) {
  const [from, until] = [query.get("taken_from"), query.get("taken_until")];
  if (from && !query.has("captured_after")) query.set("captured_after", midnight(from, -1));
  if (until && !query.has("captured_before")) query.set("captured_before", midnight(until, 2));
  query.delete("taken_from");
  query.delete("taken_until");
  return query;
}

/**
 * Return whether an image was taken on the days of the query, by the clock of its camera.
 * @param {ApiImage} image
 * @param {URLSearchParams} query
 */
export function isTakenWithin({ capture }, query) {
  const [from, until] = [query.get("taken_from"), query.get("taken_until")];
  const day = capture?.captured_at?.slice(0, "2026-07-14".length) ?? "";
  return (!from || day >= from) && (!until || (day !== "" && day <= until));
}
