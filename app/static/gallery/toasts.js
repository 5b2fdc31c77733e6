// Toasts: short messages at the foot of the page.
import { find, make } from "../dom.js";

const toasts = find("#toasts", HTMLElement);

/**
 * Show a message for some seconds. While the pointer or the focus is in it, it stays.
 * @param {string} message
 * @param {number} [seconds]
 * @param {string} [action] the label of a button
 * @returns {Promise<boolean>} true if the user selects the button, false when the message disappears
 */
export function toast(message, seconds = 5, action) {
  return new Promise((done) => {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const stop = () => clearTimeout(timer);
    const start = () => {
      stop();
      timer = setTimeout(end, seconds * 1000, false);
    };
    /** @param {boolean} selected */
    const end = (selected) => {
      stop();
      element.remove();
      done(selected);
    };
    const events = { onmouseenter: stop, onmouseleave: start, onfocusin: stop, onfocusout: start };
    const element = make("div", { class: "toast", ...events }, make("span", { text: message, dir: "auto" }));
    if (action) element.append(make("button", { type: "button", text: action, onclick: () => end(true) }));
    toasts.append(element);
    start();
  });
}

/** Select the button of the newest message. Return false if it has none. */
export function selectAction() {
  const button = toasts.lastElementChild?.querySelector("button");
  button?.click();
  return Boolean(button);
}

// An open dialog makes the rest of the page inert, so the messages move into it.
new MutationObserver(() => {
  const place = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
  if (toasts.parentElement !== place) place.append(toasts);
}).observe(document.body, { subtree: true, attributeFilter: ["open"] });
