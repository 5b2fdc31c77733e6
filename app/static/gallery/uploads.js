// Uploads: a queue of files, a few at a time, each with its line in the list of uploads.
import { authorization, login, Problem } from "../api.js";
import { find, make } from "../dom.js";
import { count } from "../format.js";
import { openImage } from "./address.js";
import { API, button, objectURL, sleep } from "./shared.js";
import { toast } from "./toasts.js";
import { wall } from "./wall.js";

const CONCURRENCY = 3;
const MAX_LINES = 100; // of successful uploads, and of waiting ones
const ATTEMPTS = 5; // while the service is busy
const PREVIEW = 160; // pixels
const RETRYABLE = [408, 429]; // client errors that a later attempt may not meet

const tray = find("#tray", HTMLElement);
const heading = find("#tray-title", HTMLElement);
const list = find("ul", HTMLUListElement, tray);
const retryAll = find("#again", HTMLButtonElement);
const cancelAll = find("#cancel-all", HTMLButtonElement);
const bar = find("#all", HTMLProgressElement);
const unfold = find("#unfold", HTMLButtonElement);
const use = find("#use", HTMLInputElement);

/** @typedef {import("./shared.js").ApiImage} ApiImage */

/** One file to upload, and its line in the list. */
class Upload {
  share = 0; // of the file that is sent
  #stop = new AbortController();
  #onCancel;
  #preview;
  /** @type {string | null} The ID of the image, if it is stored. */
  #id = null;
  #name;
  #bar;
  #result;
  /** @type {HTMLButtonElement | undefined} Retry, or cancel. */
  #button;

  /**
   * @param {File} file
   * @param {(upload: Upload) => unknown} cancel
   */
  constructor(file, cancel) {
    this.file = file;
    this.#onCancel = () => cancel(this);
    this.#preview = make("span", { class: "preview" });
    this.#showPreview(URL.createObjectURL(file), () => this.#showThumbnail());
    this.#bar = make("progress", { max: 1, value: 0, "aria-label": `Upload of ${file.name}` });
    this.#result = make("span", { class: "result faint", text: "Waiting" });
    this.#name = make("bdi", { class: "filename", text: file.name, title: file.name });
    this.line = make("li", {}, this.#preview, this.#name, this.#result, this.#bar);
    this.#setButton("Cancel", this.#onCancel);
  }

  get signal() {
    return this.#stop.signal;
  }

  /**
   * Show a picture in the line. If the browser cannot show it, show `instead`.
   * @param {string} url
   * @param {() => unknown} [instead]
   */
  #showPreview(url, instead) {
    const image = make("img", { alt: "", decoding: "async", loading: "lazy" });
    const revoke = () => URL.revokeObjectURL(url);
    image.addEventListener("load", revoke);
    image.addEventListener("error", () => {
      image.remove();
      revoke();
      instead?.();
    });
    image.src = url;
    this.#preview.replaceChildren(image);
  }

  cancel() {
    this.#stop.abort();
    this.line.remove();
  }

  /**
   * Show one button in the line, or none.
   * @param {string} [text]
   * @param {() => unknown} [onclick]
   */
  #setButton(text, onclick) {
    this.#button?.remove();
    if (!text || !onclick) return;
    this.#button = button(text, onclick, "plain");
    this.#button.setAttribute("aria-label", `${text} ${this.file.name}`);
    this.line.append(this.#button);
  }

  begin() {
    if (!this.line.parentElement) list.append(this.line);
    this.#bar.hidden = false;
  }

  wait() {
    this.share = 0;
    this.#setButton("Cancel", this.#onCancel);
    this.#result.className = "result faint";
    this.#result.textContent = "Waiting";
  }

  /** @param {number} share of the file that is sent, 0 to 1 */
  progress(share) {
    this.share = this.#bar.value = share;
    this.#result.textContent = share < 1 ? `${Math.floor(share * 100)} %` : "Checking…";
  }

  /** @param {string} text */
  show(text) {
    this.#result.textContent = text;
  }

