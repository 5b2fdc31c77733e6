// The gallery: a list of the API's, as a wall of thumbnails; a picture; uploads.
import { Problem, ask, authorization, bytes, login, make, moment, toast } from "./api.js";

const API = "v1/images";
const FILTERS = ["q", "tag", "content_type", "created_after", "created_before", "sort"];
const $ = (id) => document.getElementById(id);
const nameOf = (image) => image.title || image.filename;
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

// The address bar is the state: the API's own parameters, and `image` for the picture that is open.

let shown = null; // the filters that the wall is of
const views = new Map(); // walls that one may come back to, by their filters
const VIEWS = 8;
const gone = new Set(); // ids that are deleted, or will be

history.scrollRestoration = "manual";

function address() {
  return new URLSearchParams(location.search);
}

function filters(from = address()) {
  const kept = new URLSearchParams();
  for (const name of FILTERS) for (const value of from.getAll(name)) if (value) kept.append(name, value);
  return kept;
}

function go(change, replace = false) {
  const next = address();
  change(next);
  const query = next.toString();
  if (query === address().toString()) return;
  const opened = next.has("image") && !address().has("image"); // there is a wall to go back to
  const url = query ? `?${query}` : location.pathname;
  replace ? history.replaceState(history.state, "", url) : history.pushState({ opened }, "", url);
  follow();
}

function follow(back = false) {
  const wanted = filters();
  if (wanted.toString() !== shown) {
    if (shown !== null) wall.keep();
    shown = wanted.toString();
    fillForms(wanted);
    wall.show(back && views.get(shown));
  }
  const id = address().get("image");
  if (id !== picture.id) id ? picture.open(id) : picture.close();
}

addEventListener("popstate", async () => {
  if (!picture.dirty() || address().get("image") === picture.id) return follow(true);
  history.pushState({ opened: true }, "", `?${withImage(picture.id)}`); // stays, until that is settled
  if (await picture.mayLeave()) history.back();
});

const allImages = (to) => FILTERS.forEach((name) => to.delete(name));

function withImage(id) {
  const to = address();
  to.set("image", id);
  return to;
}

// The wall. Rows as high as one another, each picture in its own proportions; what is far from the window is not there.

const GAP = 6;
const SIZES = [160, 320, 640];
const THIN = 0.4; // the narrowest and the widest that a place is, of its height
const WIDE = 4;

