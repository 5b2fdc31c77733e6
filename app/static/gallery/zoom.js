// Zoom of the open image: its scale, and its place in the figure.
import { find } from "../dom.js";

const MAX_SCALE = 8;
const STEP = 1.5; // factor of a key or of a notch of the wheel

const figure = find("#picture figure", HTMLElement);
const image = find("#full", HTMLImageElement);

class Zoom {
  scale = 1;
  #x = 0; // pixels from the middle of the figure to the middle of the image
  #y = 0;

  /** @type {() => void} Called each time that the image becomes larger. */
  onLarger = () => {};

  /** Show the whole image. */
  reset() {
    this.to(1);
  }

  /**
   * Scale the image, and keep the place of the point that is at `x`, `y`.
   * @param {number} scale 1 shows the whole image
   * @param {number} [x] pixels from the middle of the figure
   * @param {number} [y]
   */
  to(scale, x = 0, y = 0) {
    const before = this.scale;
    this.scale = Math.min(Math.max(scale, 1), MAX_SCALE);
    const factor = this.scale / before;
    this.#place(x + (this.#x - x) * factor, y + (this.#y - y) * factor);
    if (this.scale > before) this.onLarger();
  }

  /**
   * Scale the image by steps. A negative number makes it smaller.
   * @param {number} steps
   * @param {number} [x] as in `to`
   * @param {number} [y]
   */
  step(steps, x, y) {
    this.to(this.scale * STEP ** steps, x, y);
  }

  /**
   * @param {number} x pixels
   * @param {number} y
   */
  move(x, y) {
    this.#place(this.#x + x, this.#y + y);
  }

  /**
   * Place the image so that its edges stay outside the figure, or in its middle.
   * @param {number} x
   * @param {number} y
   */
  #place(x, y) {
    const free = (this.scale - 1) / 2;
    const [width, height] = [free * image.clientWidth, free * image.clientHeight];
    this.#x = Math.min(Math.max(x, -width), width);
    this.#y = Math.min(Math.max(y, -height), height);
    image.style.transform = this.scale === 1 ? "" : `translate(${this.#x}px, ${this.#y}px) scale(${this.scale})`;
    figure.classList.toggle("zoomed", this.scale > 1);
  }
}

export const zoom = new Zoom();