  /**
   * @param {ApiImage} image
   * @param {boolean} isNew
   */
  succeed(image, isNew) {
    this.#bar.hidden = true;
    this.#setButton();
    /** @param {Event} event */
    const onclick = (event) => {
      event.preventDefault();
      openImage(image.id);
    };
    this.#result.textContent = isNew ? "New" : "Already here";
    this.#name.replaceChildren(make("a", { href: `?image=${image.id}`, text: this.file.name, onclick }));
    this.#id = image.id;
    if (!this.#preview.firstChild) this.#showThumbnail();
  }

  /** Show the service's own picture of the image, if the service has the image. */
  async #showThumbnail() {
    if (!this.#id) return;
    const url = await objectURL(`${API}/${this.#id}/thumbnail?size=${PREVIEW}`).catch(() => null);
    if (url) this.#showPreview(url);
  }

  /**
   * @param {Problem} problem
   * @param {(() => unknown) | null} retry
   */
  fail({ status, title, message }, retry) {
    this.#bar.hidden = true;
    this.#result.className = "result bad";
    this.#result.textContent = status && title && title !== message ? `${title}: ${message}` : message;
    list.prepend(this.line); // the user sees first what needs attention
    if (retry) this.#setButton("Retry", retry);
    else this.#setButton();
  }
}

class Uploads {
  /** @type {Upload[]} */
  #waiting = [];
  /** @type {Set<Upload>} */
  #running = new Set();
  #counts = { new: 0, existing: 0, rejected: 0, canceled: 0 };
  /** @type {Upload[]} Successful ones, oldest first. */
  #done = [];
  /** @type {Set<Upload>} Those to try again. */
  #failed = new Set();

  /** Return how many uploads have not ended. */
  left() {
    return this.#running.size + this.#waiting.length;
  }

  /** @param {File[]} files */
  add(files) {
    if (!files.length) return;
    if (tray.hidden && !this.left()) {
      this.#clear();
      setOpen(false);
    }
    tray.hidden = false;
    for (const file of files) {
      const upload = new Upload(file, (canceled) => this.#cancel([canceled]));
      if (this.#waiting.length < MAX_LINES) list.append(upload.line);
      this.#waiting.push(upload);
    }
    this.#start();
  }

  #clear() {
    this.#counts = { new: 0, existing: 0, rejected: 0, canceled: 0 };
    this.#failed.clear();
    this.#done = [];
    list.replaceChildren();
  }

  #start() {
    while (this.#running.size < CONCURRENCY) {
      const upload = this.#waiting.shift();
      if (!upload) break;
      this.#run(upload);
    }
    this.#showCounts();
  }

  /** @param {Upload} upload */
  async #run(upload) {
    this.#running.add(upload);
    upload.begin();
    for (let attempt = 1; ; attempt++) {
      try {
        const onProgress = (/** @type {number} */ share) => {
          upload.progress(share);
          this.#showBar();
        };
        const { image, isNew } = await send(upload.file, onProgress, upload.signal);
        this.#succeed(upload, image, isNew);
        break;
      } catch (error) {
        if (upload.signal.aborted) break;
        const problem = Problem.from(error);
        if (!problem.retryAfter || attempt === ATTEMPTS) {
          this.#fail(upload, problem);
          break;
        }
        upload.show(`${problem.message} Trying again…`);
        await sleep(problem.retryAfter);
        if (upload.signal.aborted) break;
      }
    }
    this.#running.delete(upload);
    this.#start();
    if (this.left() || !tray.hidden) return;
    if (await toast(heading.textContent ?? "", 8, "Show")) tray.hidden = false;
  }

  /**
   * @param {Upload} upload
   * @param {ApiImage} image
   * @param {boolean} isNew
   */
  #succeed(upload, image, isNew) {
    this.#counts[isNew ? "new" : "existing"]++;
    upload.succeed(image, isNew);
    this.#done.push(upload);
    if (this.#done.length > MAX_LINES) this.#done.shift()?.line.remove();
    if (isNew && !wall.query && wall.next !== "") wall.insert(image, 0);
  }

