// The schema page: shows GET /v1/schema, refreshes it, and filters it.
import { ask, Problem } from "../api.js";
import { find, make } from "../dom.js";
import { migrationSection } from "./migrations.js";
import { overview } from "./overview.js";
import { querySection } from "./queries.js";
import { tableSection } from "./tables.js";

const REFRESH_INTERVAL = 30; // seconds

const main = find("#schema", HTMLElement);
const search = find("#search", HTMLFormElement);
const filter = find("input", HTMLInputElement, search);

/** When the schema was last read. "" before that. */
let updated = "";
let loading = false;

/** @param {string} text */
const words = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

/** Hide what does not contain all words of the filter, and keep the filter in the address. */
function applyFilter() {
  const wanted = words(filter.value);
  const address = new URL(location.href);
  if (wanted.length) address.searchParams.set("q", filter.value.trim());
  else address.searchParams.delete("q");
  if (address.href !== location.href) history.replaceState(null, "", address);
  for (const section of main.querySelectorAll("section")) {
    /** @type {NodeListOf<HTMLElement>} */
    const entries = section.querySelectorAll("[data-words]");
    if (!entries.length) continue;
    let shown = 0;
    for (const entry of entries) {
      entry.hidden = !wanted.every((word) => entry.dataset.words?.includes(word));
      if (!entry.hidden) shown++;
    }
    const about = find("[data-all]", HTMLElement, section);
    about.textContent = wanted.length ? `${shown} of ${entries.length}` : (about.dataset.all ?? "");
    find(".none", HTMLElement, section).hidden = shown > 0;
    section.querySelector(".card:has(.queries)")?.toggleAttribute("hidden", !shown);
  }
}

/** Scroll to what the address names, and open it. If the filter hides it, empty the filter. */
function showTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target || !main.contains(target)) return;
  if (target.hidden) {
    filter.value = "";
    applyFilter();
  }
  const details = target.matches(".timeline > li") ? target.querySelector("details") : null;
  if (details) details.open = true;
  target.scrollIntoView();
}

async function load() {
  if (loading) return;
  loading = true;
  try {
    /** @type {import("./model.js").Schema} */
    const schema = await (await ask("v1/schema")).json();
    const first = !updated;
    updated = new Date().toLocaleTimeString();
    const footer = make("p", { class: "faint read", role: "status", text: `Updated at ${updated}` });
    const sections = [migrationSection(schema.migrations), tableSection(schema), querySection(schema)];
    main.replaceChildren(overview(schema), ...sections, footer);
    document.title = `Schema of ${schema.database.name}`;
    applyFilter();
    if (first) showTarget();
  } catch (error) {
    showProblem(Problem.from(error));
  } finally {
    loading = false;
  }
}

/** @param {Problem} problem */
function showProblem({ status, message }) {
  if (updated) {
    find(".read", HTMLElement, main).textContent = `Updated at ${updated}. The last refresh failed: ${message}`;
    return;
  }
  const forbidden = status === 403 && sessionStorage.getItem("token") !== null;
  const onclick = () => {
    if (forbidden) sessionStorage.removeItem("token");
    load();
  };
  const button = make("button", { type: "button", text: forbidden ? "Use another token" : "Try again", onclick });
  const text = make("p", { text: message });
  main.replaceChildren(make("div", { id: "state", class: "empty", role: "alert" }, text, button));
}

filter.value = new URL(location.href).searchParams.get("q") ?? "";
filter.addEventListener("input", applyFilter);
search.addEventListener("submit", (event) => event.preventDefault());
find("#again", HTMLButtonElement).addEventListener("click", load);
addEventListener("hashchange", showTarget);
setInterval(() => {
  const reading = main.contains(document.activeElement) || !getSelection()?.isCollapsed;
  if (updated && !reading && !document.hidden) load();
}, REFRESH_INTERVAL * 1000);
load();
