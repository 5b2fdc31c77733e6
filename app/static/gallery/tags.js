// Tag suggestions: a combobox of the tags in use, each with the number of its images.
import { ask } from "../api.js";
import { closest, find, make } from "../dom.js";
import { count } from "../format.js";

const TYPING_PAUSE = 120; // milliseconds
const SUGGESTIONS = 12;

const END = /[,，、]/; // of a tag in a text field, in the scripts that have a comma

/** @typedef {{ tag: string, images: number, estimated: boolean }} Tag */

/** @param {string} tag */
const folded = (tag) => tag.normalize("NFKC").toUpperCase().toLowerCase();

/**
 * Return whether a tag is among the tags, as the service compares them: in any case and in any Unicode form.
 * @param {string[]} tags
 * @param {string} tag
 */
export const hasTag = (tags, tag) => tags.some((other) => folded(other) === folded(tag));

/**
 * Make a text field suggest tags. Call `choose` with each tag that the user selects or types. Enter, a comma, and the
 * button beside the field end a typed tag.
 * @param {HTMLInputElement} input
 * @param {(tag: string) => unknown} choose
 */
export function suggestTags(input, choose) {
  const attributes = { role: "listbox", "aria-label": "Tags", class: "known", hidden: true };
  const list = make("ul", { id: `${input.id}-known`, ...attributes });
  input.after(list);
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-expanded", "false");
  input.setAttribute("aria-controls", list.id);

  const add = find("button", HTMLButtonElement, input.parentElement ?? document);

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {HTMLLIElement[]} */
  let options = [];
  let marked = -1;

  /** @param {number} index */
  const mark = (index) => {
    options[marked]?.setAttribute("aria-selected", "false");
    marked = index;
    const option = options[marked];
    if (!option) return input.removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", option.id);
  };

  /** @param {Tag[]} tags */
  const show = (tags) => {
    clearTimeout(timer);
    marked = -1;
    options = tags.map(({ tag, images, estimated }, index) => {
      const text = `${estimated ? "≈ " : ""}${count(images)}`;
      const attributes = { role: "option", id: `${list.id}-${index}`, "data-tag": tag, "aria-selected": "false" };
      return make("li", attributes, make("bdi", { text: tag }), make("span", { class: "faint", text }));
    });
    list.replaceChildren(...options);
    list.hidden = !tags.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    mark(-1);
  };

  const load = async () => {
    const prefix = input.value.trim();
    try {
      const query = new URLSearchParams({ prefix, limit: String(SUGGESTIONS) });
      /** @type {{ tags: Tag[] }} */
      const { tags } = await (await ask(`v1/tags?${query}`)).json();
      if (document.activeElement === input && input.value.trim() === prefix) show(tags);
    } catch {
      show([]); // the field works without suggestions
    }
  };

  /**
   * @param {string[]} tags
   * @param {string} [rest] stays in the field
   */
  const take = (tags, rest = "") => {
    input.value = rest;
    show([]);
    for (const tag of tags) if (tag) choose(tag);
  };

  /** @param {Event} event */
  const read = (event) => {
    const parts = input.value.split(END);
    const isComposing = event instanceof InputEvent && event.isComposing;
    if (parts.length > 1 && !isComposing)
      take(
        parts.slice(0, -1).map((part) => part.trim()),
        parts.at(-1)?.trimStart(),
      );
    clearTimeout(timer);
    timer = setTimeout(load, TYPING_PAUSE);
  };

  input.addEventListener("input", read);
  input.addEventListener("compositionend", read);
  input.addEventListener("blur", () => show([]));
  input.addEventListener("keydown", (event) => {
    const { length } = options;
    const typed = input.value.trim();
    if (event.key === "ArrowDown" && !length) load();
    else if (event.key === "ArrowDown") mark((marked + 1) % length);
    else if (event.key === "ArrowUp" && length) mark((Math.max(marked, 0) + length - 1) % length);
    else if (event.key === "Escape" && length) show([]);
    else if (event.key === "Enter" && !event.isComposing && (options[marked] || typed)) {
      take([options[marked]?.dataset.tag ?? typed]);
    } else return;
    event.preventDefault();
  });
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // so that the field keeps the focus
  list.addEventListener("click", (event) => take([closest(event, "li")?.dataset.tag ?? ""]));
  add.addEventListener("pointerdown", (event) => event.preventDefault());
  add.addEventListener("click", () => take([input.value.trim()]));
}
