// The form of the open image: its title, description and tags, what the user changed, and the message above it.
import { find, make } from "../dom.js";
import { showPanel } from "./panel.js";
import { chip, equal } from "./shared.js";
import { hasTag, suggestTags } from "./tags.js";

/** @typedef {import("./shared.js").ApiImage} ApiImage */
/** @typedef {{ title: string, description: string, tags: string[] }} Values */

/** @type {(keyof Values)[]} */
export const FIELDS = ["title", "description", "tags"];

const edit = find("#edit", HTMLFormElement);
const fieldset = find("#fields", HTMLFieldSetElement);
const title = find("[name=title]", HTMLInputElement, edit);
const description = find("[name=description]", HTMLTextAreaElement, edit);
const tag = find("#tag", HTMLInputElement);
const tagList = find("#tags", HTMLUListElement);
const save = find("#save", HTMLButtonElement);
const discard = find("#discard", HTMLButtonElement);
const saved = find("#saved", HTMLElement);
const note = find("#note", HTMLElement);

/**
 * Show a message above the form, or remove it. The first button or field in it gets the focus.
 * @param {string} [text]
 * @param {"" | "bad" | "care"} [kind]
 * @param {...Node} children
 */
export function showNote(text = "", kind = "", ...children) {
  note.className = `note ${kind}`;
  note.replaceChildren(...(text ? [text] : []), ...children);
  note.hidden = !text && !children.length;
  if (note.hidden) return;
  showPanel(true);
  note.scrollIntoView({ block: "nearest" });
  const focusable = note.querySelector("button, input");
  if (focusable instanceof HTMLElement) focusable.focus({ preventScroll: true });
}

class Form {
  /** @type {Values | null} What the form was filled with. */
  base = null;

  /** @type {string[]} */
  #tags = [];

  /**
   * Return an image's values as the controls hold them: a text field has no line breaks, a text area only "\n".
   * @param {ApiImage} image
   * @returns {Values}
   */
  valuesOf(image) {
    const [title, description] = [image.title, image.description].map((text) => (text ?? "").replace(/\r\n?/g, "\n"));
    return { title: title.replaceAll("\n", ""), description, tags: image.tags };
  }

  /** @returns {Values} */
  values() {
    return { title: title.value, description: description.value, tags: this.#tags };
  }

  /**
   * @param {Values} values
   * @param {(keyof Values)[]} [fields]
   */
  set(values, fields = FIELDS) {
    if (fields.includes("title")) title.value = values.title;
    if (fields.includes("description")) description.value = values.description;
    if (fields.includes("tags")) this.#setTags(values.tags);
    this.changed();
  }

  /**
   * Fill the form with an image.
   * @param {ApiImage} image
   */
  fill(image) {
    tag.value = "";
    this.base = this.valuesOf(image);
    this.set(this.base);
  }

  /**
   * Fill the fields that the user did not change.
   * @param {ApiImage} image
   * @param {Values} base what they are compared with
   */
  refill(image, base) {
    const values = this.values();
    this.base = this.valuesOf(image);
    this.set(
      this.base,
      FIELDS.filter((name) => equal(values[name], base[name])),
    );
  }

  clear() {
    this.base = null;
    saved.textContent = "";
    this.changed();
  }

  enable(enabled = true) {
    fieldset.disabled = !enabled;
  }

  /** @param {keyof Values} [field] */
  focus(field = "title") {
    showPanel(true);
    ({ title, description, tags: tag })[field].focus();
  }

  /** @param {string[]} tags */
  #setTags(tags) {
    this.#tags = tags;
    /** @param {string} removed */
    const remove = (removed) => {
      this.#setTags(this.#tags.filter((tag) => tag !== removed));
      this.changed();
      tag.focus();
    };
    const chips = tags.map((tag) => chip(tag, `Remove the tag ${tag}`, () => remove(tag)));
    tagList.replaceChildren(...chips.map((chip) => make("li", {}, chip)));
  }

  /** @param {string} tag */
  addTag(tag) {
    if (!hasTag(this.#tags, tag)) this.#setTags([...this.#tags, tag]);
    this.changed();
  }

  removeLastTag() {
    this.#setTags(this.#tags.slice(0, -1));
    this.changed();
  }

  /** Make a tag of the text in the tag field. */
  takeTypedTag() {
    const typed = tag.value.trim();
    tag.value = "";
    if (typed) this.addTag(typed);
  }

  /**
   * Return the user's changes, as the API takes them (JSON Merge Patch, RFC 7396).
   * @returns {Partial<Record<keyof Values, string | string[] | null>>}
   */
  patch() {
    const { base } = this;
    if (!base) return {};
    const values = this.values();
    const changed = FIELDS.filter((name) => !equal(values[name], base[name]));
    return Object.fromEntries(changed.map((name) => [name, values[name] === "" ? null : values[name]]));
  }

  dirty() {
    return this.base !== null && (tag.value.trim() !== "" || Object.keys(this.patch()).length > 0);
  }

  /** Show whether there is something to save. */
  changed() {
    const dirty = this.dirty();
    save.disabled = !dirty;
    discard.hidden = !dirty;
    if (dirty) saved.textContent = "";
  }

  saving() {
    save.disabled = true;
  }

  saved() {
    saved.textContent = "Saved";
  }
}

export const form = new Form();

edit.addEventListener("input", () => form.changed());
suggestTags(tag, (tag) => form.addTag(tag));
tag.addEventListener("keydown", (event) => {
  if (event.key === "Backspace" && !tag.value) form.removeLastTag();
});
