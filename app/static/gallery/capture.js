// Capture metadata of an image as facts for people: time, camera, exposure, position.

import { go } from "./address.js";
import { button } from "./shared.js";

/**
 * @typedef {object} Capture
 * @property {string} [captured_at]
 * @property {"offset" | "local" | "day"} [captured_at_zone]
 * @property {string} [make]
 * @property {string} [model]
 * @property {string} [lens]
 * @property {number} [exposure_seconds]
 * @property {number} [aperture]
 * @property {number} [iso]
 * @property {number} [focal_length_mm]
 * @property {string} [software]
 * @property {string} [creator]
 * @property {string} [copyright]
 * @property {number} [rating]
 * @property {string} [caption]
 * @property {string[]} [keywords]
 */

/**
 * @typedef {object} Location
 * @property {number} latitude
 * @property {number} longitude
 * @property {number} [altitude_m]
 */

const NEAR = 0.1; // degrees of latitude around an image: 11 km

/** @type {Intl.DateTimeFormatOptions} */
const DAY = { dateStyle: "medium", timeStyle: "short" };

/**
 * Return the time of capture by the clock of the camera, so the reader's time zone does not change it.
 * @param {Capture} capture
 */
function taken({ captured_at: time, captured_at_zone: zone }) {
  if (!time) return "";
  const [clock] = time.split(/Z|[+-]\d\d:\d\d$/);
  const offset = time.slice(clock.length).replace("Z", "");
  if (zone === "day")
    return new Date(`${clock}Z`).toLocaleDateString(undefined, { dateStyle: "medium", timeZone: "UTC" });
  const shown = new Date(`${clock}Z`).toLocaleString(undefined, { ...DAY, timeZone: "UTC" });
  return `${shown}, ${zone === "offset" ? `UTC${offset}` : "local time"}`;
}

/** @param {Capture} capture */
function camera({ make: maker, model }) {
  if (!model) return maker ?? "";
  const name = maker && !model.toLowerCase().startsWith(maker.toLowerCase()) ? `${maker} ${model}` : model;
  return button(name, () => showOnly("camera", model), "plain");
}

/**
 * Show all images that have the same camera or place.
 * @param {"camera" | "bbox"} filter
 * @param {string} value
 */
const showOnly = (filter, value) =>
  go((to) => {
    for (const name of [...to.keys()]) to.delete(name);
    to.set(filter, value);
  });

/** @param {number} seconds */
const exposure = (seconds) => (seconds < 0.4 ? `1/${Math.round(1 / seconds)} s` : `${seconds.toLocaleString()} s`);

/** @param {Capture} capture */
function settings({ exposure_seconds: seconds, aperture, iso, focal_length_mm: length }) {
  const parts = [
    length && `${length.toLocaleString()} mm`,
    aperture && `f/${aperture.toLocaleString()}`,
    seconds && exposure(seconds),
    iso && `ISO ${iso}`,
  ];
  return parts.filter(Boolean).join(", ");
}

/**
 * @param {number} latitude
 * @param {number} longitude
 * @param {number} places after the decimal point
 */
function coordinates(latitude, longitude, places) {
  const digits = { minimumFractionDigits: places, maximumFractionDigits: places };
  const north = `${Math.abs(latitude).toLocaleString(undefined, digits)}° ${latitude < 0 ? "S" : "N"}`;
  const east = `${Math.abs(longitude).toLocaleString(undefined, digits)}° ${longitude < 0 ? "W" : "E"}`;
  return `${north}, ${east}`;
}

/** @param {Location} location */
function position({ latitude, longitude, altitude_m: altitude }) {
  const height = altitude === undefined ? "" : `, ${Math.round(altitude).toLocaleString()} m`;
  const text = `${coordinates(latitude, longitude, 5)}${height}`;
  return button(text, () => showOnly("bbox", around(latitude, longitude)), "plain");
}

/**
 * Return the area around a position, as the API takes it: west,south,east,north.
 * @param {number} latitude
 * @param {number} longitude
 */
function around(latitude, longitude) {
  const width = NEAR / Math.cos((latitude * Math.PI) / 180); // a degree of longitude is shorter away from the equator
  const isPole = width >= 180 || Math.abs(latitude) + NEAR >= 90;
  const [west, east] = isPole
    ? [-180, 180]
    : [longitude - width, longitude + width].map((x) => ((x + 540) % 360) - 180);
  return [west, Math.max(latitude - NEAR, -90), east, Math.min(latitude + NEAR, 90)].map((x) => x.toFixed(4)).join(",");
}

/**
 * Return the name of an area: its middle, if it is as small as those around an image.
 * @param {string} area as the API takes it
 */
export function areaLabel(area) {
  const [west, south, east, north] = area.split(",").map(Number);
  const width = (east - west + 360) % 360;
  if (!(north - south < 3 * NEAR && width < 180)) return `In ${area.replaceAll(",", ", ")}`;
  return `Near ${coordinates((south + north) / 2, ((west + width / 2 + 540) % 360) - 180, 2)}`;
}

/**
 * Return the facts that are known, by their names.
 * @param {Capture | null} capture
 * @param {Location | null} location
 * @returns {Record<string, Node | string>}
 */
export function captured(capture, location) {
  const known = capture ?? {};
  const facts = {
    Taken: taken(known),
    Camera: camera(known),
    Lens: known.lens ?? "",
    Exposure: settings(known),
    Position: location ? position(location) : "",
    Creator: known.creator ?? "",
    Copyright: known.copyright ?? "",
    Rating: known.rating === undefined || known.rating < 0 ? "" : `${known.rating} of 5`,
    Caption: known.caption ?? "",
    Keywords: (known.keywords ?? []).join(", "),
    Software: known.software ?? "",
  };
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== ""));
}
