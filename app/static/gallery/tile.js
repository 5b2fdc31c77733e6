// Tile: one image of the wall, a link with its thumbnail and its caption.
import { make } from "../dom.js";
import { withImage } from "./address.js";
import { API, nameOf, objectURL } from "./shared.js";
import { drawing } from "./thumbhash.js";

const SIZES = [160, 320, 640]; // pixels: the thumbnails that the API offers for the wall
const ATTEMPTS = 5;

/** @typedef {import("./shared.js").WallImage} WallImage */

export class Tile {
  requested = false; // the thumbnail
  y = 0;
  height = 0;
  width = 0;
  /** @type {string | null} */
  url = null;

  #request = new AbortController();
  #position = "";
  /** @type {HTMLCanvasElement | null} The first paint, until the thumbnail is there. */
  #drawing = null;

  /** @param {WallImage} image */
  constructor(image) {
    this.id = image.id;
    this.thumbnail = make("img", { alt: "", draggable: "false" });
    this.caption = make("span", { class: "caption", dir: "auto" });
    const attributes = { href: withImage(image.id), tabindex: -1, draggable: "false" };
    this.link = make("a", attributes, this.thumbnail, this.caption);
    this.element = make("li", { "data-id": image.id }, this.link);
    if (image.color) this.link.style.backgroundColor = image.color;
    this.#drawing = image.thumbhash ? drawing(image.thumbhash) : null;
    if (this.#drawing) this.link.prepend(this.#drawing);
    this.show(image);
  }

  /** @param {WallImage} image */
  show(image) {
    this.caption.textContent = nameOf(image);
  }

  /**
   * Move the tile. All lengths are pixels.
   * @param {{ index: number, total: number, x: number, y: number, width: number, height: number }} position
   *   `total`: how many images the wall has, or -1 if not all are known
   */
  place(position) {
    const key = Object.values(position).join(" ");
    if (key === this.#position) return;
    this.#position = key;
    const { index, total, x, y, width, height } = position;
    Object.assign(this, { y, width, height });
    const { style } = this.element;
    style.width = `${width}px`;
    style.height = `${height}px`;
    style.translate = `${x}px ${y}px`;
    this.element.setAttribute("aria-posinset", String(index + 1));
    this.element.setAttribute("aria-setsize", String(total));
  }

  async load() {
    this.requested = true;
    const pixels = Math.max(this.width, this.height) * devicePixelRatio;
    const size = SIZES.find((size) => size >= pixels * 0.9) ?? SIZES.at(-1);
    try {
      this.url = await objectURL(`${API}/${this.id}/thumbnail?size=${size}`, this.#request.signal, ATTEMPTS);
      this.thumbnail.src = this.url;
      await this.thumbnail.decode();
      this.thumbnail.className = "there";
      // There is no transition if the reader prefers less motion.
      await Promise.allSettled(this.thumbnail.getAnimations().map((animation) => animation.finished));
      this.#uncover();
    } catch {
      if (this.#request.signal.aborted) return;
      this.#uncover();
      this.link.className = "none";
    }
  }

  /** Take the first paint away: it would shine through a transparent picture. */
  #uncover() {
    this.#drawing?.remove();
    this.link.style.removeProperty("background-color");
  }

  remove() {
    this.#request.abort();
    if (this.url) URL.revokeObjectURL(this.url);
    this.element.remove();
  }
}
