// The queries of the schema page: a table of calls and times, which the user can sort.
import { make } from "../dom.js";
import { count, duration } from "../format.js";
import { isOpen, rememberOpen, scrollBox, searchText, section } from "./elements.js";
import { sqlBlock } from "./sql.js";

/** @typedef {import("./model.js").Query} Query */
/** @typedef {import("./model.js").Source} Source */

/**
 * @typedef {object} Column
 * @property {string} key
 * @property {string} title
 * @property {(query: Query) => number | null} value
 * @property {(value: number) => string} format
 */

/** @type {Record<Source, string>} */
const SOURCES = { service: "Measured by this service", database: "Measured by pg_stat_statements" };

/** The column that the table is sorted by. It stays when the page is refreshed. */
let sorting = { key: "service total", descending: true };

/**
 * @param {Source} source
 * @returns {Column[]}
 */
const columnsOf = (source) => [
  { key: `${source} calls`, title: "Calls", value: (query) => query[source]?.calls ?? null, format: count },
  { key: `${source} total`, title: "Total", value: (query) => query[source]?.seconds ?? null, format: duration },
  { key: `${source} mean`, title: "Mean", value: (query) => mean(query[source]), format: duration },
];

/** @param {import("./model.js").Measured | null} measured */
const mean = (measured) => (measured?.calls ? measured.seconds / measured.calls : null);

/** @param {import("./model.js").Schema} schema */
export function querySection({ queries, sources }) {
  const columns = sources.flatMap(columnsOf);
  const missing = "pg_stat_statements is not installed, or this role cannot read it.";
  const about = `${queries.length}, with calls and times.${sources.includes("database") ? "" : ` ${missing}`}`;
  const table = scrollBox("Queries", queryTable(queries, sources, columns));
  return section("queries", "Queries", about, make("div", { class: "card" }, table));
}

/**
 * @param {Query[]} queries
 * @param {Source[]} sources
 * @param {Column[]} columns
 */
function queryTable(queries, sources, columns) {
  /** @type {Map<string, HTMLTableCellElement>} By the column's key. */
  const heads = new Map();
  for (const { key, title } of [{ key: "name", title: "Query" }, ...columns]) {
    const button = make("button", { type: "button", class: "plain", text: title, onclick: () => sortBy(key) });
    heads.set(key, make("th", { scope: "col", class: key === "name" ? null : "number" }, button));
  }
  const groups = sources.map((source) =>
    make("th", { scope: "colgroup", colspan: 3, class: "number", text: SOURCES[source] }),
  );
  const rows = queries.map((query) => ({ query, body: queryRow(query, columns) }));
  const head = make("thead", {}, make("tr", {}, make("td"), ...groups), make("tr", {}, ...heads.values()));
  const table = make("table", { class: "queries" }, head);

  /** @param {string} key */
  const sortBy = (key) => {
    sorting = { key, descending: sorting.key === key ? !sorting.descending : key !== "name" };
    sort();
  };
  const sort = () => {
    const { key, descending } = sorting;
    const column = columns.find((column) => column.key === key);
    for (const [other, head] of heads) {
      const current = other === (column?.key ?? "name");
      head.setAttribute("aria-sort", current ? (descending ? "descending" : "ascending") : "none");
    }
    const sign = descending ? -1 : 1;
    /** @param {Query} query */
    const value = (query) => (column ? column.value(query) : query.name);
    const known = rows.filter(({ query }) => value(query) !== null);
    known.sort((a, b) => ((value(a.query) ?? 0) < (value(b.query) ?? 0) ? -sign : sign));
    const unknown = rows.filter(({ query }) => value(query) === null); // last, in both directions
    table.append(...[...known, ...unknown].map(({ body }) => body));
  };
  sort();
  return table;
}

/**
 * @param {Query} query
 * @param {Column[]} columns
 */
function queryRow(query, columns) {
  const text = make("tr", { id: `sql-${query.name}`, hidden: true });
  const toggle = () => {
    const open = Boolean(text.hidden);
    text.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    rememberOpen(text.id, open);
    if (open && !text.cells.length) text.append(make("td", { colspan: columns.length + 1 }, sqlBlock(query.sql)));
  };
  const expands = { "aria-expanded": "false", "aria-controls": text.id };
  const attributes = { type: "button", class: "plain name", ...expands, onclick: toggle };
  const button = make("button", attributes, make("code", { text: query.name }));
  const name = make("th", { scope: "row" }, button, make("p", { class: "faint", text: query.purpose }));
  const cells = columns.map((column) => {
    const value = column.value(query);
    return make("td", { class: "number", text: value === null ? "–" : column.format(value) });
  });
  const words = searchText([query.name, query.purpose, query.sql]);
  const row = make("tr", {}, name, ...cells);
  if (isOpen(text.id)) toggle();
  return make("tbody", { id: `query-${query.name}`, "data-words": words }, row, text);
}
