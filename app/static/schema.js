// The schema's page: all of GET /v1/schema, read again each half minute while nobody is at it.
import { ask, bytes, make, moment } from "./api.js";

const AGAIN = 30_000; // milliseconds
const LEVELS = { applied: "good", pending: "care", running: "care", failed: "bad", edited: "bad", missing: "bad" };
const HEADINGS = { good: "Up to date", care: "Pending", bad: "Wrong" };
const STANDING = { "up-to-date": "good", pending: "care", wrong: "bad" };
const SOURCES = { service: "As this service measured it", database: "As pg_stat_statements has it" };

const main = document.getElementById("schema");
const filter = document.querySelector("#search input");
const opened = new Set(); // ids of what is open, over a reading
let sorting = { by: "service total", down: true };
let schema, read, loading;

// Comments, strings, dollar quotes, keywords (which are in upper case here), numbers and parameters.
const TOKEN = /(--[^\n]*|\/\*[^]*?\*\/)|('(?:[^']|'')*'|\$(?:[a-z_]\w*)?\$)|\b([A-Z][A-Z_]+)\b|("[^"]*"|\b[a-z_]\w*)|(\$\d+|\b\d[\d.]*)/g;
const KINDS = [, "c", "s", "k", , "n"];

function sql(text, element = make("code")) {
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    const kind = KINDS[match.findIndex((group, place) => place && group !== undefined)];
    if (!kind) continue;
    element.append(text.slice(end, match.index), make("span", { class: kind, text: match[0] }));
    end = match.index + match[0].length;
  }
  element.append(text.slice(end));
  return element;
}

const count = (number) => number.toLocaleString();
const many = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;
const words = (text) => make("span", { text, dir: "auto" });
const badge = (level, text) => make("span", { class: `badge ${level ?? ""}`, text });
const time = (text) => make("time", { datetime: text, title: text, text: moment(text) });

function duration(seconds) {
  if (seconds >= 60) return `${count(Math.floor(seconds / 60))} min ${Math.floor(seconds % 60)} s`;
  const [value, unit] = seconds >= 1 ? [seconds, "s"] : [seconds * 1000, "ms"];
  const digits = value < 10 ? 2 : value < 100 ? 1 : 0;
  return `${value.toLocaleString(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${unit}`;
}

// A list of terms and what is to be said of each, less those of which nothing is.
function facts(entries, attributes) {
  const list = make("dl", attributes);
  for (const [term, value] of entries) {
    if (value == null || value === "") continue;
    list.append(make("div", {}, make("dt", { text: term }), make("dd", {}, ...(Array.isArray(value) ? value : [value]))));
  }
  return list;
}

// What is opened stays so when the page is read again; its inside is made once it is.
function more(id, title, inside) {
  const details = make("details", { id, open: opened.has(id) }, make("summary", { text: title }));
  const fill = () => {
    if (details.open) opened.add(id);
    else opened.delete(id);
    if (details.open && !details.dataset.full) {
      details.dataset.full = "yes";
      details.append(...inside());
    }
  };
  details.addEventListener("toggle", fill);
  fill();
  return details;
}

function scroll(label, table) {
  return make("div", { class: "wide-table", tabindex: 0, role: "group", "aria-label": label }, table);
}

function section(id, title, about, ...inside) {
  return make(
    "section",
    { id, "aria-labelledby": `${id}-title` },
    make("div", { class: "heading" }, make("h2", { id: `${id}-title`, text: title }), make("p", { class: "faint", id: `${id}-about`, "data-all": about, text: about })),
    ...inside,
    make("p", { class: "none faint", hidden: true, text: "Nothing here has these words." }),
  );
}

// The head.

