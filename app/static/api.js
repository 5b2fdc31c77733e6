// Requests to the API with the tab's access token, and the dialog that asks for the token.
import { find } from "./dom.js";

/** @typedef {{ detail: string, pointer?: string, parameter?: string }} FieldError */
/** @typedef {{ type?: string, title?: string, detail?: string, errors?: FieldError[] }} ProblemBody */

/** An answer that is no success: problem+json (RFC 9457). Status 0: the service did not answer. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {ProblemBody | null} [body]
   * @param {string | null} [retryAfter] the header Retry-After: seconds
   */
  constructor(status, body, retryAfter) {
    const errors = body?.errors ?? [];
    const fields = errors.map((error) => `${error.pointer?.slice(1) ?? error.parameter ?? ""} ${error.detail}`);
    const sentences = [body?.detail, ...fields].filter(Boolean).join("; ");
    super(sentences || body?.title || `The service answered with status ${status}.`);
    this.status = status;
    this.kind = body?.type?.split("/").at(-1); // such as no-thumbnail
    this.title = body?.title;
    this.retryAfter = Number(retryAfter) || 0;
  }

  /**
   * Return an error as a Problem. If an answer breaks off, the browser throws an error of its own.
   * @param {unknown} error
   */
  static from(error) {
    if (error instanceof Problem) return error;
    return new Problem(0, { detail: error instanceof Error ? error.message : String(error) });
  }
}

const UNREACHABLE = { detail: "The service cannot be reached. Check your network connection." };
const dialog = find("#token", HTMLDialogElement);
const form = find("form", HTMLFormElement, dialog);
const input = find("input", HTMLInputElement, form);
const message = find("[role=alert]", HTMLElement, form);

/** @type {Promise<void> | undefined} While the dialog is open, all requests wait for this one token. */
let asking;
/** @type {() => void} */
let answered = () => {};

/** @returns {Record<string, string>} */
export function authorization() {
  const token = sessionStorage.getItem("token");
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/**
 * Ask for a token. Return when the tab has another token than the rejected one.
 * @param {string | null} rejected
 */
export async function login(rejected) {
  if (rejected !== sessionStorage.getItem("token")) return;
  asking ??= new Promise((done) => {
    answered = done;
    message.textContent = rejected ? "The token is unknown or revoked. Enter another token." : "";
    form.reset();
    dialog.showModal();
  });
  await asking;
}

form.addEventListener("submit", () => {
  sessionStorage.setItem("token", input.value.trim());
  asking = undefined;
  answered();
  dispatchEvent(new Event("token")); // the tab has another token
});
dialog.addEventListener("keydown", (event) => event.key === "Escape" && event.preventDefault());
// A browser can close a dialog without the Escape key, for example with Android's back gesture.
dialog.addEventListener("close", () => asking && dialog.showModal());

/**
 * Send a request. Return the answer if its status is 2xx, and throw a Problem otherwise.
 * If the service rejects the token, ask for another one and send the request again.
 * @param {string} url
 * @param {RequestInit & { headers?: Record<string, string> }} [options]
 * @returns {Promise<Response>}
 */
export async function ask(url, { headers, ...options } = {}) {
  for (;;) {
    const token = sessionStorage.getItem("token");
    let response;
    try {
      response = await fetch(url, { ...options, headers: { ...headers, ...authorization() } });
    } catch (error) {
      throw error instanceof DOMException && error.name === "AbortError" ? error : new Problem(0, UNREACHABLE);
    }
    if (response.ok) return response;
    if (response.status !== 401) {
      const body = await response.json().catch(() => null);
      throw new Problem(response.status, body, response.headers.get("Retry-After"));
    }
    await login(token);
  }
}