const wall = {
  images: [], // what a tile needs of each
  ids: new Set(),
  rows: [], // first image, the one after the last, y, height
  tiles: new Map(), // by id
  next: "", // a cursor; null at the end
  failed: null,
  current: null, // the id that the keyboard is at

  keep() {
    const { images, next } = this;
    if (next === "") return;
    views.delete(shown);
    views.set(shown, { images, next, y: scrollY });
    if (views.size > VIEWS) views.delete(views.keys().next().value);
  },

  show(view) {
    this.loading?.abort();
    for (const tile of this.tiles.values()) tile.end();
    this.tiles.clear();
    const images = view ? view.images.filter((image) => !gone.has(image.id)) : [];
    Object.assign(this, { images, ids: new Set(images.map((image) => image.id)), next: view ? view.next : "", failed: null, loading: null, current: null });
    this.lay();
    scrollTo(0, view ? view.y : 0);
    this.draw();
    this.say();
    if (!view) this.load();
  },

  async load() {
    if (this.loading || this.next === null) return;
    const loading = (this.loading = new AbortController());
    const first = this.next === "";
    this.failed = null;
    this.say();
    try {
      const query = new URLSearchParams(shown);
      query.set("limit", first ? 50 : 200);
      if (!first) query.set("cursor", this.next);
      const page = await (await ask(`${API}?${query}`, { signal: loading.signal })).json();
      if (loading.signal.aborted) return;
      const from = this.images.length;
      for (const image of page.images) {
        if (this.ids.has(image.id) || gone.has(image.id)) continue;
        this.ids.add(image.id);
        this.images.push(brief(image));
      }
      Object.assign(this, { next: page.next, loading: null });
      this.lay(from);
      this.say();
      this.draw();
      if (first) $("heard").textContent = page.next ? `The first ${this.images.length} images` : $("state").innerText.split("\n")[0];
    } catch (error) {
      if (loading.signal.aborted) return;
      Object.assign(this, { loading: null, failed: error });
      if (error.retryAfter || !error.status) sleep(error.retryAfter || 5).then(() => this.failed === error && this.load());
      this.say();
    }
  },

  // Lays out the rows from the image of that number on.
  lay(from = 0) {
    const width = $("grid").clientWidth;
    const target = width < 560 ? 128 : width < 1100 ? 190 : 230;
    const room = (count) => width - GAP * (count - 1);
    this.rows.length = from && Math.max(0, this.find("first", from) - 1); // one before ended where it did for this one
    let { y, height, end: first } = this.rows.at(-1) ?? { y: -GAP, height: 0, end: 0 };
    y += height + GAP;
    while (first < this.images.length) {
      let [sum, end] = [0, first];
      while (end < this.images.length && (end === first || sum * target < room(end - first))) sum += ratio(this.images[end++]);
      height = target;
      if (sum * target >= room(end - first)) {
        height = room(end - first) / sum;
        const taller = end - first > 1 ? room(end - first - 1) / (sum - ratio(this.images[end - 1])) : Infinity;
        if (taller / target < target / height) [height, end] = [taller, end - 1];
      }
      this.rows.push({ first, end, y, height });
      y += height + GAP;
      first = end;
    }
    $("grid").style.height = this.next === "" ? "100vh" : `${Math.max(0, y - GAP)}px`; // what is below comes once, and stays
  },

  // The last row that begins at or before that.
  find(what, value) {
    let [low, high] = [0, this.rows.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.rows[middle][what] <= value) low = middle;
      else high = middle - 1;
    }
    return low;
  },

  draw() {
    const height = innerHeight;
    const top = scrollY - $("grid").offsetTop;
    const [from, to] = [this.find("y", top - height), this.find("y", top + 2 * height)];
    const rows = this.rows.slice(from, to + 1);
    const wanted = new Set();
    for (const { first, end } of rows) for (let n = first; n < end; n++) wanted.add(this.images[n].id);
    const focused = document.activeElement.parentElement;
    for (const [id, tile] of this.tiles) if (!wanted.has(id) && (tile.element !== focused || !this.ids.has(id))) this.drop(id);
    let next = $("grid").firstElementChild;
    if (next === focused && next && !wanted.has(next.dataset.id)) next = next.nextElementSibling;
    let visible; // the first one
    for (const row of rows) {
      for (let n = row.first, x = 0; n < row.end; n++) {
        const image = this.images[n];
        let tile = this.tiles.get(image.id);
        if (!tile) this.tiles.set(image.id, (tile = new Tile(image)));
        if (tile.element === next) next = next.nextElementSibling;
        else $("grid").insertBefore(tile.element, next);
        const width = ratio(image) * row.height;
        tile.place(n, x, row.y, width, row.height);
        x += width + GAP;
        if (row.y >= top) visible ??= tile;
      }
    }
    this.stopAt(this.tiles.get(this.current) ?? visible);
    // What only flies by is not asked for.
    const flies = Math.abs(top - this.top) > height / 8;
    this.top = top;
    clearTimeout(this.resting);
    if (flies) this.resting = setTimeout(() => this.begin(), 100);
    else this.begin();
    if (!this.failed && top + 3 * height > $("grid").clientHeight) this.load();
  },

  // Thumbnails, from the middle of the window outwards.
  begin() {
    const middle = this.top + innerHeight / 2;
    const waiting = [...this.tiles.values()].filter((tile) => !tile.begun);
    const distance = (tile) => Math.abs(tile.y + tile.height / 2 - middle);
    for (const tile of waiting.sort((a, b) => distance(a) - distance(b))) tile.load();
  },

  // One tile is where Tab gets to; arrows lead on from there.
  stopAt(tile) {
    if (this.stop) this.stop.link.tabIndex = -1;
    if (tile) tile.link.tabIndex = 0;
    this.stop = tile;
  },

  drop(id) {
    this.tiles.get(id).end();
    this.tiles.delete(id);
  },

  say() {
    const state = $("state");
    const few = !this.images.length;
    document.body.classList.toggle("busy", Boolean(this.loading && few));
    state.className = few ? "empty" : "";
    state.hidden = !this.failed && this.next === "";
    if (this.failed) {
      if (few) $("grid").style.height = 0;
      const soon = this.failed.retryAfter || !this.failed.status ? " Trying again…" : "";
      const again = make("button", { type: "button", text: "Try again", onclick: () => this.load() });
      const all = shown && this.failed.status === 422 ? make("button", { type: "button", text: "Show all images", onclick: () => go(allImages) }) : "";
      state.replaceChildren(make("span", { class: "bad", role: "alert", text: this.failed.message + soon }), again, all);
    } else if (this.next !== null) {
      state.replaceChildren("Loading…");
    } else if (!few) {
      state.replaceChildren(this.images.length === 1 ? "One image" : `${this.images.length.toLocaleString()} images`);
    } else if (shown) {
      state.replaceChildren(icon("#search svg"), "No images match.", make("button", { type: "button", text: "Show all images", onclick: () => go(allImages) }));
    } else {
      const button = make("button", { type: "button", class: "primary", text: "Choose images", onclick: () => $("files").click() });
      state.replaceChildren(icon("h1 svg"), "No images yet. Drop some anywhere on this page.", button);
    }
  },

  // What changed elsewhere on the page.
  number(id) {
    return this.ids.has(id) ? this.images.findIndex((image) => image.id === id) : -1;
  },

  put(image) {
    const number = this.number(image.id);
    if (number >= 0) this.images[number] = brief(image);
    this.tiles.get(image.id)?.show(brief(image));
  },

  remove(id) {
    const number = this.number(id);
    if (number < 0) return number;
    this.anchored(number, () => this.images.splice(number, 1));
    this.ids.delete(id);
    this.draw();
    return number;
  },

  insert(image, number) {
    if (this.ids.has(image.id)) return;
    this.ids.add(image.id);
    this.anchored(number, () => this.images.splice(number, 0, brief(image)));
  },

  // Lays out anew; what one looks at stays where it is.
  anchored(from, change = () => {}) {
    const off = scrollY - $("grid").offsetTop;
    const row = off > 0 && this.rows[this.find("y", off)];
    const at = row && this.images[row.first];
    change();
    this.lay(from);
    const number = at ? this.images.indexOf(at) : -1;
    if (number >= 0) scrollBy(0, this.rows[this.find("first", number)].y - row.y);
    this.say();
    this.draw();
  },
};

const brief = ({ id, title, filename, width, height }) => ({ id, title, filename, width, height });
const icon = (of) => document.querySelector(of).cloneNode(true);