function overview() {
  const { database, migrations, migrator, drift, tables } = schema;
  const level = STANDING[schema.state];
  const applied = migrations.filter((one) => one.applied_at).length;
  const size = tables.reduce((sum, one) => sum + one.table_bytes + one.index_bytes, 0);
  const statement = migrator?.statement?.replace(/^\s*--.*\n/gm, "").trim();
  const list = facts(
    [
      ["PostgreSQL", [database.version.split(" ")[0], note(`as ${database.role}`)]],
      ["Migrations", [`${applied} of ${migrations.length}`, note("applied")]],
      ["Tables", [count(tables.length), note(many(tables.reduce((sum, one) => sum + one.rows, 0), "row"))]],
      ["Size", [bytes(size), note(`of ${bytes(database.bytes)} in all`)]],
      ["Drift", [drift === null ? "unknown" : drift.length ? many(drift.length, "difference") : "none", note(drift === null ? "schema.sql has other migrations" : "from schema.sql")]],
      ["At work", migrator ? [migrator.migration ?? "a migrator", note(migrator.name)] : ["nobody", note("no migrator holds the lock")]],
    ],
    { class: "tiles" },
  );
  return make(
    "section",
    { id: "overview", "aria-labelledby": "database" },
    make("div", { class: "heading" }, make("h2", { id: "database", text: database.name, dir: "auto" }), badge(level, HEADINGS[level] ?? "Not known"), make("p", { text: sentence() })),
    list,
    statement && make("pre", {}, sql(statement.slice(0, 500))),
    ...faults(),
    ...(drift?.length ? [make("div", { class: "note bad", id: "drift" }, make("h3", { text: "Drift: where this database is not as schema.sql has it" }), make("ul", {}, ...drift.map((line) => make("li", {}, sql(line)))))] : []),
    ...(schema.unknown.length ? [make("div", { class: "note" }, make("h3", { text: "Not known" }), make("ul", {}, ...schema.unknown.map((line) => make("li", { text: line }))))] : []),
  );
}

const note = (text) => make("small", { class: "faint", text });

function sentence() {
  const { migrations, drift, state } = schema;
  const of = (name) => migrations.filter((one) => one.state === name).length;
  if (state === null) return "The history of the migrations cannot be read.";
  if (state === "wrong") {
    const wrong = ["failed", "edited", "missing"].filter(of).map((name) => `${of(name)} ${name}`);
    const late = migrations.filter((one) => one.fault && one.state === "pending").length;
    if (late) wrong.push(`${late} out of order`);
    if (drift?.length) wrong.push(`${many(drift.length, "difference")} from schema.sql`);
    return `To be looked at: ${wrong.join(", ")}.`;
  }
  if (state === "pending") return `${many(of("pending") + of("running"), "migration")} to be applied${of("running") ? ", one of them is running" : ""}.`;
  if (of("newer")) return `Every migration of this release is applied, and ${many(of("newer"), "one", "ones").replace("1 one", "one")} of a newer one.`;
  return "Every migration is applied, and the schema is that of schema.sql.";
}

function faults() {
  const line = (one) => (text) => {
    const named = make("a", { href: `#${anchor(one)}`, text: one.id });
    return make("li", {}, named, text.startsWith(one.id) ? text.slice(one.id.length) : `: ${text}`);
  };
  const wrong = schema.migrations.flatMap((one) => problems(one).map(line(one)));
  if (!wrong.length) return [];
  return [make("div", { class: "note bad", role: "region", "aria-label": "What is wrong" }, make("ul", {}, ...wrong))];
}

// Migrations.

// In the address a migration is its number; of two that have the same one the second is its name.
function anchor(migration) {
  const number = migration.id.split("_")[0];
  return schema.migrations.find((one) => one.id.startsWith(number)) === migration ? number : migration.id;
}

function problems(migration) {
  const run = ran(migration);
  const found = migration.fault ? [migration.fault] : [];
  if (migration.state !== "failed" || !run) return found;
  if (run.outcome === "started") return [...found, `its ${run.operation} was cut off: the next yoyo apply carries it on`];
  return [...found, `its ${run.operation} ${run.outcome}${run.error ? `: ${run.error}` : ""}`];
}

function timeline() {
  const list = make("ol", { class: "timeline", role: "list" });
  list.append(...[...schema.migrations].reverse().map(card));
  return section("migrations", "Migrations", `${schema.migrations.length}, newest first`, list);
}