  /**
   * @param {Upload} upload
   * @param {Problem} problem
   */
  #fail(upload, problem) {
    const { status } = problem;
    setOpen(true);
    if (status >= 400 && status < 500 && !RETRYABLE.includes(status)) {
      this.#counts.rejected++;
      return upload.fail(problem, null);
    }
    this.#failed.add(upload);
    upload.fail(problem, () => {
      this.#retry([upload]);
      list.focus();
    });
  }

  /** @param {Upload[]} uploads */
  #retry(uploads) {
    for (const upload of uploads) {
      this.#failed.delete(upload);
      upload.wait();
      this.#waiting.push(upload);
    }
    this.#start();
  }

  retryAll() {
    this.#retry([...this.#failed]);
  }

  /** @param {Upload[]} uploads */
  #cancel(uploads) {
    this.#waiting = this.#waiting.filter((upload) => !uploads.includes(upload));
    this.#counts.canceled += uploads.length;
    for (const upload of uploads) {
      upload.cancel();
      this.#running.delete(upload);
    }
    list.focus();
    this.#start();
  }

  cancelAll() {
    this.#cancel([...this.#running, ...this.#waiting]);
  }

  #showBar() {
    const { new: added, existing, rejected, canceled } = this.#counts;
    const ended = added + existing + rejected + canceled + this.#failed.size;
    const left = this.left();
    bar.max = ended + left;
    bar.value = [...this.#running].reduce((sum, { share }) => sum + share, ended);
    bar.hidden = !left;
  }

  #showCounts() {
    const { new: added, existing, rejected, canceled } = this.#counts;
    const counts = { new: added, "already here": existing, rejected, failed: this.#failed.size, canceled };
    const results = Object.entries(counts).filter(([, number]) => number);
    const left = this.left();
    const text = results.map(([name, number]) => `${count(number)} ${name}`).join(", ");
    heading.textContent = [left ? `Uploading ${count(left)}` : "Uploads", text].filter(Boolean).join(": ");
    retryAll.hidden = this.#failed.size < 2;
    cancelAll.hidden = left < 2;
    this.#showBar();
  }
}

/**
 * Upload a file. fetch() does not tell how much of the body is sent, so this is an XMLHttpRequest.
 * @param {File} file
 * @param {(share: number) => void} onProgress
 * @param {AbortSignal} signal
 * @returns {Promise<{ image: ApiImage, isNew: boolean }>}
 */
async function send(file, onProgress, signal) {
  for (;;) {
    const token = sessionStorage.getItem("token");
    const request = new XMLHttpRequest();
    const body = new FormData();
    body.append("file", file);
    request.open("POST", use.checked ? `${API}?use=keywords,caption` : API);
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded, total }) => onProgress(loaded / total));
    await new Promise((done) => {
      request.addEventListener("loadend", done);
      signal.addEventListener("abort", () => request.abort());
      request.send(body);
    });
    signal.throwIfAborted();
    const { status, response } = request;
    if (status === 200 || status === 201) return { image: response, isNew: status === 201 };
    if (!status) throw new Problem(0, { detail: "The connection was lost, or the file cannot be read." });
    if (status !== 401) throw new Problem(status, response, request.getResponseHeader("Retry-After"));
    await login(token);
  }
}

/**
 * Show a line for each upload, or only the bar over all of them. A wide window has room for the lines.
 * @param {boolean} open
 */
function setOpen(open) {
  tray.classList.toggle("open", open);
  unfold.setAttribute("aria-expanded", String(open));
  unfold.setAttribute("aria-label", open ? "Hide the uploads" : "Show each upload");
}

export const uploads = new Uploads();

unfold.addEventListener("click", () => setOpen(!tray.classList.contains("open")));

use.checked = localStorage.getItem("use") !== "no";
use.addEventListener("change", () => localStorage.setItem("use", use.checked ? "yes" : "no"));

retryAll.addEventListener("click", () => {
  uploads.retryAll();
  list.focus();
});
cancelAll.addEventListener("click", () => uploads.cancelAll());
addEventListener("online", () => uploads.retryAll()); // the network is back