function ratio(image) {
  return Math.min(WIDE, Math.max(THIN, image.width / image.height));
}

class Tile {
  constructor(image) {
    this.loading = new AbortController();
    this.picture = make("img", { alt: "", draggable: "false" });
    this.caption = make("span", { class: "caption", dir: "auto" });
    this.link = make("a", { href: `?${withImage(image.id)}`, tabindex: -1, draggable: "false" }, this.picture, this.caption);
    this.element = make("li", { "data-id": image.id }, this.link);
    this.show(image);
  }

  show(image) {
    this.image = image;
    this.caption.textContent = nameOf(image);
  }

  place(number, x, y, width, height) {
    const at = `${number} ${x} ${y} ${width} ${height}`;
    if (at === this.at) return;
    Object.assign(this, { at, y, width, height });
    const { style } = this.element;
    style.width = `${width}px`;
    style.height = `${height}px`;
    style.translate = `${x}px ${y}px`;
    this.element.setAttribute("aria-posinset", number + 1);
    this.element.setAttribute("aria-setsize", wall.next === null ? wall.images.length : -1);
  }

  async load() {
    this.begun = true;
    const pixels = Math.max(this.width, this.height) * devicePixelRatio;
    const size = SIZES.find((size) => size >= pixels * 0.9) ?? SIZES.at(-1);
    try {
      this.url = await objectURL(`${API}/${this.image.id}/thumbnail?size=${size}`, this.loading.signal, 5);
      this.picture.src = this.url;
      await this.picture.decode();
      this.picture.className = "there";
    } catch {
      if (!this.loading.signal.aborted) this.link.className = "none";
    }
  }

  end() {
    this.loading.abort();
    if (this.url) URL.revokeObjectURL(this.url);
    this.element.remove();
  }
}

// A URL of an answer's bytes: an <img> could not send a token. Who is away or has too much to do is asked again.
async function objectURL(url, signal, attempts = 1) {
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await ask(url, { signal });
      const blob = await response.blob();
      signal?.throwIfAborted();
      return URL.createObjectURL(blob);
    } catch (error) {
      if ((error.status && error.status !== 503) || signal?.aborted || attempt >= attempts) throw error;
      await sleep(2 ** attempt / 2);
      signal?.throwIfAborted();
    }
  }
}

let drawing = 0;
addEventListener("scroll", () => (drawing ||= requestAnimationFrame(() => ((drawing = 0), wall.draw()))), { passive: true });
let width = $("grid").clientWidth;
new ResizeObserver(() => {
  if (width === $("grid").clientWidth) return;
  width = $("grid").clientWidth;
  wall.anchored(0);
}).observe($("grid"));
addEventListener("online", () => wall.failed && wall.load());

$("grid").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  go((to) => to.set("image", link.parentElement.dataset.id));
});

$("grid").addEventListener("focusin", ({ target }) => {
  wall.current = target.parentElement.dataset.id;
  wall.stopAt(wall.tiles.get(wall.current));
});

$("grid").addEventListener("keydown", (event) => {
  const here = wall.number(event.target.parentElement.dataset.id);
  if (here < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  const [left, last] = [getComputedStyle($("grid")).direction === "rtl" ? 1 : -1, wall.images.length - 1];
  const there = { ArrowRight: here - left, ArrowLeft: here + left, ArrowDown: nearest(here, 1), ArrowUp: nearest(here, -1), Home: 0, End: last }[event.key];
  if (there === undefined) return;
  event.preventDefault();
  focusTile(Math.min(Math.max(there, 0), last));
});

// The image of the row above or below that is nearest.
function nearest(number, step) {
  const at = wall.find("first", number);
  const [from, to] = [wall.rows[at], wall.rows[at + step]];
  if (!to) return number;
  const middles = ({ first, end, height }) => {
    let x = 0;
    return wall.images.slice(first, end).map((image) => (x += ratio(image) * height + GAP) - (ratio(image) * height) / 2);
  };
  const x = middles(from)[number - from.first];
  const off = middles(to).map((middle) => Math.abs(middle - x));
  return to.first + off.indexOf(Math.min(...off));
}

function focusTile(number) {
  if (!wall.images.length) return;
  const { y, height } = wall.rows[wall.find("first", number)];
  const [top, header] = [$("grid").offsetTop + y, document.querySelector("body > header").offsetHeight];
  if (top < scrollY + header) scrollTo(0, top - header - GAP);
  else if (top + height > scrollY + innerHeight) scrollTo(0, top + height - innerHeight + GAP);
  wall.draw();
  wall.tiles.get(wall.images[number].id)?.link.focus({ preventScroll: true });
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  wall.stop?.link.focus();
});

// Search and filters.

function fillForms(wanted) {
  const form = $("filters").elements;
  $("search").elements.q.value = wanted.get("q") ?? "";
  form.content_type.value = wanted.get("content_type") ?? "";
  form.sort.value = wanted.get("sort") === "newest" ? "" : (wanted.get("sort") ?? "");
  form.from.value = day(wanted.get("created_after"));
  form.until.value = day(wanted.get("created_before"), -1);
  const chips = wanted.getAll("tag").map((tag) => chip(tag, `Remove the tag ${tag}`, () => go((to) => without(to, "tag", tag))));
  const labels = {
    content_type: (value) => value.replace("image/", "").toUpperCase(),
    created_after: (value) => `From ${date(value)}`,
    created_before: (value) => `Until ${date(value, -1)}`,
  };
  for (const [name, label] of Object.entries(labels))
    for (const value of wanted.getAll(name)) chips.push(chip(label(value), "Remove this filter", () => go((to) => to.delete(name))));
  if (chips.length > 1) chips.push(make("button", { type: "button", class: "plain", text: "Clear all", onclick: () => go((to) => ["tag", ...Object.keys(labels)].forEach((name) => to.delete(name))) }));
  $("chips").replaceChildren(...chips.map((one) => make("li", {}, one)));
  entitle();
}