function card(migration) {
  const level = LEVELS[migration.state];
  const [first, ...rest] = migration.id.split("_");
  const id = anchor(migration);
  const loses = migration.irreversible ? `no rollback: ${migration.irreversible}` : migration.loses;
  const text = [migration.id, migration.state, migration.title, migration.what, migration.why, migration.sql, ran(migration)?.username];
  return make(
    "li",
    { id, class: `card ${level ?? ""}`, tabindex: -1, "data-words": text.join(" ").toLowerCase() },
    make(
      "div",
      { class: "what" },
      make("h3", {}, make("a", { href: `#${id}` }, make("b", { text: first }), `_${rest.join("_")}`), badge(level, migration.state)),
      migration.title && make("p", { text: migration.title }),
      make("p", { class: "faint meta" }, ...when(migration)),
    ),
    facts([["Locks", migration.locks], ["Cost", migration.cost], ["Loses", loses && [make("span", { class: /^nothing/.test(loses) ? "" : "care", text: loses })]]]),
    ...problems(migration).map((text) => make("p", { class: "note bad", text, dir: "auto" })),
    migration.sql ? more(`sql-${id}`, migration.rollback ? "SQL and rollback" : "SQL", () => files(migration)) : null,
    migration.runs.length > 1 ? more(`runs-${id}`, `${migration.runs.length} runs`, () => [runs(migration)]) : null,
  );
}

const ran = (migration) => migration.runs.find((run) => run.operation !== "accept");

function when(migration) {
  const run = ran(migration);
  const parts = [];
  if (migration.applied_at) parts.push(time(migration.applied_at));
  else if (run) parts.push(`${run.operation} ${run.outcome} `, time(run.started_at));
  else return ["not applied yet"];
  if (run) parts.push(` by ${run.username} on ${run.hostname}`);
  if (run?.seconds != null) parts.push(`, ${duration(run.seconds)}`);
  if (run && migration.applied_at && run.operation !== "apply") parts.push(` (${run.operation})`);
  return parts;
}

function files(migration) {
  const about = facts([["What", migration.what], ["Why", migration.why], ["Transaction", migration.transactional ? "" : "none: it cannot run in one"]]);
  const pane = (name, text) => make("figure", {}, make("figcaption", { text: name }), make("pre", { dir: "ltr" }, sql(text.trimEnd())));
  const panes = make("div", { class: "panes" }, pane(`${migration.id}.sql`, migration.sql));
  if (migration.rollback) panes.append(pane(`${migration.id}.rollback.sql`, migration.rollback));
  return [about, panes];
}

function runs(migration) {
  const rows = migration.runs.map((run) => [
    time(run.started_at),
    run.operation,
    badge({ done: "good", failed: "bad" }[run.outcome] ?? "care", run.outcome),
    `${run.username} on ${run.hostname}${run.process ? `, process ${run.process}` : ""}`,
    run.seconds == null ? "" : duration(run.seconds),
    run.error && words(run.error),
  ]);
  return grid(`Runs of ${migration.id}`, ["Begun", "Run", "Outcome", "By", "#Took", "Error"], rows);
}

// A table; of a column whose name begins with # the values are numbers.
function grid(label, columns, rows) {
  const used = columns.map((_, place) => rows.some((cells) => cells[place])); // a column of nothing is left out
  const of = (tag, place, attributes, ...inside) => make(tag, { ...attributes, class: columns[place][0] === "#" ? "number" : null }, ...inside);
  const head = columns.map((name, place) => of("th", place, { scope: "col", text: name.replace("#", "") })).filter((_, place) => used[place]);
  const row = (cells) => make("tr", {}, ...cells.map((cell, place) => of(place ? "td" : "th", place, { scope: place ? null : "row" }, cell || "")).filter((_, place) => used[place]));
  return scroll(label, make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows.map(row))));
}

// Tables.

function tables() {
  const since = schema.database.counted_since;
  const about = `${schema.tables.length}, with indexes; rows are estimated, scans counted ${since ? `since ${moment(since)}` : "from the beginning"}`;
  return section("tables", "Tables", about, ...schema.tables.map(table));
}

