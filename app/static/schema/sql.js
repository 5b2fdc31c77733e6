// Syntax highlighting of SQL.
import { make } from "../dom.js";

// Comments; strings and dollar quotes; keywords, which are in upper case here; names; parameters and numbers.
const TOKEN =
  /(--[^\n]*|\/\*[\s\S]*?\*\/)|('(?:[^']|'')*'|\$(?:[a-z_]\w*)?\$)|\b([A-Z][A-Z_]+)\b|("[^"]*"|\b[a-z_]\w*)|(\$\d+|\b\d[\d.]*)/g;
const CLASSES = ["c", "s", "k", "", "n"]; // of the style sheet, one for each group above

/**
 * Return SQL as a <code> element.
 * @param {string} text
 */
export function sql(text) {
  const element = make("code");
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    const name = CLASSES[match.slice(1).findIndex((group) => group !== undefined)];
    if (!name) continue;
    element.append(text.slice(end, match.index), make("span", { class: name, text: match[0] }));
    end = match.index + match[0].length;
  }
  element.append(text.slice(end));
  return element;
}

/**
 * Return SQL as a block.
 * @param {string} text
 */
export const sqlBlock = (text) => make("pre", { dir: "ltr" }, sql(text.trimEnd()));
