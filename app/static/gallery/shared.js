// Helpers that several parts of the gallery use: the API's images, object URLs of their bytes, and small elements.
import { ask, Problem } from "../api.js";
import { make } from "../dom.js";
import { unturned } from "../format.js";

export const API = "v1/images";

/** @typedef {import("./capture.js").Capture} Capture */
/** @typedef {import("./capture.js").Location} Location */

/**
 * An image as the API returns it.
 * @typedef {object} ApiImage
 * @property {string} id
 * @property {string | null} title
 * @property {string | null} description
 * @property {string[]} tags
 * @property {Record<string, unknown>} attributes
 * @property {string} filename
 * @property {string} content_type
 * @property {number} byte_size
 * @property {number} width
 * @property {number} height
 * @property {string} sha256
 * @property {string} created_at
 * @property {string} updated_at
 * @property {string | null} color `#rrggbb`
 * @property {string | null} thumbhash in base64
 * @property {Capture | null} capture
 * @property {Location | null} location
 */

/**
 * The part of an image that the wall keeps.
 * @typedef {Pick<ApiImage, "id" | "title" | "filename" | "width" | "height" | "color" | "thumbhash">} WallImage
 */

/**
 * Return the title, or the file name if the title has nothing that can be seen.
 * @param {Pick<ApiImage, "title" | "filename">} image
 */
export const nameOf = ({ title, filename }) =>
  unturned(title && /[^\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]/u.test(title) ? title : filename);

/**
 * Return a name that does not change the direction of the text around it.
 * @param {Pick<ApiImage, "title" | "filename">} image
 */
export const isolatedName = (image) => `\u2068${nameOf(image)}\u2069`;

/**
 * Return the ETag for If-Match. The service adds "-gzip" to the ETag of a compressed answer.
 * @param {Response} response
 */
export const entityTag = (response) => response.headers.get("ETag")?.replace("-gzip", "") ?? null;

/**
 * @param {unknown} one
 * @param {unknown} other
 */
export const equal = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/**
 * @param {number} seconds
 * @returns {Promise<void>}
 */
export const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

/**
 * Return an object URL of a response's bytes. An <img> with the API's own URL could not send the token.
 * If the service is busy or cannot be reached, try again.
 * @param {string} url
 * @param {AbortSignal} [signal]
 * @param {number} [attempts]
 */
export async function objectURL(url, signal, attempts = 1) {
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await ask(url, { signal });
      const blob = await response.blob();
      signal?.throwIfAborted();
      return URL.createObjectURL(blob);
    } catch (error) {
      const { status } = Problem.from(error);
      if ((status && status !== 503) || signal?.aborted || attempt >= attempts) throw error;
      await sleep(2 ** attempt / 2);
      signal?.throwIfAborted();
    }
  }
}

/**
 * @param {string} text
 * @param {() => unknown} onclick
 * @param {string} [kind] a class of the style sheet
 */
export const button = (text, onclick, kind) => make("button", { type: "button", class: kind, text, onclick });

/**
 * Return a value with a button that removes it.
 * @param {string} text
 * @param {string} label of the button
 * @param {() => unknown} remove
 */
export function chip(text, label, remove) {
  const attributes = { type: "button", class: "plain", "aria-label": label, title: label, onclick: remove, text: "×" };
  return make("span", { class: "chip" }, make("bdi", { text }), make("button", attributes));
}

/**
 * Return the terms and values of a <dl>.
 * @param {Record<string, Node | string>} facts
 * @param {string} [kind] a class of the style sheet
 */
export const terms = (facts, kind) =>
  Object.entries(facts).flatMap(([name, value]) => [
    make("dt", { class: kind, text: name }),
    make("dd", { class: kind, dir: "auto" }, value),
  ]);
