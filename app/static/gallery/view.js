// The picture of the open image: its thumbnail, then the image itself if that shows more, or a message if there is none.
import { ask, Problem } from "../api.js";
import { find, make } from "../dom.js";
import { API, button, objectURL } from "./shared.js";
import { wall } from "./wall.js";
import { zoom } from "./zoom.js";

const THUMBNAIL = 1280; // pixels
const LARGEST_THUMBNAIL = 2560; // pixels, for types that browsers do not show
const LARGE = 16_000_000; // bytes: of a larger file only the thumbnail is shown
const ANIMATED = ["image/gif", "image/webp"]; // they may move
const SHOWN = [...ANIMATED, "image/jpeg", "image/png", "image/avif", "image/bmp"];
// Only few PNG and AVIF move. Their first bytes say so: the chunk acTL, or the brand avis.
const ANIMATION_MARKS = new Map([
  ["image/png", "acTL"],
  ["image/avif", "avis"],
]);
const ATTEMPTS = 3;

const full = find("#full", HTMLImageElement);
const missing = find("#missing", HTMLElement);
const download = find("#download", HTMLButtonElement);

/** @typedef {import("./shared.js").ApiImage} ApiImage */

/** @param {string} id */
const thumbnail = (id) => `${API}/${id}/thumbnail?size=${THUMBNAIL}`;

/** @param {ApiImage} image */
const isShown = ({ content_type, byte_size }) => SHOWN.includes(content_type) && byte_size <= LARGE;

/** @param {ApiImage} image */
const isMoreShown = ({ width, height }) =>
  Math.max(width, height) > THUMBNAIL && devicePixelRatio * full.clientWidth * zoom.scale > THUMBNAIL;

class View {
  /** @type {string | null} */
  #url = null;
  #isWhole = false; // whether the image itself is shown, or on its way

  /** Show nothing. */
  clear() {
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = null;
    this.#isWhole = false;
    full.removeAttribute("src");
    full.alt = "";
    this.showMissing();
    zoom.reset();
  }

  /** @param {string} text */
  describe(text) {
    full.alt = text;
  }

  /**
   * Show the thumbnail: first the one that the wall has, then the largest.
   * @param {{ id: string, width: number, height: number }} image
   * @param {AbortSignal} signal
   */
  async preview(image, signal) {
    full.style.maxWidth = `${image.width}px`;
    full.style.maxHeight = `${image.height}px`;
    const url = wall.tiles.get(image.id)?.url;
    if (url) full.src = url;
    try {
      await this.#draw(thumbnail(image.id), signal);
      const following = wall.images[wall.indexOf(image.id) + 1];
      if (following) await (await ask(thumbnail(following.id), { signal })).blob(); // into the browser's cache
    } catch (error) {
      if (signal.aborted || full.src) return;
      const { kind, message } = Problem.from(error);
      if (kind === "no-thumbnail") {
        const original = button("Download the original", () => download.click());
        this.showMissing("This image has no preview.", original);
      } else this.showMissing(message);
    }
  }

  /**
   * Show a message in the place of the picture, or remove it.
   * @param {string} [text]
   * @param {...Node} children
   */
  showMissing(text = "", ...children) {
    missing.hidden = !text;
    missing.replaceChildren(...(text ? [make("p", { text })] : []), ...children);
  }

  /**
   * Show the image itself if it is animated, or if the window shows more pixels than the thumbnail has.
   * @param {ApiImage} image
   * @param {AbortSignal} signal
   */
  async sharpen(image, signal) {
    if (!isMoreShown(image) && !(isShown(image) && (await this.#moves(image, signal)))) return;
    await this.#showWhole(image, signal);
  }

  /**
   * Show the image itself if the window shows more pixels than the thumbnail has.
   * @param {ApiImage} image
   * @param {AbortSignal} signal
   */
  async refine(image, signal) {
    if (isMoreShown(image)) await this.#showWhole(image, signal);
  }

  /**
   * Show the image itself. If browsers do not show its type, show the largest thumbnail. Until then, and if it
   * cannot be loaded, the thumbnail stays.
   * @param {ApiImage} image
   * @param {AbortSignal} signal
   */
  async #showWhole(image, signal) {
    if (this.#isWhole) return;
    this.#isWhole = true;
    const path = isShown(image) ? "content" : `thumbnail?size=${LARGEST_THUMBNAIL}`;
    try {
      await this.#draw(`${API}/${image.id}/${path}`, signal, image.width > image.height);
    } catch {
      if (!signal.aborted) this.#isWhole = false;
    }
  }

  /**
   * Return whether an image may be animated.
   * @param {ApiImage} image
   * @param {AbortSignal} signal
   */
  async #moves({ id, content_type }, signal) {
    const mark = ANIMATION_MARKS.get(content_type);
    if (!mark) return ANIMATED.includes(content_type);
    const headers = { Range: "bytes=0-1023" };
    const response = await ask(`${API}/${id}/content`, { headers, signal }).catch(() => null);
    return response?.status === 206 && (await response.text()).includes(mark);
  }

  /**
   * Show what the path has. If `isWide` is given and wrong, show nothing: browsers do not turn a WebP by its EXIF.
   * @param {string} path
   * @param {AbortSignal} signal
   * @param {boolean} [isWide]
   */
  async #draw(path, signal, isWide) {
    const url = await objectURL(path, signal, ATTEMPTS);
    const image = new Image();
    image.src = url;
    await image.decode().catch(() => {});
    const isTurned = isWide !== undefined && isWide !== image.naturalWidth > image.naturalHeight;
    const isLess = this.#url !== null && image.naturalWidth < full.naturalWidth; // it came later than the image itself
    if (signal.aborted || !image.naturalWidth || isTurned || isLess) return URL.revokeObjectURL(url);
    full.src = url;
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = url;
  }
}

export const view = new View();