function table(one) {
  const code = (text) => make("code", { text });
  const named = (thing, wrong) => make("span", {}, code(thing.name), ...(wrong ? [" ", badge("bad", wrong)] : []));
  const last = (plain, auto) => {
    const [latest] = [plain, auto].filter(Boolean).sort().reverse();
    return latest ? [time(latest), latest === auto ? " by autovacuum" : ""] : "never";
  };
  const dead = one.dead_rows ? ` (${((100 * one.dead_rows) / (one.rows + one.dead_rows)).toFixed(1)} %)` : "";
  const parts = [
    ["Columns", ["Name", "Type", "Null", "Default", "Comment"], one.columns, (column) => [code(column.name), code(column.type), column.nullable ? "yes" : "no", column.generated ? sql(`GENERATED ${column.generated}`) : column.default && sql(column.default), column.comment && words(column.comment)]],
    ["Indexes", ["Name", "Definition", "#Size", "#Scans", "Comment"], one.indexes, (index) => [named(index, !index.valid && "invalid"), sql(index.definition), bytes(index.bytes), count(index.scans), index.comment && words(index.comment)]],
    ["Constraints", ["Name", "Definition", "Comment"], one.constraints, (constraint) => [named(constraint, !constraint.valid && "not valid"), sql(constraint.definition), constraint.comment && words(constraint.comment)]],
    ["Triggers", ["Name", "Definition", "Comment"], one.triggers, (trigger) => [named(trigger, !trigger.enabled && "disabled"), sql(trigger.definition), trigger.comment && words(trigger.comment)]],
  ];
  const text = [one.name, one.comment, ...parts.flatMap(([, , things]) => things.flatMap((thing) => [thing.name, thing.type, thing.definition, thing.comment]))];
  return make(
    "article",
    { id: `table-${one.name}`, class: "card table", "aria-labelledby": `name-${one.name}`, "data-words": text.join(" ").toLowerCase() },
    make("h3", { id: `name-${one.name}` }, make("a", { href: `#table-${one.name}`, text: one.name })),
    one.comment && make("p", { text: one.comment, dir: "auto" }),
    facts(
      [
        ["Rows", count(one.rows)],
        ["Dead rows", count(one.dead_rows) + dead],
        ["Table", bytes(one.table_bytes)],
        ["Indexes", bytes(one.index_bytes)],
        ["Read whole", many(one.scans, "time")],
        ["Vacuum", last(one.last_vacuum, one.last_autovacuum)],
        ["Analyze", last(one.last_analyze, one.last_autoanalyze)],
      ],
      { class: "figures" },
    ),
    ...parts.filter(([, , things]) => things.length).flatMap(([title, columns, things, cells]) => [make("h4", { text: title }), grid(`${title} of ${one.name}`, columns, things.map(cells))]),
  );
}

// Queries.

function queries() {
  const known = schema.sources;
  const columns = known.flatMap((source) => [
    { key: `${source} calls`, title: "Calls", of: (one) => one[source]?.calls },
    { key: `${source} total`, title: "Total", of: (one) => one[source]?.seconds, show: duration },
    { key: `${source} mean`, title: "Mean", of: (one) => one[source]?.calls && one[source].seconds / one[source].calls, show: duration },
  ]);
  const name = { key: "name", title: "Query", of: (one) => one.name };
  const all = [name, ...columns];
  const heads = all.map((column) => make("th", { scope: "col", class: column === name ? null : "number" }, make("button", { type: "button", class: "plain", text: column.title, onclick: () => sort(column.key) })));
  const head = make("thead", {});
  head.append(make("tr", {}, make("td"), ...known.map((source) => make("th", { scope: "colgroup", colspan: 3, class: "number", text: SOURCES[source] }))));
  head.append(make("tr", {}, ...heads));
  const whole = make("table", { class: "queries" }, head, ...schema.queries.map((one) => query(one, columns)));
  function sort(key) {
    if (key) sorting = { by: key, down: sorting.by === key ? !sorting.down : key !== "name" };
    const column = all.find((one) => one.key === sorting.by) ?? name;
    all.forEach((one, place) => heads[place].setAttribute("aria-sort", one !== column ? "none" : sorting.down ? "descending" : "ascending"));
    const [told, untold] = [[], []]; // of what nothing is known comes last, either way
    for (const body of whole.tBodies) (column.of(body.query) == null ? untold : told).push(body);
    told.sort((a, b) => (column.of(a.query) < column.of(b.query) ? -1 : 1) * (sorting.down ? -1 : 1));
    whole.append(...told, ...untold);
  }
  sort();
  const without = known.includes("database") ? "" : "; pg_stat_statements is not here, or not to be read";
  return section("queries", "Queries", `${schema.queries.length}, with what they took${without}`, make("div", { class: "card" }, scroll("Queries", whole)));
}