function entitle() {
  const wanted = filters();
  const view = [wanted.get("q"), ...wanted.getAll("tag")].filter(Boolean).join(", ");
  document.title = [picture.id && picture.image && nameOf(picture.image), view, "Images"].filter(Boolean).join(" · ");
}

function chip(text, label, remove) {
  const cross = make("button", { type: "button", class: "plain", "aria-label": label, title: label, onclick: remove, text: "×" });
  return make("span", { class: "chip" }, make("bdi", { text }), cross);
}

function without(parameters, name, value) {
  const kept = parameters.getAll(name).filter((other) => other !== value);
  parameters.delete(name);
  kept.forEach((other) => parameters.append(name, other));
}

// The API's moments are the beginnings and ends of local days.
function local(moment, days = 0) {
  const date = new Date(moment);
  date.setDate(date.getDate() + days);
  return date;
}

function day(moment, days) {
  const date = local(moment ?? NaN, days);
  if (isNaN(date)) return "";
  return [String(date.getFullYear()).padStart(4, "0"), date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}

function date(text, days) {
  const begins = local(text).getHours() + local(text).getMinutes() === 0;
  return begins ? local(text, days).toLocaleDateString(undefined, { dateStyle: "medium" }) : moment(text);
}

function beginning(day, days) {
  const [year, month, date] = day.split("-").map(Number);
  return new Date(year, month - 1, date + days).toISOString();
}

function set(name, value) {
  go((to) => (value ? to.set(name, value) : to.delete(name)));
}

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  set("q", event.target.elements.q.value.trim());
});
$("search").elements.q.addEventListener("search", ({ target }) => target.value || set("q")); // by its cross

function toggle(open) {
  $("filters").hidden = !open;
  $("toggle").setAttribute("aria-expanded", open);
  (open ? $("with") : $("toggle")).focus();
}

$("toggle").addEventListener("click", () => toggle($("filters").hidden));
$("filters").addEventListener("keydown", (event) => event.key === "Escape" && !event.defaultPrevented && toggle(false));
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("filters").addEventListener("change", ({ target }) => {
  if (target.name === "tag" || !target.validity.valid) return; // as a year of which the first digits are typed
  if (target.name === "from") set("created_after", target.value && beginning(target.value, 0));
  else if (target.name === "until") set("created_before", target.value && beginning(target.value, 1));
  else set(target.name, target.value);
});

// A combobox of the tags that there are, with the number of their images.
function suggest(input, choose) {
  const list = make("ul", { id: `${input.id}-known`, role: "listbox", "aria-label": "Tags", class: "known", hidden: true });
  input.after(list);
  for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": false, "aria-controls": list.id })) input.setAttribute(name, value);
  let timer;
  let at = -1;
  const mark = (number) => {
    list.children[at]?.setAttribute("aria-selected", false);
    at = number;
    list.children[at]?.setAttribute("aria-selected", true);
    list.children[at]?.scrollIntoView({ block: "nearest" });
    if (at < 0) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", list.children[at].id);
  };
  const fill = (tags) => {
    clearTimeout(timer);
    list.replaceChildren(...tags.map(({ tag, images, estimated }, number) => {
      const count = make("span", { class: "faint", text: `${estimated ? "≈ " : ""}${images.toLocaleString()}` });
      return make("li", { role: "option", id: `${list.id}-${number}`, "data-tag": tag, "aria-selected": false }, make("bdi", { text: tag }), count);
    }));
    list.hidden = !tags.length;
    input.setAttribute("aria-expanded", !list.hidden);
    mark(-1);
  };
  const look = async () => {
    const prefix = input.value.trim();
    try {
      const { tags } = await (await ask(`v1/tags?${new URLSearchParams({ prefix, limit: 12 })}`)).json();
      if (document.activeElement === input && input.value.trim() === prefix) fill(tags);
    } catch {
      fill([]); // suggestions are no more than that
    }
  };
  const take = (tag) => {
    input.value = "";
    fill([]);
    if (tag) choose(tag);
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, 120);
  });
  input.addEventListener("blur", () => fill([]));
  input.addEventListener("keydown", (event) => {
    const count = list.children.length;
    if (event.key === "ArrowDown" && !count) look();
    else if (event.key === "ArrowDown") mark((at + 1) % count);
    else if (event.key === "ArrowUp" && count) mark((Math.max(at, 0) + count - 1) % count);
    else if (event.key === "Escape" && count) fill([]);
    else if (event.key === "Enter" && !event.isComposing && (at >= 0 || input.value.trim())) take(list.children[at]?.dataset.tag ?? input.value.trim());
    else return;
    event.preventDefault();
  });
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the focus stays
  list.addEventListener("click", ({ target }) => take(target.closest("li")?.dataset.tag));
}

suggest($("with"), (tag) => address().getAll("tag").includes(tag) || go((to) => to.append("tag", tag)));

// The picture that is open.

const FIELDS = ["title", "description", "tags"];
const LARGE = 16e6; // bytes: what is larger is shown as its largest thumbnail
const MOVES = ["image/gif", "image/webp"];

