// Elements that several parts of the schema page use: badges, lists of facts, tables, disclosures, sections.
import { make } from "../dom.js";
import { moment } from "../format.js";

/** @typedef {import("../dom.js").Child} Child */

/** The IDs of the elements that the user opened. They stay open when the page is refreshed. */
const opened = new Set();

/** @param {string} id */
export const isOpen = (id) => opened.has(id);

/**
 * @param {string} id
 * @param {boolean} open
 */
export function rememberOpen(id, open) {
  if (open) opened.add(id);
  else opened.delete(id);
}

/** @param {string} text */
export const words = (text) => make("span", { text, dir: "auto" });

/** @param {string} text */
export const note = (text) => make("small", { class: "faint", text });

/** @param {string} text */
export const code = (text) => make("code", { text });

/** @param {string} text */
export const time = (text) => make("time", { datetime: text, title: text, text: moment(text) });

/**
 * @param {import("./model.js").Level | undefined} level
 * @param {string} text
 */
export const badge = (level, text) => make("span", { class: `badge ${level ?? ""}`, text });

/**
 * Return terms with their values. Leave out terms without a value.
 * @param {[string, Child | Child[]][]} entries
 * @param {string} [kind] a class of the style sheet
 */
export function facts(entries, kind) {
  const list = make("dl", { class: kind });
  for (const [term, value] of entries) {
    if (!value) continue;
    const children = Array.isArray(value) ? value : [value];
    list.append(make("div", {}, make("dt", { text: term }), make("dd", {}, ...children)));
  }
  return list;
}

/**
 * Return a <details> element. Its content is made when it is first opened.
 * @param {string} id
 * @param {string} title
 * @param {() => Node[]} content
 */
export function disclosure(id, title, content) {
  const details = make("details", { id, open: isOpen(id) }, make("summary", { text: title }));
  let filled = false;
  const update = () => {
    rememberOpen(id, details.open);
    if (!details.open || filled) return;
    filled = true;
    details.append(...content());
  };
  details.addEventListener("toggle", update);
  update();
  return details;
}

/**
 * Return a table in a box that scrolls sideways.
 * @param {string} label
 * @param {HTMLTableElement} table
 */
export function scrollBox(label, table) {
  return make("div", { class: "wide-table", tabindex: 0, role: "group", "aria-label": label }, table);
}

/**
 * Return a table. Leave out columns without a value.
 * @param {string} label
 * @param {string[]} columns their names. If a name begins with "#", the values are numbers
 * @param {Child[][]} rows
 */
export function grid(label, columns, rows) {
  const used = columns
    .map((name, index) => ({ name, index }))
    .filter(({ index }) => rows.some((cells) => cells[index]));
  /** @param {string} name */
  const kind = (name) => (name.startsWith("#") ? "number" : null);
  const head = used.map(({ name }) => make("th", { scope: "col", class: kind(name), text: name.replace("#", "") }));
  const body = rows.map((cells) => {
    const row = used.map(({ name, index }) =>
      index ? make("td", { class: kind(name) }, cells[index]) : make("th", { scope: "row" }, cells[index]),
    );
    return make("tr", {}, ...row);
  });
  return scrollBox(label, make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body)));
}

/**
 * Return the text that the page's filter searches.
 * @param {(string | null | undefined)[]} texts
 */
export const searchText = (texts) => texts.join(" ").toLowerCase();

/**
 * Return a section of the page.
 * @param {string} id
 * @param {string} title
 * @param {string} about
 * @param {...Node} children
 */
export function section(id, title, about, ...children) {
  const heading = make("h2", { id: `${id}-title`, text: title });
  const summary = make("p", { class: "faint", id: `${id}-about`, "data-all": about, text: about });
  return make(
    "section",
    { id, "aria-labelledby": `${id}-title` },
    make("div", { class: "heading" }, heading, summary),
    ...children,
    make("p", { class: "none faint", hidden: true, text: "Nothing matches the filter." }),
  );
}