function query(one, columns) {
  const row = make("tr", { id: `sql-${one.name}`, hidden: true });
  const toggle = () => {
    const open = row.hidden;
    row.hidden = !open;
    button.setAttribute("aria-expanded", open);
    if (open) opened.add(row.id);
    else opened.delete(row.id);
    if (open && !row.cells.length) row.append(make("td", { colspan: columns.length + 1 }, make("pre", { dir: "ltr" }, sql(one.sql.trimEnd()))));
  };
  const button = make("button", { type: "button", class: "plain name", "aria-expanded": "false", "aria-controls": row.id, onclick: toggle }, make("code", { text: one.name }));
  const cells = columns.map((column) => {
    const value = column.of(one);
    return make("td", { class: "number", text: value == null ? "–" : (column.show ?? count)(value) });
  });
  const body = make("tbody", { id: `query-${one.name}`, "data-words": `${one.name} ${one.purpose} ${one.sql}`.toLowerCase() }, make("tr", {}, make("th", { scope: "row" }, button, make("p", { class: "faint", text: one.purpose })), ...cells), row);
  body.query = one;
  if (opened.has(row.id)) toggle();
  return body;
}

// The page.

function search() {
  const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  const address = new URL(location);
  if (wanted.length) address.searchParams.set("q", filter.value.trim());
  else address.searchParams.delete("q");
  if (address.href !== location.href) history.replaceState(null, "", address);
  for (const part of main.querySelectorAll("section")) {
    const things = [...part.querySelectorAll("[data-words]")];
    if (!things.length) continue;
    for (const thing of things) thing.hidden = !wanted.every((word) => thing.dataset.words.includes(word));
    const left = things.filter((thing) => !thing.hidden).length;
    const about = part.querySelector("[data-all]");
    about.textContent = wanted.length ? `${left} of ${things.length}` : about.dataset.all;
    part.querySelector(".none").hidden = left > 0;
    part.querySelector(".card:has(.queries)")?.toggleAttribute("hidden", !left);
  }
}

// Where the address leads to: the card is opened, and no filter hides it.
function follow() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target || !main.contains(target)) return;
  if (target.hidden) {
    filter.value = "";
    search();
  }
  const details = target.matches(".timeline > li") && target.querySelector("details");
  if (details) details.open = true;
  target.scrollIntoView();
}

async function load(first) {
  if (loading) return;
  loading = true;
  try {
    schema = await (await ask("v1/schema")).json();
    read = new Date().toLocaleTimeString();
    main.replaceChildren(overview(), timeline(), tables(), queries(), make("p", { class: "faint read", role: "status", text: `Read ${read}` }));
    document.title = `Schema of ${schema.database.name}`;
    search();
    if (first) follow();
  } catch (problem) {
    if (schema && !first) {
      main.querySelector(".read").textContent = `Read ${read}. Not since then: ${problem.message}`;
      return;
    }
    const again = () => load(true);
    const another = () => {
      sessionStorage.removeItem("token");
      load(true);
    };
    const button = problem.status === 403 && sessionStorage.getItem("token") ? { text: "Another token", onclick: another } : { text: "Try again", onclick: again };
    main.replaceChildren(make("div", { id: "state", class: "empty", role: "alert" }, make("p", { text: problem.message }), make("button", { type: "button", ...button })));
  } finally {
    loading = false;
  }
}

filter.value = new URL(location).searchParams.get("q") ?? "";
filter.addEventListener("input", search);
filter.form.addEventListener("submit", (event) => event.preventDefault());
document.getElementById("again").addEventListener("click", () => load());
addEventListener("hashchange", follow);
setInterval(() => {
  const busy = main.contains(document.activeElement) || !getSelection().isCollapsed;
  if (schema && !busy && !document.hidden) load();
}, AGAIN);
load(true);
