// Zoom of the open image: by wheel, double click and keys. A larger image is moved by dragging.
import { find } from "../dom.js";

const MAX_SCALE = 8;
const STEP = 1.5; // factor of a key or of a notch of the wheel
const NOTCH = 100; // pixels that most wheels report
const CLOSER = 2.5; // scale after a double click

const figure = find("#picture figure", HTMLElement);
const image = find("#full", HTMLImageElement);

class Zoom {
  scale = 1;
  #x = 0; // pixels from the middle of the figure to the middle of the image
  #y = 0;

  /** @type {() => void} Called when the image is larger than the figure. */
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
    if (this.scale > 1 && before === 1) this.onLarger();
  }

  /** @param {1 | -1} direction */
  step(direction) {
    this.to(this.scale * STEP ** direction);
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

/**
 * Return the place of an event, in pixels from the middle of the figure.
 * @param {MouseEvent} event
 */
function place({ clientX, clientY }) {
  const { left, top, width, height } = figure.getBoundingClientRect();
  return /** @type {const} */ ([clientX - left - width / 2, clientY - top - height / 2]);
}

figure.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault(); // also with Ctrl, which a pinch on a trackpad sends, and which would zoom the page
    const notches = event.deltaMode ? Math.sign(event.deltaY) : event.deltaY / NOTCH;
    zoom.to(zoom.scale * STEP ** -(event.ctrlKey ? 4 * notches : notches), ...place(event));
  },
  { passive: false },
);
image.addEventListener("dblclick", (event) => zoom.to(zoom.scale > 1 ? 1 : CLOSER, ...place(event)));
image.addEventListener("pointerdown", (event) => {
  if (zoom.scale > 1) image.setPointerCapture(event.pointerId);
});
image.addEventListener("pointermove", (event) => {
  if (image.hasPointerCapture(event.pointerId)) zoom.move(event.movementX, event.movementY);
});
image.addEventListener("dragstart", (event) => event.preventDefault());