const picture = {
  id: null,
  image: null,
  etag: null,
  base: null, // what the form was filled with
  tags: [],
  turn: null, // ends what is loaded for a picture that is not looked at any more

  async open(id) {
    this.turn?.abort();
    const { signal } = (this.turn = new AbortController());
    Object.assign(this, { id, image: null, etag: null, base: null });
    const known = wall.images[wall.number(id)];
    this.note();
    this.changed();
    $("saved").textContent = "";
    $("fields").disabled = $("download").disabled = $("delete").disabled = true;
    $("picture-title").textContent = known ? nameOf(known) : "";
    if (!$("picture").open) $("picture").showModal();
    this.steps();
    $("full").removeAttribute("src");
    $("full").alt = "";
    const looking = known && this.look(known, signal);
    try {
      const answer = await ask(`${API}/${id}`, { signal });
      const image = await answer.json();
      this.etag = tagOf(answer);
      this.fill(image);
      this.show(image);
      $("fields").disabled = $("download").disabled = $("delete").disabled = false;
      wall.put(image);
      await (looking ?? this.look(image, signal));
      this.sharpen(image, signal);
    } catch (error) {
      if (signal.aborted) return;
      $("facts").replaceChildren();
      const again = make("button", { type: "button", text: "Try again", onclick: () => this.open(id) });
      if (error.status === 404 || error.status === 405) this.note("This image is not here, or not any more.", "bad");
      else this.note("", "bad", error.message, make("div", { class: "row" }, again));
    }
  },

  async look(image, signal) {
    const full = $("full");
    full.style.maxWidth = `${image.width}px`;
    full.style.maxHeight = `${image.height}px`;
    const url = wall.tiles.get(image.id)?.url;
    if (url) full.src = url;
    try {
      await this.draw(`${API}/${image.id}/thumbnail?size=1280`, signal);
      const next = wall.images[wall.number(image.id) + 1];
      if (next) await (await ask(`${API}/${next.id}/thumbnail?size=1280`, { signal })).blob(); // into the browser's cache
    } catch (error) {
      if (!signal.aborted && !full.src) this.note(error.status === 404 ? "There is no picture of this image." : error.message, "care");
    }
  },

  // The image itself where it moves, or has more to show than a thumbnail; else that stays.
  async sharpen({ id, content_type, byte_size, width, height }, signal) {
    const more = Math.max(width, height) > 1280 && content_type !== "image/tiff" && devicePixelRatio * $("full").clientWidth > 1280;
    if (byte_size > LARGE || !(more || MOVES.includes(content_type))) return;
    await this.draw(`${API}/${id}/content`, signal).catch(() => {});
  },

  async draw(path, signal) {
    const url = await objectURL(path, signal, 3);
    const image = new Image();
    image.src = url;
    await image.decode().catch(() => {});
    if (signal.aborted || !image.naturalWidth) return URL.revokeObjectURL(url);
    $("full").src = url;
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = url;
  },

  show(image) {
    this.image = image;
    $("picture-title").textContent = nameOf(image);
    $("full").alt = image.description || nameOf(image);
    const facts = {
      "File name": image.filename,
      Type: image.content_type.replace("image/", "").toUpperCase(),
      Size: `${image.width} × ${image.height}, ${bytes(image.byte_size)}`,
      Stored: moment(image.created_at),
      Changed: moment(image.updated_at),
      "SHA-256": make("code", { text: image.sha256 }),
    };
    if (Object.keys(image.attributes).length) facts.Attributes = make("pre", { text: JSON.stringify(image.attributes, null, 2) });
    $("facts").replaceChildren(...terms(facts));
    entitle();
  },

  steps() {
    const number = wall.number(this.id);
    $("previous").hidden = number < 1;
    $("next").hidden = number < 0 || number === wall.images.length - 1;
    if (number > wall.images.length - 10) wall.load();
  },

  async step(by) {
    const number = wall.number(this.id);
    const other = wall.images[number + by];
    if (number < 0 || !other || !(await this.mayLeave())) return;
    go((to) => to.set("image", other.id), true);
    if (!$("picture").contains(document.activeElement)) $("close").focus(); // an arrow that is not there at the end
  },

  // The form. Title, description and tags are kept as the controls have them.

  of(image) {
    const text = (value) => (value ?? "").replace(/\r\n?/g, "\n");
    return { title: text(image.title).replaceAll("\n", ""), description: text(image.description), tags: image.tags };
  },

  values() {
    const form = $("edit").elements;
    return { title: form.title.value, description: form.description.value, tags: this.tags };
  },

  set(name, value) {
    if (name === "tags") this.setTags(value);
    else $("edit").elements[name].value = value;
  },

  // All of it, or what one has not changed.
  fill(image, all = true) {
    const [mine, base, now] = [this.values(), this.base, this.of(image)];
    for (const name of FIELDS) if (all || same(mine[name], base[name])) this.set(name, now[name]);
    if (all) $("tag").value = "";
    this.base = now;
    this.changed();
  },

  setTags(tags) {
    this.tags = tags;
    const remove = (tag) => () => {
      this.setTags(this.tags.filter((other) => other !== tag));
      this.changed();
      $("tag").focus();
    };
    $("tags").replaceChildren(...tags.map((tag) => make("li", {}, chip(tag, `Remove the tag ${tag}`, remove(tag)))));
  },

  addTag(tag) {
    if (!this.tags.includes(tag)) this.setTags([...this.tags, tag]);
    this.changed();
  },

  patch() {
    if (!this.base) return {};
    const now = Object.entries(this.values()).filter(([name, value]) => !same(value, this.base[name]));
    return Object.fromEntries(now.map(([name, value]) => [name, value === "" ? null : value]));
  },

  dirty() {
    return this.base !== null && ($("tag").value.trim() !== "" || Object.keys(this.patch()).length > 0);
  },

  changed() {
    const dirty = this.dirty();
    $("save").disabled = !dirty;
    $("discard").hidden = !dirty;
    if (dirty) $("saved").textContent = "";
  },

  discard() {
    this.fill(this.image);
    this.note();
  },

  // Returns whether it is saved.
  async save() {
    const tag = $("tag").value.trim();
    $("tag").value = "";
    if (tag) this.addTag(tag);
    const [id, patch, sent] = [this.id, this.patch(), this.values()];
    if (!Object.keys(patch).length) return true;
    $("save").disabled = true;
    try {
      const headers = { "Content-Type": "application/merge-patch+json", "If-Match": this.etag ?? "*" };
      const answer = await ask(`${API}/${id}`, { method: "PATCH", headers, body: JSON.stringify(patch) });
      const image = await answer.json();
      wall.put(image);
      if (this.id !== id) return true;
      this.etag = tagOf(answer);
      this.base = sent; // what was typed meanwhile stays
      this.fill(image, false);
      this.show(image);
      this.note();
      $("saved").textContent = "Saved";
      return true;
    } catch (error) {
      if (this.id !== id) toast(`Not saved: ${error.message}`);
      else if (error.status === 412) return this.merge(id).catch((error) => this.unsaved(error));
      else this.unsaved(error);
      return false;
    }
  },

  unsaved(error) {
    this.note(error.status === 404 ? "Not saved: this image was deleted meanwhile." : `Not saved. ${error.message}`, "bad");
    this.changed();
    return false;
  },

  // Somebody else was faster. Where both changed the same, one is asked; else both go together.
  async merge(id) {
    const answer = await ask(`${API}/${id}`);
    const image = await answer.json();
    if (this.id !== id) return false;
    const [was, theirs, mine, patch] = [this.base, this.of(image), this.values(), this.patch()];
    const changed = FIELDS.filter((name) => !same(was[name], theirs[name]));
    const both = changed.filter((name) => name in patch && !same(mine[name], theirs[name]));
    this.etag = tagOf(answer);
    this.fill(image, false);
    this.show(image);
    wall.put(image);
    if (!both.length) {
      const saved = await this.save();
      if (saved && changed.length) this.note(`Somebody else changed this image meanwhile (${changed.join(", ")}). Both changes are kept.`);
      return saved;
    }
    const text = (value) => (Array.isArray(value) ? value.join(", ") : value) || "nothing";
    const take = () => {
      both.forEach((name) => this.set(name, theirs[name]));
      this.note();
      this.changed();
      $("edit").elements[both[0] === "tags" ? "tag" : both[0]].focus();
    };
    this.note("", "care", make("strong", { text: "Somebody else changed this image meanwhile. It is not saved yet." }),
      ...both.map((name) => make("dl", { class: "theirs" }, ...terms({ [`Their ${name}`]: text(theirs[name]), [`My ${name}`]: text(mine[name]) }))),
      make("div", { class: "row" }, make("button", { type: "button", class: "primary", text: "Keep mine", onclick: () => this.save() }), make("button", { type: "button", text: "Take theirs", onclick: take })));
    return false;
  },

  note(text = "", kind = "", ...more) {
    $("note").className = `note ${kind}`;
    $("note").replaceChildren(...(text ? [text] : []), ...more);
    $("note").hidden = !text && !more.length;
    if ($("note").hidden) return;
    $("note").scrollIntoView({ block: "nearest" });
    $("note").querySelector("button, input")?.focus({ preventScroll: true });
  },

  // Whether what is not saved may be left: saved now, thrown away, or not.
  async mayLeave() {
    if (!this.dirty()) return true;
    return new Promise((done) => {
      const answer = (value) => {
        this.note();
        done(value);
      };
      const button = (text, onclick, kind) => make("button", { type: "button", class: kind, text, onclick });
      this.note("", "care", make("strong", { text: "There are changes that are not saved." }), make("div", { class: "row" },
        button("Save", async () => (await this.save()) && answer(true), "primary"),
        button("Discard", () => (this.discard(), answer(true))),
        button("Keep editing", () => (answer(false), $("edit").elements.title.focus()), "plain")));
    });
  },

  async leave() {
    if (!(await this.mayLeave()) || !this.id) return;
    this.close();
    if (history.state?.opened) history.back();
    else go((to) => to.delete("image"), true);
  },

  close() {
    if (!this.id) return;
    this.turn.abort();
    const number = wall.number(this.id);
    Object.assign(this, { id: null, image: null, base: null });
    $("picture").close();
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
    $("full").removeAttribute("src");
    $("facts").replaceChildren();
    entitle();
    if (number >= 0) focusTile(number);
  },
};

