// The gallery: shows what the address bar says, and answers the keys that work on the whole page.
import { find } from "../dom.js";
import "./actions.js";
import { filters, imageId, onChange, withImage } from "./address.js";
import { showFilters } from "./filters.js";
import { form } from "./form.js";
import { toggleHelp } from "./help.js";
import { showPanel } from "./panel.js";
import { picture, showWindowTitle, toggleFullScreen } from "./picture.js";
import { mayWrite } from "./rights.js";
import "./sources.js";
import { selectAction } from "./toasts.js";
import { uploads } from "./uploads.js";
import { wall } from "./wall.js";
import { zoom } from "./zoom.js";

const search = find("#search input", HTMLInputElement);
const remove = find("#delete", HTMLButtonElement);
const modal = [find("#token", HTMLDialogElement), find("#help", HTMLDialogElement)];

/**
 * Show the view and the image of the address.
 * @param {{ restore?: boolean }} [options] `restore`: the view as it was when it was last shown
 */
function showAddress({ restore = false } = {}) {
  const parameters = filters();
  if (parameters.toString() !== wall.query) {
    wall.remember();
    showFilters(parameters);
    wall.show(parameters.toString(), { restore });
    showWindowTitle();
  }
  const id = imageId();
  if (id === picture.id) return;
  if (id) picture.open(id);
  else picture.close();
}

addEventListener("popstate", async () => {
  const { id } = picture;
  if (!id || !form.dirty() || imageId() === id) return showAddress({ restore: true });
  history.pushState({ opened: true }, "", withImage(id)); // the image stays open until the user has decided
  if (await picture.mayLeave()) history.back();
});

/**
 * Do what a key means on this page.
 * @param {KeyboardEvent} event
 * @returns {boolean} whether it means anything
 */
function answerKey({ key, target, ctrlKey, metaKey, altKey }) {
  const typing = target instanceof Element && target.closest("input, textarea, select");
  const command = (ctrlKey || metaKey) && !altKey;
  const open = picture.id !== null;
  if (key === "Escape" && open) picture.leave();
  else if (key === "s" && command && open) picture.save();
  else if (key === "z" && command && !typing) return selectAction();
  else if (typing || ctrlKey || metaKey || altKey) return false;
  else if (key === "ArrowLeft" && open) picture.step(-1);
  else if (key === "ArrowRight" && open) picture.step(1);
  else if (key === "/" && !open) search.focus();
  else if (key === "?") toggleHelp();
  else return open && answerViewerKey(key);
  return true;
}

/**
 * Do what a key means while an image is open.
 * @param {string} key
 * @returns {boolean} whether it means anything
 */
function answerViewerKey(key) {
  if (key === "i") showPanel();
  else if (key === "f") toggleFullScreen();
  else if (key === "+" || key === "=") zoom.step(1);
  else if (key === "-") zoom.step(-1);
  else if (key === "0") zoom.reset();
  else if (key === "Delete" && mayWrite()) remove.click();
  else return false;
  return true;
}

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || modal.some((dialog) => dialog.open)) return;
  if (answerKey(event)) event.preventDefault();
});

addEventListener("beforeunload", (event) => {
  if (form.dirty() || uploads.left()) event.preventDefault();
});

history.scrollRestoration = "manual";
onChange(showAddress);
showAddress();
