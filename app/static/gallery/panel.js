// The information panel beside the open image: shown and hidden. It stays as it is from one image to the next.
import { find } from "../dom.js";

const panel = find("#panel", HTMLElement);
const toggle = find("#about", HTMLButtonElement);

/** @param {boolean} [open] the default is the other state */
export function showPanel(open = Boolean(panel.hidden)) {
  if (!open && panel.contains(document.activeElement)) toggle.focus();
  panel.hidden = !open;
  toggle.setAttribute("aria-expanded", String(open));
}

toggle.addEventListener("click", () => showPanel());
find("#picture-title", HTMLElement).addEventListener("click", () => showPanel(true)); // there it can be edited
