// Gestures on the open image: two fingers zoom it, one finger or the mouse moves it, a swipe opens another image.
import { find } from "../dom.js";
import { zoom } from "./zoom.js";

const SWIPE = 60; // pixels
const NOTCH = 100; // pixels that most wheels report
const CLOSER = 2.5; // scale after a double click

const figure = find("#picture figure", HTMLElement);
const image = find("#full", HTMLImageElement);

/** @typedef {readonly [x: number, y: number]} Point in pixels from the middle of the figure */

/** @type {{ swipe: (step: 1 | -1) => unknown }} What the viewer does. */
export const gestures = { swipe: () => {} };

/** @type {Map<number, Point>} Where each finger, or the mouse with its button down, is. */
const held = new Map();

/** @type {Point | null} Where a touch began that may become a swipe: one finger, and the whole image is shown. */
let start = null;

/**
 * @param {MouseEvent} event
 * @returns {Point}
 */
function place({ clientX, clientY }) {
  const { left, top, width, height } = figure.getBoundingClientRect();
  return [clientX - left - width / 2, clientY - top - height / 2];
}

/** Return the middle of the first two fingers, and their distance, which is 0 for one finger. */
function grip() {
  const [one, other = one] = held.values();
  const distance = Math.hypot(other[0] - one[0], other[1] - one[1]);
  return { x: (one[0] + other[0]) / 2, y: (one[1] + other[1]) / 2, distance };
}

/** Return whether the browser itself shows a part of the page larger. Then its own gestures work. */
const isPageZoomed = () => (visualViewport?.scale ?? 1) > 1.01;

figure.addEventListener("pointerdown", (event) => {
  const isMouse = event.pointerType === "mouse";
  if (isMouse ? event.button || event.target !== image || zoom.scale === 1 : isPageZoomed()) return;
  if (isMouse) image.setPointerCapture(event.pointerId);
  held.set(event.pointerId, place(event));
  start = held.size === 1 && !isMouse && zoom.scale === 1 ? place(event) : null;
});

figure.addEventListener("pointermove", (event) => {
  if (!held.has(event.pointerId)) return;
  const before = grip();
  held.set(event.pointerId, place(event));
  const after = grip();
  if (before.distance && after.distance) {
    zoom.to((zoom.scale * after.distance) / before.distance, before.x, before.y);
  }
  zoom.move(after.x - before.x, after.y - before.y);
});

// Without it, Chromium takes a swipe for a fling, and loses the next tap because that would only stop the fling.
figure.addEventListener("touchmove", (event) => isPageZoomed() || event.preventDefault(), { passive: false });

/** @param {PointerEvent} event */
function release(event) {
  if (!held.delete(event.pointerId) || !start) return;
  const [x, y] = place(event);
  const [width, height] = [x - start[0], y - start[1]];
  start = null;
  const isSwipe = event.type === "pointerup" && Math.abs(width) > SWIPE && Math.abs(width) > Math.abs(height);
  if (isSwipe && zoom.scale === 1) gestures.swipe(width < 0 ? 1 : -1);
}

addEventListener("pointerup", release);
addEventListener("pointercancel", release);

figure.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault(); // also with Ctrl, which a pinch on a trackpad sends, and which would zoom the page
    const notches = event.deltaMode ? Math.sign(event.deltaY) : event.deltaY / NOTCH;
    zoom.step(event.ctrlKey ? -4 * notches : -notches, ...place(event));
  },
  { passive: false },
);
image.addEventListener("dblclick", (event) => zoom.to(zoom.scale > 1 ? 1 : CLOSER, ...place(event)));
image.addEventListener("dragstart", (event) => event.preventDefault());

visualViewport?.addEventListener("resize", () => figure.classList.toggle("magnified", isPageZoomed()));