const tagOf = (answer) => answer.headers.get("ETag")?.replace("-gzip", "");
const terms = (facts) => Object.entries(facts).flatMap(([name, value]) => [make("dt", { text: name }), make("dd", { dir: "auto" }, value)]);

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || $("token").open) return;
  const typing = event.target.closest("input, textarea, select");
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
  const undo = $("toasts").lastElementChild?.querySelector("button");
  if (event.key === "Escape" && picture.id) picture.leave();
  else if (event.key === "s" && !plain && !event.altKey && picture.id) picture.save();
  else if (event.key === "z" && !plain && !event.altKey && !typing && undo) undo.click();
  else if (typing || !plain) return;
  else if (event.key === "ArrowLeft" && picture.id) picture.step(-1);
  else if (event.key === "ArrowRight" && picture.id) picture.step(1);
  else if (event.key === "/" && !picture.id) $("search").elements.q.focus();
  else return;
  event.preventDefault();
});
$("picture").addEventListener("cancel", (event) => {
  event.preventDefault();
  picture.leave();
});
$("picture").addEventListener("close", () => picture.id && $("picture").showModal()); // a second try closes whatever one says
$("close").addEventListener("click", () => picture.leave());
$("previous").addEventListener("click", () => picture.step(-1));
$("next").addEventListener("click", () => picture.step(1));

