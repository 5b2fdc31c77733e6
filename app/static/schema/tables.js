// The tables of the schema page: sizes, vacuum, columns, indexes, constraints and triggers.
import { make } from "../dom.js";
import { bytes, count, moment } from "../format.js";
import { badge, code, facts, grid, searchText, section, time, words } from "./elements.js";
import { sql } from "./sql.js";

/** @typedef {import("./model.js").Table} Table */
/** @typedef {import("../dom.js").Child} Child */

/** @param {import("./model.js").Schema} schema */
export function tableSection({ tables, database: { counted_since } }) {
  const since = counted_since ? moment(counted_since) : "the database was created";
  const about = `${tables.length}. Row counts are estimates. Scans are counted since ${since}.`;
  return section("tables", "Tables", about, ...tables.map(card));
}

/**
 * @param {string | null} comment
 * @returns {Child}
 */
const remark = (comment) => comment && words(comment);

/**
 * @param {string} name
 * @param {string | false} problem
 */
const named = (name, problem) => make("span", {}, code(name), problem && " ", problem && badge("bad", problem));

/** @param {Table} table */
function columns({ columns }) {
  return columns.map((column) => {
    const value = column.generated ? `GENERATED ${column.generated}` : column.default;
    const nullable = column.nullable ? "yes" : "no";
    return [code(column.name), code(column.type), nullable, value && sql(value), remark(column.comment)];
  });
}

/** @param {Table} table */
function indexes({ indexes }) {
  return indexes.map(({ name, valid, definition, comment, ...index }) => {
    const size = bytes(index.bytes);
    return [named(name, !valid && "invalid"), sql(definition), size, count(index.scans), remark(comment)];
  });
}

/** @param {Table} table */
function constraints({ constraints }) {
  return constraints.map(({ name, valid, definition, comment }) => {
    return [named(name, !valid && "not valid"), sql(definition), remark(comment)];
  });
}

/** @param {Table} table */
function triggers({ triggers }) {
  return triggers.map(({ name, enabled, definition, comment }) => {
    return [named(name, !enabled && "disabled"), sql(definition), remark(comment)];
  });
}

/** @type {{ title: string, names: string[], rows: (table: Table) => Child[][] }[]} */
const PARTS = [
  { title: "Columns", names: ["Name", "Type", "Null", "Default", "Comment"], rows: columns },
  { title: "Indexes", names: ["Name", "Definition", "#Size", "#Scans", "Comment"], rows: indexes },
  { title: "Constraints", names: ["Name", "Definition", "Comment"], rows: constraints },
  { title: "Triggers", names: ["Name", "Definition", "Comment"], rows: triggers },
];

/** @param {Table} table */
function card(table) {
  const { name, comment } = table;
  const defined = [...table.indexes, ...table.constraints, ...table.triggers];
  const text = searchText([
    name,
    comment,
    ...table.columns.flatMap((column) => [column.name, column.type, column.comment]),
    ...defined.flatMap((thing) => [thing.name, thing.definition, thing.comment]),
  ]);
  const parts = PARTS.flatMap(({ title, names, rows }) => {
    const cells = rows(table);
    return cells.length ? [make("h4", { text: title }), grid(`${title} of ${name}`, names, cells)] : [];
  });
  return make(
    "article",
    { id: `table-${name}`, class: "card table", "aria-labelledby": `name-${name}`, "data-words": text },
    make("h3", { id: `name-${name}` }, make("a", { href: `#table-${name}`, text: name })),
    comment && make("p", { text: comment, dir: "auto" }),
    figures(table),
    ...parts,
  );
}

/** @param {Table} table */
function figures(table) {
  const dead = table.dead_rows ? ` (${((100 * table.dead_rows) / (table.rows + table.dead_rows)).toFixed(1)} %)` : "";
  return facts(
    [
      ["Rows", count(table.rows)],
      ["Dead rows", count(table.dead_rows) + dead],
      ["Table", bytes(table.table_bytes)],
      ["Indexes", bytes(table.index_bytes)],
      ["Full scans", count(table.scans)],
      ["Vacuum", latest(table.last_vacuum, table.last_autovacuum)],
      ["Analyze", latest(table.last_analyze, table.last_autoanalyze)],
    ],
    "figures",
  );
}

/**
 * @param {string | null} manual
 * @param {string | null} automatic
 */
function latest(manual, automatic) {
  const last = [manual ?? "", automatic ?? ""].sort()[1];
  return last ? [time(last), last === automatic && " by autovacuum"] : "never";
}
