// The open image: a dialog with the picture, its facts and the form. Opens, steps, saves, merges edits, closes.
import { ask, Problem } from "../api.js";
import { find, make } from "../dom.js";
import { bytes, moment } from "../format.js";
import { filters, go, openImage } from "./address.js";
import { FIELDS, form, showNote } from "./form.js";
import { API, button, entityTag, equal, nameOf, objectURL, terms } from "./shared.js";
import { toast } from "./toasts.js";
import { wall } from "./wall.js";
import { zoom } from "./zoom.js";

const THUMBNAIL = 1280; // pixels
const LARGEST_THUMBNAIL = 2560; // pixels, for types that browsers do not show
const LARGE = 16_000_000; // bytes: of a larger file only the thumbnail is shown
const ANIMATED = ["image/gif", "image/webp"]; // they may move
const SHOWN = [...ANIMATED, "image/jpeg", "image/png", "image/avif", "image/bmp"];
// Only few PNG and AVIF move. Their first bytes say so: the chunk acTL, or the brand avis.
const ANIMATION_MARKS = new Map([
  ["image/png", "acTL"],
  ["image/avif", "avis"],
]);
const ATTEMPTS = 3;
const LOAD_AHEAD = 10; // images before the end of those that are loaded
const SWIPE = 60; // pixels

const dialog = find("#picture", HTMLDialogElement);
const full = find("#full", HTMLImageElement);
const title = find("#picture-title", HTMLElement);
const facts = find("#facts", HTMLElement);
const missing = find("#missing", HTMLElement);
const whole = find("#whole", HTMLButtonElement);
const previous = find("#previous", HTMLButtonElement);
const next = find("#next", HTMLButtonElement);
const close = find("#close", HTMLButtonElement);
const actions = [find("#download", HTMLButtonElement), find("#delete", HTMLButtonElement)];

/** @typedef {import("./shared.js").ApiImage} ApiImage */
/** @typedef {import("./form.js").Values} Values */

/** Show the open image and the filters in the window's title. */
export function showWindowTitle() {
  const parameters = filters();
  const view = [parameters.get("q"), ...parameters.getAll("tag")].filter(Boolean).join(", ");
  document.title = [picture.image && nameOf(picture.image), view, "Images"].filter(Boolean).join(" · ");
}

/** @param {string} id */
const thumbnail = (id) => `${API}/${id}/thumbnail?size=${THUMBNAIL}`;

class Picture {
  /** @type {string | null} The ID of the open image. */
  id = null;
  /** @type {ApiImage | null} */
  image = null;
  /** @type {string | null} */
  entityTag = null;

  #requests = new AbortController(); // aborted when another image is opened
  /** @type {string | null} */
  #url = null;

  /** @param {string} id */
  async open(id) {
    this.#requests.abort();
    this.#requests = new AbortController();
    const { signal } = this.#requests;
    Object.assign(this, { id, image: null, entityTag: null });
    const known = wall.images[wall.indexOf(id)];
    showNote();
    this.#showMissing();
    zoom.reset();
    form.clear();
    this.#enable(false);
    title.textContent = known ? nameOf(known) : "";
    if (!dialog.open) dialog.showModal();
    this.#showSteps();
    full.removeAttribute("src");
    full.alt = "";
    const preview = known && this.#preview(known, signal);
    try {
      const response = await ask(`${API}/${id}`, { signal });
      /** @type {ApiImage} */
      const image = await response.json();
      this.entityTag = entityTag(response);
      form.fill(image);
      this.#show(image);
      this.#enable(true);
      wall.update(image);
      await (preview ?? this.#preview(image, signal));
      await this.#sharpen(image, signal);
    } catch (error) {
      if (signal.aborted) return;
      facts.replaceChildren();
      const { status, message } = Problem.from(error);
      if (status === 404 || status === 405) {
        return this.#showMissing(
          "This image does not exist, or it was deleted.",
          button("Back to the images", () => this.leave()),
        );
      }
      showNote(
        message,
        "bad",
        make(
          "div",
          { class: "row" },
          button("Try again", () => this.open(id)),
        ),
      );
    }
  }