let touched = null;
$("full").addEventListener("touchstart", ({ touches }) => (touched = touches.length === 1 && touches[0].clientX), { passive: true });
$("full").addEventListener("touchend", ({ changedTouches }) => {
  const by = changedTouches[0].clientX - touched;
  if (touched !== false && Math.abs(by) > 60 && visualViewport.scale === 1) picture.step(by < 0 ? 1 : -1);
});

$("edit").addEventListener("input", () => picture.changed());
$("edit").addEventListener("submit", (event) => {
  event.preventDefault();
  picture.save();
});
$("discard").addEventListener("click", () => {
  picture.discard();
  $("edit").elements.title.focus();
});
suggest($("tag"), (tag) => picture.addTag(tag));
$("tag").addEventListener("keydown", (event) => {
  if (event.key !== "Backspace" || $("tag").value || !picture.tags.length) return;
  picture.setTags(picture.tags.slice(0, -1));
  picture.changed();
});

$("copy").addEventListener("click", async () => {
  const link = new URL(`?image=${picture.id}`, location).href;
  try {
    await navigator.clipboard.writeText(link);
    toast("Link copied");
  } catch {
    picture.note("", "", make("label", { text: "The link" }, make("input", { value: link, readonly: true }))); // for one to copy
    $("note").querySelector("input").select();
  }
});

$("download").addEventListener("click", async () => {
  const { id, filename } = picture.image;
  const url = `${API}/${id}/content`;
  $("download").disabled = true;
  try {
    const href = await objectURL(url);
    make("a", { href, download: filename }).click();
    setTimeout(URL.revokeObjectURL, 60_000, href);
  } catch (error) {
    const { type } = error.status ? {} : await fetch(url, { headers: authorization(), redirect: "manual" }).catch(() => ({}));
    const elsewhere = "its bytes are in an object store that does not let this page have them: its CORS rules would have to.";
    toast(`Not downloaded: ${type === "opaqueredirect" ? elsewhere : error.message}`, 10);
  }
  $("download").disabled = false;
});

// A DELETE is sent when the time to undo it is over, or the page is left.

const leaving = new Map(); // by id: what to send

$("delete").addEventListener("click", async () => {
  const { id, image, etag } = picture;
  const view = shown;
  const request = { method: "DELETE", headers: etag ? { "If-Match": etag } : {} };
  leaving.set(id, request);
  gone.add(id);
  picture.base = null; // what was not saved goes, too
  await picture.leave();
  const number = wall.remove(id);
  if (number >= 0) focusTile(Math.min(number, wall.images.length - 1));
  const back = () => {
    gone.delete(id);
    if (shown !== view) wall.show();
    else if (number >= 0) wall.insert(image, Math.min(number, wall.images.length));
  };
  const undo = await toast(`Deleted ${nameOf(image)}`, 8, "Undo");
  if (!leaving.delete(id)) return;
  if (undo) {
    back();
    if (wall.number(id) >= 0) focusTile(wall.number(id));
    return;
  }
  try {
    await ask(`${API}/${id}`, request);
  } catch (error) {
    if (error.status === 404) return;
    back();
    toast(error.status === 412 ? `${nameOf(image)} was changed meanwhile, and is not deleted.` : `${nameOf(image)} is not deleted. ${error.message}`, 8);
  }
});

addEventListener("pagehide", () => {
  for (const [id, request] of leaving) fetch(`${API}/${id}`, { ...request, headers: { ...request.headers, ...authorization() }, keepalive: true });
  leaving.clear();
});

addEventListener("beforeunload", (event) => {
  if (picture.dirty() || uploads.left()) event.preventDefault();
});

// Uploads: some at once, each with its line.

const AT_ONCE = 3;
const KEPT = 100; // lines of what went well, and of what waits
const PATIENCE = 5; // times that a busy service is asked again

