// The migrations of the schema page: a timeline, newest first, with SQL, rollback and runs.
import { make } from "../dom.js";
import { duration } from "../format.js";
import { badge, disclosure, facts, grid, searchText, section, time, words } from "./elements.js";
import { anchor, lastRun, problems } from "./model.js";
import { sqlBlock } from "./sql.js";

/** @typedef {import("./model.js").Migration} Migration */
/** @typedef {import("./model.js").Level} Level */

/** @type {Partial<Record<string, Level>>} */
const LEVELS = {
  applied: "good",
  pending: "care",
  waiting: "care",
  running: "care",
  failed: "bad",
  edited: "bad",
  missing: "bad",
};
/** @type {Partial<Record<string, Level>>} */
const OUTCOMES = { done: "good", failed: "bad" };

/** @param {Migration[]} migrations */
export function migrationSection(migrations) {
  const cards = [...migrations].reverse().map((migration) => card(migration, anchor(migration, migrations)));
  const list = make("ol", { class: "timeline", role: "list" }, ...cards);
  return section("migrations", "Migrations", `${migrations.length}, newest first`, list);
}

/**
 * @param {Migration} migration
 * @param {string} id
 */
function card(migration, id) {
  const level = LEVELS[migration.state];
  const [number, ...rest] = migration.id.split("_");
  const link = make("a", { href: `#${id}` }, make("b", { text: number }), `_${rest.join("_")}`);
  const loses = migration.irreversible ? `no rollback: ${migration.irreversible}` : migration.loses;
  const kind = loses?.startsWith("nothing") ? "" : "care";
  const { title, state, what, why, sql, rollback, runs } = migration;
  const text = searchText([migration.id, state, title, what, why, sql, lastRun(migration)?.username]);
  return make(
    "li",
    { id, class: `card ${level ?? ""}`, tabindex: -1, "data-words": text },
    make(
      "div",
      { class: "what" },
      make("h3", {}, link, badge(level, state)),
      title && make("p", { text: title }),
      make("p", { class: "faint meta" }, ...history(migration)),
    ),
    facts([
      ["Phase", migration.phase === "expand" ? null : migration.phase],
      ["Waits", migration.waits?.replace(/^waits /, "")],
      ["Locks", migration.locks],
      ["Cost", migration.cost],
      ["Loses", loses && make("span", { class: kind, text: loses })],
    ]),
    ...problems(migration).map((text) => make("p", { class: "note bad", text, dir: "auto" })),
    sql && disclosure(`sql-${id}`, rollback ? "SQL and rollback" : "SQL", () => files(migration, sql)),
    runs.length > 1 && disclosure(`runs-${id}`, `${runs.length} runs`, () => [runTable(migration)]),
  );
}

/**
 * Return the time, the user and the duration of a migration's last run.
 * @param {Migration} migration
 */
function history(migration) {
  const run = lastRun(migration);
  const parts = [];
  if (migration.applied_at) parts.push(time(migration.applied_at));
  else if (run) parts.push(`${run.operation} ${run.outcome} `, time(run.started_at));
  else return ["not applied yet"];
  if (run) parts.push(` by ${run.username} on ${run.hostname}`);
  if (run?.seconds != null) parts.push(`, ${duration(run.seconds)}`);
  if (run && migration.applied_at && run.operation !== "apply") parts.push(` (${run.operation})`);
  if (run?.reason) parts.push(`, although an older release might run: ${run.reason}`);
  return parts;
}

/**
 * @param {Migration} migration
 * @param {string} sql
 */
function files({ id, what, why, transactional, rollback }, sql) {
  /**
   * @param {string} name
   * @param {string} text
   */
  const pane = (name, text) => make("figure", {}, make("figcaption", { text: name }), sqlBlock(text));
  const panes = make("div", { class: "panes" }, pane(`${id}.sql`, sql));
  if (rollback) panes.append(pane(`${id}.rollback.sql`, rollback));
  const transaction = transactional ? "" : "none, because the statement cannot run in a transaction";
  return [
    facts([
      ["What", what],
      ["Why", why],
      ["Transaction", transaction],
    ]),
    panes,
  ];
}

/** @param {Migration} migration */
function runTable({ id, runs }) {
  const rows = runs.map((run) => [
    time(run.started_at),
    run.operation,
    badge(OUTCOMES[run.outcome] ?? "care", run.outcome),
    `${run.username} on ${run.hostname}${run.process ? `, process ${run.process}` : ""}`,
    run.seconds === null ? "" : duration(run.seconds),
    run.error && words(run.error),
  ]);
  return grid(`Runs of ${id}`, ["Started", "Operation", "Outcome", "By", "#Duration", "Error"], rows);
}