  /** @param {boolean} enabled */
  #enable(enabled) {
    form.enable(enabled);
    for (const action of actions) action.disabled = !enabled;
  }

  /**
   * Show the thumbnail: first the one that the wall has, then the largest.
   * @param {{ id: string, width: number, height: number }} image
   * @param {AbortSignal} signal
   */
  async #preview(image, signal) {
    full.style.maxWidth = `${image.width}px`;
    full.style.maxHeight = `${image.height}px`;
    const url = wall.tiles.get(image.id)?.url;
    if (url) full.src = url;
    try {
      await this.#draw(thumbnail(image.id), signal);
      const following = wall.images[wall.indexOf(image.id) + 1];
      if (following) await (await ask(thumbnail(following.id), { signal })).blob(); // into the browser's cache
    } catch (error) {
      if (signal.aborted || full.src) return;
      const { status, message } = Problem.from(error);
      if (status === 404) {
        const download = button("Download the original", () => actions[0].click());
        this.#showMissing("This image has no preview.", download);
      } else this.#showMissing(message);
    }
  }

  /**
   * Show a message in the place of the picture, or remove it.
   * @param {string} [text]
   * @param {...Node} children
   */
  #showMissing(text = "", ...children) {
    missing.hidden = !text;
    missing.replaceChildren(...(text ? [make("p", { text })] : []), ...children);
  }

  /**
   * Show the image itself if it is animated, or if the window shows more pixels than the thumbnail has. If
   * browsers do not show its type, show the largest thumbnail.
   * @param {ApiImage} image
   * @param {AbortSignal} signal
   */
  async #sharpen({ id, content_type, byte_size, width, height }, signal) {
    const shown = devicePixelRatio * full.clientWidth * zoom.scale;
    const larger = Math.max(width, height) > THUMBNAIL && shown > THUMBNAIL;
    const isShown = SHOWN.includes(content_type) && byte_size <= LARGE;
    if (!larger && !(isShown && (await this.#moves(id, content_type, signal)))) return;
    const path = isShown ? "content" : `thumbnail?size=${LARGEST_THUMBNAIL}`;
    await this.#draw(`${API}/${id}/${path}`, signal, width > height).catch(() => {}); // the thumbnail stays
  }

  /**
   * Return whether an image may be animated.
   * @param {string} id
   * @param {string} type
   * @param {AbortSignal} signal
   */
  async #moves(id, type, signal) {
    const mark = ANIMATION_MARKS.get(type);
    if (!mark) return ANIMATED.includes(type);
    const headers = { Range: "bytes=0-1023" };
    const response = await ask(`${API}/${id}/content`, { headers, signal }).catch(() => null);
    return response?.status === 206 && (await response.text()).includes(mark);
  }

  /** Show more detail if the image is zoomed. */
  async refine() {
    if (this.image) await this.#sharpen(this.image, this.#requests.signal);
  }

  /**
   * Show what the path has. If `isWide` is given and wrong, show nothing: browsers do not turn a WebP by its EXIF.
   * @param {string} path
   * @param {AbortSignal} signal
   * @param {boolean} [isWide]
   */
  async #draw(path, signal, isWide) {
    const url = await objectURL(path, signal, ATTEMPTS);
    const image = new Image();
    image.src = url;
    await image.decode().catch(() => {});
    const isTurned = isWide !== undefined && isWide !== image.naturalWidth > image.naturalHeight;
    if (signal.aborted || !image.naturalWidth || isTurned) return URL.revokeObjectURL(url);
    full.src = url;
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = url;
  }

  /** @param {ApiImage} image */
  #show(image) {
    this.image = image;
    title.textContent = nameOf(image);
    full.alt = image.description || nameOf(image);
    /** @type {Record<string, Node | string>} */
    const values = {
      "File name": image.filename,
      Type: image.content_type.replace("image/", "").toUpperCase(),
      Size: `${image.width} × ${image.height}, ${bytes(image.byte_size)}`,
      Stored: moment(image.created_at),
      Changed: moment(image.updated_at),
      "SHA-256": make("code", { text: image.sha256 }),
    };
    if (Object.keys(image.attributes).length) {
      values.Attributes = make("pre", { text: JSON.stringify(image.attributes, null, 2) });
    }
    facts.replaceChildren(...terms(values));
    showWindowTitle();
  }

  #showSteps() {
    const index = wall.indexOf(this.id);
    previous.hidden = index < 1;
    next.hidden = index < 0 || index === wall.images.length - 1;
    if (index > wall.images.length - LOAD_AHEAD) wall.load();
  }

  /**
   * Open the previous or the next image of the wall.
   * @param {1 | -1} step
   */
  async step(step) {
    const index = wall.indexOf(this.id);
    const other = wall.images[index + step];
    if (index < 0 || !other || !(await this.mayLeave())) return;
    openImage(other.id, { replace: true });
    if (!dialog.contains(document.activeElement)) close.focus(); // at the end, the button that had the focus is hidden
  }

  discard() {
    if (this.image) form.fill(this.image);
    showNote();
  }

  /**
   * Save the user's changes.
   * @returns {Promise<boolean>} whether they are saved
   */
  async save() {
    form.takeTypedTag();
    const [id, patch, sent] = [this.id, form.patch(), form.values()];
    if (!id || !Object.keys(patch).length) return true;
    form.saving();
    try {
      const headers = { "Content-Type": "application/merge-patch+json", "If-Match": this.entityTag ?? "*" };
      const response = await ask(`${API}/${id}`, { method: "PATCH", headers, body: JSON.stringify(patch) });
      /** @type {ApiImage} */
      const image = await response.json();
      wall.update(image);
      if (this.id !== id) return true;
      this.entityTag = entityTag(response);
      form.refill(image, sent); // later input of the user stays
      this.#show(image);
      showNote();
      form.saved();
      return true;
    } catch (error) {
      const problem = Problem.from(error);
      if (this.id === id && problem.status === 412) {
        return this.#merge(id).catch((error) => this.#showUnsaved(Problem.from(error)));
      }
      if (this.id === id) return this.#showUnsaved(problem);
      toast(`Your changes were not saved. ${problem.message}`);
      return false;
    }
  }

  /** @param {Problem} problem */
  #showUnsaved({ status, message }) {
    const reason = status === 404 ? "Another user deleted this image." : message;
    showNote(`Your changes were not saved. ${reason}`, "bad");
    form.changed();
    return false;
  }

  /**
   * Merge the user's changes with those that another user saved first. Save them if both changed different fields.
   * @param {string} id
   * @returns {Promise<boolean>} whether they are saved
   */
  async #merge(id) {
    const response = await ask(`${API}/${id}`);
    /** @type {ApiImage} */
    const image = await response.json();
    const { base } = form;
    if (this.id !== id || !base) return false;
    const [theirs, mine, patch] = [form.valuesOf(image), form.values(), form.patch()];
    const changed = FIELDS.filter((name) => !equal(base[name], theirs[name]));
    const both = changed.filter((name) => name in patch && !equal(mine[name], theirs[name]));
    this.entityTag = entityTag(response);
    form.refill(image, base);
    this.#show(image);
    wall.update(image);
    if (both.length) return this.#showConflict(both, theirs, mine);
    const saved = await this.save();
    const fields = changed.join(", ");
    if (saved && fields) showNote(`Another user also changed this image (${fields}). Both changes are saved.`);
    return saved;
  }

  /**
   * @param {(keyof Values)[]} fields that both users changed
   * @param {Values} theirs
   * @param {Values} mine
   */
  #showConflict(fields, theirs, mine) {
    /** @param {string | string[]} value */
    const text = (value) => (Array.isArray(value) ? value.join(", ") : value) || "(empty)";
    const takeTheirs = () => {
      form.set(theirs, fields);
      showNote();
      form.focus(fields[0]);
    };
    const values = fields.map((name) => {
      const pair = { [`Their ${name}`]: text(theirs[name]), [`Your ${name}`]: text(mine[name]) };
      return make("dl", { class: "theirs" }, ...terms(pair));
    });
    const buttons = [button("Keep yours", () => this.save(), "primary"), button("Use theirs", takeTheirs)];
    const heading = "Another user changed this image. Your changes are not saved yet.";
    showNote("", "care", make("strong", { text: heading }), ...values, make("div", { class: "row" }, ...buttons));
    return false;
  }

  /**
   * If there are unsaved changes, ask the user to save or discard them.
   * @returns {Promise<boolean>} false if the user keeps editing
   */
  async mayLeave() {
    if (!form.dirty()) return true;
    return new Promise((done) => {
      /** @param {boolean} value */
      const answer = (value) => {
        showNote();
        done(value);
      };
      const save = async () => (await this.save()) && answer(true);
      const discard = () => {
        this.discard();
        answer(true);
      };
      const keep = () => {
        answer(false);
        form.focus();
      };
      const buttons = [
        button("Save", save, "primary"),
        button("Discard", discard),
        button("Keep editing", keep, "plain"),
      ];
      const heading = make("strong", { text: "You have unsaved changes." });
      showNote("", "care", heading, make("div", { class: "row" }, ...buttons));
    });
  }

  /** Close the image and go back to the wall, unless the user keeps editing. */
  async leave() {
    if (!(await this.mayLeave()) || !this.id) return;
    this.close();
    if (history.state?.opened) history.back();
    else go((to) => to.delete("image"), { replace: true });
  }

  close() {
    if (!this.id) return;
    this.#requests.abort();
    const index = wall.indexOf(this.id);
    Object.assign(this, { id: null, image: null });
    form.clear();
    dialog.close();
    if (document.fullscreenElement) document.exitFullscreen();
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = null;
    full.removeAttribute("src");
    facts.replaceChildren();
    showWindowTitle();
    if (index >= 0) wall.focus(index);
  }
}

