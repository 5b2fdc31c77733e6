// What both pages share: to ask the API, with the tab's token where it wants one.

export class Problem extends Error {
  constructor(status, body, headers) {
    const fields = (body?.errors ?? []).map((error) => `${error.pointer?.slice(1) ?? error.parameter ?? ""} ${error.detail}`);
    super([body?.detail, ...fields].filter(Boolean).join("; ") || body?.title || `The service answered ${status}.`);
    this.status = status;
    this.title = body?.title;
    this.errors = body?.errors ?? [];
    this.retryAfter = Number(headers?.get("Retry-After")) || 0;
  }
}

const UNREACHABLE = { detail: "The service cannot be reached." };
const dialog = document.getElementById("token");
const form = dialog.querySelector("form");
let asking; // while the dialog is open: for everybody who needs a token
let entered; // ends it

export function authorization() {
  const token = sessionStorage.getItem("token");
  return token ? { Authorization: `Bearer ${token}` } : {};
}

// Returns once there is another token than the one that was refused.
export async function login(refused) {
  if (refused !== sessionStorage.getItem("token")) return;
  asking ??= new Promise((done) => {
    entered = done;
    form.querySelector("[role=alert]").textContent = refused ? "That token is not in force, or not any more." : "";
    form.reset();
    dialog.showModal();
  });
  await asking;
}

form.addEventListener("submit", () => {
  sessionStorage.setItem("token", form.elements.token.value.trim());
  asking = undefined;
  entered();
});
dialog.addEventListener("keydown", (event) => event.key === "Escape" && event.preventDefault());
dialog.addEventListener("close", () => asking && dialog.showModal()); // by another way back than Esc

// The answer; for all but 2xx a Problem is thrown. A 401 is asked again, with another token.
export async function ask(url, { headers, ...options } = {}) {
  for (;;) {
    const token = sessionStorage.getItem("token");
    let response;
    try {
      response = await fetch(url, { ...options, headers: { ...headers, ...authorization() } });
    } catch (error) {
      throw error.name === "AbortError" ? error : new Problem(0, UNREACHABLE);
    }
    if (response.ok) return response;
    if (response.status !== 401) throw new Problem(response.status, await response.json().catch(() => null), response.headers);
    await login(token);
  }
}

// An element with attributes (or properties, as "text" and "onclick"), and what is in it.
export function make(tag, attributes = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true || value === false) element.toggleAttribute(name, value);
    else if (value != null) element.setAttribute(name, value);
  }
  element.append(...inside.filter((one) => one != null));
  return element;
}

export const bytes = (count) => {
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  let unit = 0;
  for (; count >= 1000 && unit < 4; unit++) count /= 1000;
  return `${count.toLocaleString(undefined, { maximumSignificantDigits: unit ? 3 : 21 })} ${units[unit]}`;
};

export const moment = (text) => new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

// A message at the foot of the page, for some seconds; with an action, which is not gone while one is at it.
// Returns whether the action was taken.
export function toast(message, seconds = 5, action) {
  return new Promise((done) => {
    const end = (how) => {
      stop();
      element.remove();
      done(how);
    };
    let timer;
    const stop = () => clearTimeout(timer);
    const start = () => (stop(), (timer = setTimeout(end, seconds * 1000, false)));
    const element = make("div", { class: "toast", onmouseenter: stop, onmouseleave: start, onfocusin: stop, onfocusout: start });
    element.append(make("span", { text: message, dir: "auto" }));
    if (action) element.append(make("button", { type: "button", text: action, onclick: () => end(true) }));
    document.getElementById("toasts").append(element);
    start();
  });
}

// Within the uppermost dialog: all else is out of reach while one is open.
const lift = () => {
  const toasts = document.getElementById("toasts");
  const place = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
  if (toasts && toasts.parentElement !== place) place.append(toasts);
};
new MutationObserver(lift).observe(document.body, { subtree: true, attributeFilter: ["open"] });