const uploads = {
  waiting: [],
  running: 0,
  counts: null,
  done: [], // lines of what went well, oldest first
  failed: new Set(),

  left() {
    return this.running + this.waiting.length;
  },

  add(files) {
    if (!files.length) return;
    if ($("tray").hidden && !this.left()) this.clear();
    $("tray").hidden = false;
    for (const file of files) {
      const upload = { file };
      if (this.waiting.length < KEPT) this.line(upload);
      this.waiting.push(upload);
    }
    this.go();
  },

  clear() {
    this.counts = { new: 0, "already here": 0, refused: 0 };
    this.failed.clear();
    this.done = [];
    $("tray").querySelector("ul").replaceChildren();
  },

  line(upload) {
    upload.bar = make("progress", { max: 1, value: 0, "aria-label": `Upload of ${upload.file.name}` });
    upload.result = make("span", { class: "result faint", text: "Waiting" });
    upload.element = make("li", {}, make("span", { class: "name", text: upload.file.name, title: upload.file.name, dir: "auto" }), upload.result, upload.bar);
    $("tray").querySelector("ul").append(upload.element);
  },

  go() {
    while (this.running < AT_ONCE && this.waiting.length) this.one(this.waiting.shift());
    this.say();
  },

  async one(upload) {
    this.running++;
    if (!upload.element) this.line(upload);
    const { bar, result } = upload;
    result.className = "result faint";
    bar.hidden = false;
    for (let attempt = 1; ; attempt++) {
      try {
        const { status, image } = await send(upload.file, (part) => {
          bar.value = part;
          result.textContent = part < 1 ? `${Math.floor(part * 100)} %` : "Checking…";
        });
        this.end(upload, status === 201, image);
        break;
      } catch (error) {
        if (!error.retryAfter || attempt === PATIENCE) {
          this.fail(upload, error);
          break;
        }
        result.textContent = `${error.message} Trying again…`;
        await sleep(error.retryAfter);
      }
    }
    this.running--;
    this.go();
    if (!this.left() && $("tray").hidden) toast($("tray-title").textContent, 8, "Show").then((show) => ($("tray").hidden = !show && $("tray").hidden));
  },

  end(upload, isNew, image) {
    this.counts[isNew ? "new" : "already here"]++;
    const open = (event) => {
      event.preventDefault();
      go((to) => to.set("image", image.id));
    };
    upload.result.replaceChildren(make("a", { href: `?image=${image.id}`, text: isNew ? "New" : "Already here", onclick: open }));
    upload.bar.hidden = true;
    this.done.push(upload.element);
    if (this.done.length > KEPT) this.done.shift().remove();
    if (isNew && !shown && wall.next !== "") wall.insert(image, 0);
  },

  fail(upload, error) {
    upload.bar.hidden = true;
    upload.result.className = "result bad";
    upload.result.textContent = [error.title !== error.message && error.status && error.title, error.message].filter(Boolean).join(": ");
    if (error.status >= 400 && error.status < 500 && ![408, 429].includes(error.status)) return this.counts.refused++;
    this.failed.add(upload);
    upload.again = make("button", { type: "button", text: "Retry", "aria-label": `Retry ${upload.file.name}`, onclick: () => this.retry([upload]) });
    upload.element.append(upload.again);
  },

  retry(some) {
    for (const upload of some) {
      this.failed.delete(upload);
      upload.again.remove();
      upload.result.className = "result faint";
      upload.result.textContent = "Waiting";
      this.waiting.push(upload);
    }
    $("tray").querySelector("ul").focus();
    this.go();
  },

  say() {
    const counts = Object.entries({ ...this.counts, failed: this.failed.size }).filter(([, count]) => count);
    const left = this.left();
    const results = counts.map(([what, count]) => `${count.toLocaleString()} ${what}`).join(", ");
    $("tray-title").textContent = [left ? `Uploading ${left.toLocaleString()}` : "Uploads", results].filter(Boolean).join(": ");
    $("again").hidden = this.failed.size < 2;
  },
};

// XMLHttpRequest, since fetch tells nothing of how far an upload is.
async function send(file, progress) {
  for (;;) {
    const token = sessionStorage.getItem("token");
    const request = new XMLHttpRequest();
    const form = new FormData();
    form.append("file", file);
    request.open("POST", API);
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded, total }) => progress(loaded / total));
    await new Promise((done) => {
      request.addEventListener("loadend", done);
      request.send(form);
    });
    const { status, response } = request;
    if (status === 200 || status === 201) return { status, image: response };
    if (status === 401) await login(token);
    else if (!status) throw new Problem(0, { detail: "The connection was lost, or the file cannot be read." });
    else throw new Problem(status, response, { get: (name) => request.getResponseHeader(name) });
  }
}

$("choose").addEventListener("click", () => $("files").click());
$("files").addEventListener("change", () => {
  uploads.add([...$("files").files]);
  $("files").value = "";
});
$("again").addEventListener("click", () => uploads.retry([...uploads.failed]));
$("close-tray").addEventListener("click", () => {
  $("tray").hidden = true;
  $("choose").focus();
});

const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
addEventListener("dragenter", (event) => carriesFiles(event) && $("drop").showPopover());
addEventListener("dragleave", (event) => event.relatedTarget || $("drop").hidePopover());
addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
addEventListener("drop", async (event) => {
  $("drop").hidePopover();
  if (!carriesFiles(event)) return;
  event.preventDefault();
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = entries.length ? [] : [...event.dataTransfer.files];
  for (const entry of entries) files.push(...(await within(entry)));
  if (!files.length) toast("Nothing to upload there.");
  uploads.add(files);
});
addEventListener("paste", (event) => uploads.add([...(event.clipboardData?.files ?? [])]));

// The files of a folder and of all in it, but for hidden ones.
async function within(entry) {
  if (entry.name.startsWith(".")) return [];
  if (entry.isFile) return [await new Promise((done, fail) => entry.file(done, fail)).catch(() => toast(`${entry.name} cannot be read.`) && null)].filter(Boolean);
  const [reader, found] = [entry.createReader(), []];
  for (;;) {
    const some = await new Promise((done) => reader.readEntries(done, () => done([])));
    if (!some.length) break;
    for (const one of some) found.push(...(await within(one)));
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

follow();
