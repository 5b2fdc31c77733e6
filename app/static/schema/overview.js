// The head of the schema page: the database, whether it is up to date, problems and drift.
import { make } from "../dom.js";
import { bytes, count, moment, plural } from "../format.js";
import { badge, facts, note } from "./elements.js";
import { anchor, problems } from "./model.js";
import { sql } from "./sql.js";

const LONGEST_STATEMENT = 500; // characters

/** @typedef {import("./model.js").Schema} Schema */
/** @typedef {import("./model.js").Level} Level */

/** @type {Record<NonNullable<Schema["state"]>, Level>} */
const LEVELS = { "up-to-date": "good", pending: "care", wrong: "bad" };
/** @type {Record<Level, string>} */
const HEADINGS = { good: "Up to date", care: "Pending", bad: "Needs attention" };

/** @param {Schema} schema */
export function overview(schema) {
  const { database, state, migrator, drift, checks, unknown } = schema;
  const level = state ? LEVELS[state] : undefined;
  const statement = migrator?.statement?.replace(/^\s*--.*\n/gm, "").trim();
  const name = make("h2", { id: "database", text: database.name, dir: "auto" });
  const verdict = badge(level, level ? HEADINGS[level] : "Unknown");
  return make(
    "section",
    { id: "overview", "aria-labelledby": "database" },
    make("div", { class: "heading" }, name, verdict, make("p", { text: sentence(schema) })),
    tiles(schema),
    statement && make("pre", {}, sql(statement.slice(0, LONGEST_STATEMENT))),
    migrator?.blockers.length ? blockerList(migrator.blockers) : null,
    problemList(schema),
    drift?.length ? driftList(drift) : null,
    checks.some(left) ? checkList(checks.filter(left)) : null,
    unknown.length ? unknownList(unknown) : null,
  );
}

/** @param {Schema} schema */
function tiles({ database, migrations, migrator, drift, checks, tables }) {
  const applied = migrations.filter((migration) => migration.applied_at).length;
  const size = tables.reduce((sum, table) => sum + table.table_bytes + table.index_bytes, 0);
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const differences = drift === null ? "unknown" : drift.length ? plural(drift.length, "difference") : "none";
  const compared = drift === null ? "schema.sql has other migrations" : "compared with schema.sql";
  const faults = checks.reduce((sum, check) => sum + left(check), 0);
  const [oldest] = checks.map((check) => check.checked_at).sort();
  return facts(
    [
      ["PostgreSQL", [database.version.split(" ")[0], note(`as ${database.role}`)]],
      ["Migrations", [`${applied} of ${migrations.length}`, note("applied")]],
      ["Tables", [count(tables.length), note(plural(rows, "row"))]],
      ["Size", [bytes(size), note(`of ${bytes(database.bytes)} in the database`)]],
      ["Drift", [differences, note(compared)]],
      [
        "Verified rows",
        oldest
          ? [faults ? plural(faults, "fault") : "no faults", note(moment(oldest))]
          : ["never", note("images schema verify")],
      ],
      [
        "Migrator",
        migrator
          ? [migrator.migration ?? "running", note(migrator.name)]
          : ["idle", note("no migrator holds the lock")],
      ],
    ],
    "tiles",
  );
}

/** @param {Schema} schema */
function sentence({ migrations, drift, state }) {
  /** @param {import("./model.js").State} state */
  const number = (state) => migrations.filter((migration) => migration.state === state).length;
  if (state === null) return "The service cannot read the history of the migrations.";
  if (state === "wrong") {
    /** @type {import("./model.js").State[]} */
    const states = ["failed", "edited", "missing"];
    const found = states.filter(number).map((state) => `${number(state)} ${state}`);
    const late = migrations.filter((migration) => migration.fault && migration.state === "pending").length;
    if (late) found.push(`${late} out of order`);
    if (drift?.length) found.push(`${plural(drift.length, "difference")} from schema.sql`);
    return `Found: ${found.join(", ")}.`;
  }
  if (state === "pending") {
    const pending = plural(number("pending") + number("running"), "migration");
    return `To apply: ${pending}.${number("running") ? " One of them is running." : ""}`;
  }
  if (number("newer")) {
    return `All migrations of this release are applied, and ${plural(number("newer"), "migration")} of a newer release.`;
  }
  return "All migrations are applied. The schema matches schema.sql.";
}

/** @param {Schema} schema */
function problemList({ migrations }) {
  const items = migrations.flatMap((migration) =>
    problems(migration).map((text) => {
      const link = make("a", { href: `#${anchor(migration, migrations)}`, text: migration.id });
      return make("li", {}, link, text.startsWith(migration.id) ? text.slice(migration.id.length) : `: ${text}`);
    }),
  );
  if (!items.length) return null;
  return make("div", { class: "note bad", role: "region", "aria-label": "Problems" }, make("ul", {}, ...items));
}

/** @param {string[]} drift */
function driftList(drift) {
  const heading = make("h3", { text: "Drift: differences between this database and schema.sql" });
  const items = drift.map((line) => make("li", {}, sql(line)));
  return make("div", { class: "note bad", id: "drift" }, heading, make("ul", {}, ...items));
}

/** @param {import("./model.js").Check} check */
const left = (check) => check.faults - check.repaired;

/** @param {import("./model.js").Check[]} checks */
function checkList(checks) {
  const heading = make("h3", { text: "Faults that images schema verify found: see its option --repair" });
  const items = checks.map((check) => {
    const text = `${check.name}: ${plural(left(check), "fault")} in ${plural(check.rows, "row")} of ${check.table}`;
    return make("li", { text: `${text}, ${moment(check.checked_at)}` });
  });
  return make("div", { class: "note bad", id: "checks" }, heading, make("ul", {}, ...items));
}

/** @param {string[]} blockers */
function blockerList(blockers) {
  const items = blockers.map((text) => make("li", { text }));
  const heading = make("h3", { text: "Blockers: the migrator waits for a lock" });
  return make("div", { class: "note bad", id: "blockers" }, heading, make("ul", {}, ...items));
}

/** @param {string[]} unknown */
function unknownList(unknown) {
  const items = unknown.map((text) => make("li", { text }));
  return make("div", { class: "note" }, make("h3", { text: "The service could not read" }), make("ul", {}, ...items));
}
