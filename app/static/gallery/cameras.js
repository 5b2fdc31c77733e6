// Cameras: suggestions for the filter, and the cameras that a search without matches names.
import { ask } from "../api.js";
import { make } from "../dom.js";
import { address, go } from "./address.js";
import { button } from "./shared.js";

const MOST_OFFERED = 3;
const NAME = /\p{L}{3}/u; // a word that can name a camera

/** @returns {Promise<string[]>} none if the service does not answer: the page works without them */
async function models() {
  try {
    return (await (await ask("v1/cameras")).json()).cameras;
  } catch {
    return [];
  }
}

/**
 * Let a text field suggest the cameras.
 * @param {HTMLInputElement} input
 * @param {HTMLDataListElement} list
 */
export function suggestCameras(input, list) {
  input.addEventListener("focus", async () => {
    list.replaceChildren(...(await models()).map((value) => make("option", { value })));
  });
}

/**
 * Return the words of a search that name no part of a camera's model, or null if none of them names it.
 * @param {string} words
 * @param {string} model
 */
function othersThan(words, model) {
  const parts = model.toLowerCase().split(" ");
  const given = words.split(/\s+/).filter(Boolean);
  const naming = given.filter((word) => parts.some((part) => part.startsWith(word.toLowerCase())));
  return naming.some((word) => NAME.test(word)) ? given.filter((word) => !naming.includes(word)).join(" ") : null;
}

/**
 * @param {string} model
 * @param {string} others the words of the search that do not name the camera
 */
const show = (model, others) =>
  go((to) => {
    if (others) to.set("q", others);
    else to.delete("q");
    to.delete("sort");
    to.set("camera", model);
  });

/** @param {HTMLElement} place */
async function offer(place) {
  const query = address().get("q");
  if (!query) return;
  const buttons = (await models()).flatMap((model) => {
    const others = othersThan(query, model);
    if (others === null) return [];
    const text = others ? `“${others}”, taken with ${model}` : `Taken with ${model}`;
    return [button(text, () => show(model, others))];
  });
  place.replaceChildren(...buttons.slice(0, MOST_OFFERED));
}

/** Return a place in which the cameras appear. */
export function camerasOfSearch() {
  const place = make("div", { class: "row" });
  offer(place);
  return place;
}