export const picture = new Picture();
zoom.onLarger = () => picture.refine();

/** Show the open image on the whole screen, or in the window again. */
export function toggleFullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else dialog.requestFullscreen().catch(() => toast("This browser does not allow full screen."));
}

whole.addEventListener("click", toggleFullScreen);
document.addEventListener("fullscreenchange", () => {
  whole.setAttribute("aria-pressed", String(document.fullscreenElement !== null));
});

dialog.addEventListener("cancel", (event) => {
  event.preventDefault();
  picture.leave();
});
// A browser closes the dialog at the second try, even if the first one was prevented.
dialog.addEventListener("close", () => picture.id && dialog.showModal());
close.addEventListener("click", () => picture.leave());
previous.addEventListener("click", () => picture.step(-1));
next.addEventListener("click", () => picture.step(1));

/** @type {number | null} Where a touch with one finger began, in pixels. */
let touchStart = null;
full.addEventListener(
  "touchstart",
  ({ touches }) => {
    touchStart = touches.length === 1 ? touches[0].clientX : null;
  },
  { passive: true },
);
full.addEventListener("touchend", ({ changedTouches }) => {
  if (touchStart === null || visualViewport?.scale !== 1 || zoom.scale > 1) return;
  const distance = changedTouches[0].clientX - touchStart;
  if (Math.abs(distance) > SWIPE) picture.step(distance < 0 ? 1 : -1);
});

find("#edit", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  picture.save();
});
find("#discard", HTMLButtonElement).addEventListener("click", () => {
  picture.discard();
  form.focus();
});
