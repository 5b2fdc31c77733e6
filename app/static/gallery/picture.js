// The open image: a dialog with the picture, its facts and the form. Opens, steps, saves, merges edits, closes.
import { ask, Problem } from "../api.js";
import { find, make } from "../dom.js";
import { bytes, moment, unturned } from "../format.js";
import { filters, go, openImage } from "./address.js";
import { captured } from "./capture.js";
import { FIELDS, form, showNote } from "./form.js";
import { gestures } from "./gestures.js";
import { API, button, entityTag, equal, isolatedName, nameOf, terms } from "./shared.js";
import { toast } from "./toasts.js";
import { view } from "./view.js";
import { wall } from "./wall.js";
import { zoom } from "./zoom.js";

const LOAD_AHEAD = 10; // images before the end of those that are loaded

const dialog = find("#picture", HTMLDialogElement);
const title = find("#picture-title", HTMLElement);
const facts = find("#facts", HTMLElement);
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
  document.title = [picture.image && isolatedName(picture.image), unturned(view), "Images"].filter(Boolean).join(" · ");
}

class Picture {
  /** @type {string | null} The ID of the open image. */
  id = null;
  /** @type {ApiImage | null} */
  image = null;
  /** @type {string | null} */
  entityTag = null;

  #requests = new AbortController(); // aborted when another image is opened
  /** @param {string} id */
  async open(id) {
    this.#requests.abort();
    this.#requests = new AbortController();
    const { signal } = this.#requests;
    Object.assign(this, { id, image: null, entityTag: null });
    const known = wall.images[wall.indexOf(id)];
    showNote();
    view.clear();
    form.clear();
    this.#enable(false);
    title.textContent = known ? nameOf(known) : "";
    if (!dialog.open) dialog.showModal();
    this.#showSteps();
    const preview = known && view.preview(known, signal);
    try {
      const response = await ask(`${API}/${id}`, { signal });
      /** @type {ApiImage} */
      const image = await response.json();
      this.entityTag = entityTag(response);
      form.fill(image);
      this.#show(image);
      this.#enable(true);
      wall.update(image);
      await (preview ?? view.preview(image, signal));
      await view.sharpen(image, signal);
    } catch (error) {
      if (signal.aborted) return;
      facts.replaceChildren();
      const { status, message } = Problem.from(error);
      if (status === 404 || status === 405) {
        return view.showMissing(
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

  /** @param {ApiImage} image */
  #show(image) {
    this.image = image;
    title.textContent = nameOf(image);
    view.describe(image.description || nameOf(image));
    const { Taken, ...others } = captured(image.capture, image.location);
    /** @type {Record<string, Node | string>} */
    const values = {
      ...(Taken && { Taken }),
      "File name": unturned(image.filename),
      Type: image.content_type.replace("image/", "").toUpperCase(),
      Size: `${image.width} × ${image.height}, ${bytes(image.byte_size)}`,
      Stored: moment(image.created_at),
      Changed: moment(image.updated_at),
      ...others,
      "SHA-256": make("code", { text: image.sha256 }),
    };
    if (Object.keys(image.attributes).length) {
      values.Attributes = make("pre", { text: JSON.stringify(image.attributes, null, 2) });
    }
    const texts = { Title: image.title ?? "", Description: image.description ?? "", Tags: image.tags.join(", ") };
    const written = Object.fromEntries(Object.entries(texts).filter(([, text]) => text));
    facts.replaceChildren(...terms(written, "no-change"), ...terms(values)); // those who may change them have the form
    showWindowTitle();
  }

  /** Show more detail if the image is zoomed. */
  async refine() {
    if (this.image) await view.refine(this.image, this.#requests.signal);
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
    view.clear();
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

gestures.swipe = (step) => picture.step(step);

find("#rename", HTMLButtonElement).addEventListener("click", () => form.focus());
find("#edit", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  picture.save();
});
find("#discard", HTMLButtonElement).addEventListener("click", () => {
  picture.discard();
  form.focus();
});
