// The gallery: a list of the API's, as a wall of thumbnails; a picture; uploads.
import { Problem, ask, authorization, bytes, login, make, moment, toast } from "./api.js";

const API = "v1/images";
const FILTERS = ["q", "tag", "content_type", "created_after", "created_before", "sort"];
const $ = (id) => document.getElementById(id);
const nameOf = (image) => image.title || image.filename;

// The address bar is the state: the API's own parameters, and `image` for the picture that is open.

let shown = null; // the filters that the wall is of

function address() {
  return new URLSearchParams(location.search);
}

function filters(from = address()) {
  const kept = new URLSearchParams();
  for (const name of FILTERS) for (const value of from.getAll(name)) if (value) kept.append(name, value);
  return kept;
}

function go(change, { replace = false } = {}) {
  const next = address();
  change(next);
  const query = next.toString();
  history[replace ? "replaceState" : "pushState"]({ within: true }, "", query ? `?${query}` : location.pathname);
  follow();
}

async function follow() {
  const wanted = filters();
  if (wanted.toString() !== shown) {
    shown = wanted.toString();
    fillForms(wanted);
    wall.reset();
  }
  const id = address().get("image");
  if (id !== picture.id) id ? picture.open(id) : picture.close();
}

addEventListener("popstate", async () => {
  if (picture.id && address().get("image") !== picture.id && !(await picture.mayLeave())) return;
  follow();
});

// The wall. Rows as high as one another, each picture in its own proportions; what is far from the window is not there.

const GAP = 6;
const SIZES = [160, 320, 640];
const THIN = 0.2; // the narrowest and the widest that a place is, of its height
const WIDE = 5;

const wall = {
  images: [],
  places: [], // of the images that are laid out: x, y, width, height
  rows: [], // first image, y, height
  tiles: new Map(), // by number of the image
  next: "",
  failed: null,

  reset() {
    this.loading?.abort();
    this.loading = null;
    for (const tile of this.tiles.values()) tile.end();
    this.tiles.clear();
    Object.assign(this, { images: [], places: [], rows: [], next: "", failed: null });
    $("grid").style.height = "0";
    scrollTo(0, 0);
    this.load();
  },

  async load() {
    if (this.loading || this.next === null) return;
    const loading = (this.loading = new AbortController());
    this.failed = null;
    this.say();
    try {
      const query = new URLSearchParams(shown);
      query.set("limit", this.images.length ? 200 : 50);
      if (this.next) query.set("cursor", this.next);
      const page = await (await ask(`${API}?${query}`, { signal: loading.signal })).json();
      const known = new Set(this.images.map((image) => image.id));
      this.images.push(...page.images.filter((image) => !known.has(image.id) && !leaving.has(image.id)));
      this.next = page.next;
      this.loading = null;
      this.lay();
    } catch (error) {
      if (loading.signal.aborted) return;
      this.loading = null;
      this.failed = error;
      if (error.retryAfter || !error.status) setTimeout(() => this.failed === error && this.load(), (error.retryAfter || 5) * 1000);
    }
    this.say();
  },

  // Lays out the images from the last full row on, or all of them.
  lay(all = false) {
    const width = $("grid").clientWidth;
    const target = width < 560 ? 128 : width < 1100 ? 190 : 230;
    if (all) Object.assign(this, { places: [], rows: [] });
    else if (this.rows.length) this.places.length = this.rows.pop().first;
    let y = this.rows.length ? this.rows.at(-1).y + this.rows.at(-1).height + GAP : 0;
    let first = this.places.length;
    for (let i = first, sum = 0; i < this.images.length; i++) {
      sum += ratio(this.images[i]);
      const room = width - GAP * (i - first);
      const full = sum * target >= room;
      if (!full && i < this.images.length - 1) continue;
      const height = full ? room / sum : target;
      for (let n = first, x = 0; n <= i; n++) {
        const w = ratio(this.images[n]) * height;
        this.places.push({ x, y, width: w, height });
        x += w + GAP;
      }
      this.rows.push({ first, y, height });
      y += height + GAP;
      first = i + 1;
      sum = 0;
    }
    $("grid").style.height = `${Math.max(0, y - GAP)}px`;
    for (const [number, tile] of this.tiles) if (this.images[number] !== tile.image) this.drop(number);
    this.draw();
  },

  drop(number) {
    this.tiles.get(number).end();
    this.tiles.delete(number);
  },

  draw() {
    const top = scrollY - $("grid").offsetTop;
    const [from, to] = [this.rowAt(top - innerHeight), this.rowAt(top + 2 * innerHeight)];
    const first = this.rows[from]?.first ?? 0;
    const last = (this.rows[to + 1]?.first ?? this.places.length) - 1;
    for (const number of this.tiles.keys())
      if ((number < first || number > last) && !this.tiles.get(number).element.contains(document.activeElement)) this.drop(number);
    for (let number = first; number <= last; number++) {
      const tile = this.tiles.get(number) ?? new Tile(this.images[number]);
      if (!this.tiles.has(number)) {
        this.tiles.set(number, tile);
        const after = [...this.tiles.keys()].filter((other) => other > number);
        $("grid").insertBefore(tile.element, after.length ? this.tiles.get(Math.min(...after)).element : null);
      }
      tile.place(this.places[number]);
    }
    const end = $("grid").offsetTop + $("grid").offsetHeight;
    if (!this.failed && scrollY + 3 * innerHeight > end) this.load();
  },

  rowAt(y) {
    let [low, high] = [0, this.rows.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.rows[middle].y <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  },

  say() {
    const state = $("state");
    state.className = "";
    if (this.failed) {
      const again = make("button", { type: "button", text: "Try again", onclick: () => this.load() });
      state.replaceChildren(make("span", { class: "bad", text: this.failed.message }), again);
    } else if (this.next !== null) {
      state.replaceChildren(this.loading ? "Loading…" : "");
    } else if (this.images.length) {
      const count = this.images.length.toLocaleString();
      state.replaceChildren(this.images.length === 1 ? "One image" : `${count} images`);
    } else if (shown) {
      state.className = "empty";
      const clear = make("button", { type: "button", text: "Show all images", onclick: () => go((to) => FILTERS.forEach((name) => to.delete(name))) });
      state.replaceChildren("No image is like that.", clear);
    } else {
      state.className = "empty";
      const button = make("button", { type: "button", class: "primary", text: "Choose images", onclick: () => $("files").click() });
      state.replaceChildren("No images yet. Drop some anywhere on this page.", button);
    }
  },

  // What changed elsewhere on the page.
  put(image) {
    const number = this.images.findIndex((other) => other.id === image.id);
    if (number < 0) return;
    this.images[number] = image;
    this.tiles.get(number)?.show(image);
  },

  remove(id) {
    const number = this.images.findIndex((image) => image.id === id);
    if (number < 0) return null;
    const [image] = this.images.splice(number, 1);
    this.lay(true);
    this.say();
    return { image, number };
  },

  insert(image, number) {
    if (this.images.some((other) => other.id === image.id)) return;
    const [before, anchor] = [this.places[this.rows[this.rowAt(scrollY)]?.first]?.y ?? 0, scrollY > 0 && this.rows.length];
    const at = this.images[this.rows[this.rowAt(scrollY)]?.first];
    this.images.splice(number, 0, image);
    this.lay(true);
    if (anchor) scrollBy(0, this.places[this.images.indexOf(at)].y - before); // what one looks at stays
    this.say();
  },
};

function ratio(image) {
  return Math.min(WIDE, Math.max(THIN, image.width / image.height));
}

class Tile {
  constructor(image) {
    this.loading = new AbortController();
    this.picture = make("img", { alt: "", draggable: "false" });
    this.caption = make("span", { class: "caption", dir: "auto" });
    this.link = make("a", {}, this.picture, this.caption);
    this.element = make("li", {}, this.link);
    this.show(image);
  }

  show(image) {
    this.image = image;
    this.caption.textContent = nameOf(image);
    const to = address();
    to.set("image", image.id);
    this.link.href = `?${to}`;
  }

  place({ x, y, width, height }) {
    const style = this.element.style;
    style.width = `${width}px`;
    style.height = `${height}px`;
    style.translate = `${x}px ${y}px`;
    this.begun ??= this.load(thumbnailSize(width, height));
  }

  async load(size) {
    try {
      this.url = await objectURL(`${API}/${this.image.id}/thumbnail?size=${size}`, this.loading.signal);
      this.picture.src = this.url;
      await this.picture.decode();
      this.picture.className = "there";
    } catch {
      if (!this.loading.signal.aborted) this.link.classList.add("none");
    }
  }

  end() {
    this.loading.abort();
    if (this.url) URL.revokeObjectURL(this.url);
    this.element.remove();
  }
}

function thumbnailSize(width, height) {
  const pixels = Math.max(width, height) * devicePixelRatio;
  return SIZES.find((size) => size >= pixels * 0.85) ?? SIZES.at(-1);
}

// A URL of an answer's bytes: an <img> could not send a token. Who has too much to do is asked again.
async function objectURL(url, signal) {
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await ask(url, { signal });
      return URL.createObjectURL(await response.blob());
    } catch (error) {
      if (error.status !== 503 || attempt === 4) throw error;
      await new Promise((done) => setTimeout(done, 1000 * attempt));
      signal?.throwIfAborted();
    }
  }
}

let drawing = 0;
addEventListener("scroll", () => (drawing ||= requestAnimationFrame(() => ((drawing = 0), wall.draw()))), { passive: true });
new ResizeObserver(() => wall.width !== $("grid").clientWidth && ((wall.width = $("grid").clientWidth), wall.lay(true))).observe($("grid"));

$("grid").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  go((to) => to.set("image", new URLSearchParams(link.search).get("image")));
});

$("grid").addEventListener("keydown", (event) => {
  const here = [...wall.tiles].find(([, tile]) => tile.link === document.activeElement)?.[0];
  if (here === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  const there = { ArrowRight: here + 1, ArrowLeft: here - 1, ArrowDown: nearest(here, 1), ArrowUp: nearest(here, -1), Home: 0, End: wall.images.length - 1 }[event.key];
  if (there === undefined) return;
  event.preventDefault();
  focusTile(Math.min(Math.max(there, 0), wall.images.length - 1));
});

function nearest(number, step) {
  const { x, width, y } = wall.places[number];
  const row = wall.rows[wall.rowAt(y) + step];
  if (!row) return number;
  const end = wall.rows[wall.rowAt(row.y) + 1]?.first ?? wall.places.length;
  let best = row.first;
  const off = (n) => Math.abs(wall.places[n].x + wall.places[n].width / 2 - x - width / 2);
  for (let n = row.first; n < end; n++) if (off(n) < off(best)) best = n;
  return best;
}

function focusTile(number) {
  const place = wall.places[number];
  if (!place) return;
  const [top, header] = [$("grid").offsetTop + place.y, document.querySelector("body > header").offsetHeight];
  if (top < scrollY + header) scrollTo(0, top - header - GAP);
  else if (top + place.height > scrollY + innerHeight) scrollTo(0, top + place.height - innerHeight + GAP);
  wall.draw();
  wall.tiles.get(number)?.link.focus({ preventScroll: true });
}

// Search and filters.

function fillForms(wanted) {
  const form = $("filters").elements;
  $("search").elements.q.value = wanted.get("q") ?? "";
  form.content_type.value = wanted.get("content_type") ?? "";
  form.sort.value = wanted.get("sort") === "newest" ? "" : (wanted.get("sort") ?? "");
  form.from.value = day(wanted.get("created_after"), 0);
  form.until.value = day(wanted.get("created_before"), -1);
  const chips = wanted.getAll("tag").map((tag) => chip(tag, `Without the tag ${tag}`, () => go((to) => without(to, "tag", tag))));
  for (const [name, label] of [["content_type", (value) => value.slice(6).toUpperCase()], ["created_after", (value) => `after ${moment(value)}`], ["created_before", (value) => `before ${moment(value)}`]])
    for (const value of wanted.getAll(name)) chips.push(chip(label(value), "Without this filter", () => go((to) => to.delete(name))));
  $("chips").replaceChildren(...chips.map((one) => make("li", {}, one)));
  document.title = wanted.get("q") || wanted.getAll("tag").join(", ") || "Images";
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
function day(moment, days) {
  if (!moment) return "";
  const date = new Date(moment);
  if (isNaN(date)) return "";
  date.setDate(date.getDate() + days);
  return [date.getFullYear().toString().padStart(4, "0"), date.getMonth() + 1, date.getDate()].map((part) => part.toString().padStart(2, "0")).join("-");
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
$("search").elements.q.addEventListener("search", (event) => set("q", event.target.value.trim()));

$("toggle").addEventListener("click", () => {
  $("filters").hidden = !$("filters").hidden;
  $("toggle").setAttribute("aria-expanded", String(!$("filters").hidden));
  if (!$("filters").hidden) $("filters").elements.tag.focus();
});

$("filters").addEventListener("submit", (event) => {
  event.preventDefault();
  addTag($("filters").elements.tag);
});
$("filters").addEventListener("change", ({ target }) => {
  if (target.name === "tag") addTag(target);
  else if (target.name === "from") set("created_after", target.value && beginning(target.value, 0));
  else if (target.name === "until") set("created_before", target.value && beginning(target.value, 1));
  else set(target.name, target.value);
});

function addTag(input) {
  const tag = input.value.trim();
  input.value = "";
  if (tag && !address().getAll("tag").includes(tag)) go((to) => to.append("tag", tag));
}

let suggesting;
for (const input of [$("filters").elements.tag, $("tag")])
  input.addEventListener("input", () => {
    clearTimeout(suggesting);
    suggesting = setTimeout(async () => {
      try {
        const answer = await ask(`v1/tags?${new URLSearchParams({ prefix: input.value.trim(), limit: 12 })}`);
        $("tags").replaceChildren(...(await answer.json()).tags.map(({ tag }) => make("option", { value: tag })));
      } catch {
        $("tags").replaceChildren(); // suggestions are no more than that
      }
    }, 150);
  });

// The picture that is open.

const picture = {
  id: null,
  image: null,
  etag: null,
  tags: [],
  turn: null, // ends what is loaded for a picture that is not looked at any more

  async open(id) {
    this.turn?.abort();
    const turn = (this.turn = new AbortController());
    Object.assign(this, { id, image: null, etag: null });
    const known = wall.images.find((image) => image.id === id);
    this.note();
    $("saved").textContent = "";
    $("full").removeAttribute("src");
    if (known) this.show(known);
    else {
      $("picture-title").textContent = "";
      $("facts").replaceChildren();
    }
    if (!$("picture").open) $("picture").showModal();
    this.look(id, turn.signal);
    try {
      const answer = await ask(`${API}/${id}`, { signal: turn.signal });
      const image = await answer.json();
      this.etag = answer.headers.get("ETag")?.replace("-gzip", "");
      this.show(image);
      wall.put(image);
    } catch (error) {
      if (!turn.signal.aborted) this.note(error.status === 404 ? "This image is not here, or not any more." : error.message, "bad");
    }
  },

  async look(id, signal) {
    const tile = [...wall.tiles.values()].find((one) => one.image.id === id);
    const full = $("full");
    if (tile?.url) full.src = tile.url;
    const old = this.url;
    try {
      this.url = await objectURL(`${API}/${id}/thumbnail?size=1280`, signal);
      if (old) URL.revokeObjectURL(old);
      full.src = this.url;
    } catch (error) {
      if (!signal.aborted && error.status !== 404) toast(`No picture: ${error.message}`);
    }
  },

  show(image) {
    this.image = image;
    const title = nameOf(image);
    $("picture-title").textContent = title;
    $("full").alt = image.description || title;
    const [w, h] = [image.width, image.height];
    if (!this.dirty()) this.fill(image);
    const facts = { "File name": image.filename, Type: image.content_type, Size: `${w} × ${h}, ${bytes(image.byte_size)}`, Stored: moment(image.created_at), Changed: moment(image.updated_at), "SHA-256": image.sha256 };
    const rows = Object.entries(facts).flatMap(([name, value]) => [make("dt", { text: name }), make("dd", { text: value, dir: "auto" })]);
    if (Object.keys(image.attributes).length) rows.push(make("dt", { text: "Attributes" }), make("dd", {}, make("pre", { text: JSON.stringify(image.attributes, null, 2) })));
    $("facts").replaceChildren(...rows);
    this.steps();
  },

  steps() {
    const number = wall.images.findIndex((image) => image.id === this.id);
    $("previous").hidden = number < 1;
    $("next").hidden = number < 0 || number === wall.images.length - 1;
    if (number > wall.images.length - 10) wall.load();
  },

  async step(by) {
    const number = wall.images.findIndex((image) => image.id === this.id);
    const other = wall.images[number + by];
    if (number < 0 || !other || !(await this.mayLeave())) return;
    go((to) => to.set("image", other.id), { replace: true });
  },

  // The form. `base` is what it was filled with.

  fill(image) {
    const form = $("edit").elements;
    this.base = { title: image.title ?? "", description: image.description ?? "", tags: image.tags };
    form.title.value = this.base.title;
    form.description.value = this.base.description;
    this.setTags(image.tags);
    this.changed();
  },

  setTags(tags) {
    this.tags = tags;
    for (const old of $("edit").querySelectorAll(".tags .chip")) old.remove();
    $("tag").before(
      ...tags.map((tag) =>
        chip(tag, `Remove the tag ${tag}`, () => {
          this.setTags(this.tags.filter((other) => other !== tag));
          this.changed();
          $("tag").focus();
        }),
      ),
    );
  },

  addTag() {
    const tag = $("tag").value.trim();
    $("tag").value = "";
    if (tag && !this.tags.includes(tag)) this.setTags([...this.tags, tag]);
    this.changed();
  },

  patch() {
    if (!this.base) return {};
    const form = $("edit").elements;
    const now = { title: form.title.value, description: form.description.value, tags: this.tags };
    const changed = Object.entries(now).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(this.base[name]));
    return Object.fromEntries(changed.map(([name, value]) => [name, value === "" ? null : value]));
  },

  dirty() {
    return this.id !== null && Object.keys(this.patch()).length > 0;
  },

  changed() {
    const dirty = this.dirty();
    $("save").disabled = !dirty;
    $("discard").hidden = !dirty;
    if (dirty) $("saved").textContent = "";
  },

  async save() {
    if ($("tag").value.trim()) this.addTag();
    const [id, patch] = [this.id, this.patch()];
    if (!Object.keys(patch).length) return true;
    $("save").disabled = true;
    try {
      const answer = await ask(`${API}/${id}`, {
        method: "PATCH",
        headers: { "Content-Type": "application/merge-patch+json", "If-Match": this.etag ?? "*" },
        body: JSON.stringify(patch),
      });
      const image = await answer.json();
      wall.put(image);
      if (this.id === id) {
        this.etag = answer.headers.get("ETag")?.replace("-gzip", "");
        this.note();
        this.fill(image);
        this.show(image);
        $("saved").textContent = "Saved";
      }
      return true;
    } catch (error) {
      if (error.status === 412) await this.conflict(patch);
      else this.note(`Not saved. ${error.message}`, "bad");
      this.changed();
      return false;
    }
  },

  // Somebody else was faster: theirs, beside what one was about to save.
  async conflict(patch) {
    const answer = await ask(`${API}/${this.id}`);
    const theirs = await answer.json();
    const text = (value) => (Array.isArray(value) ? value.join(", ") : value) || "nothing";
    const differing = ["title", "description", "tags"].filter((name) => JSON.stringify(theirs[name]) !== JSON.stringify(this.image[name]));
    const rows = differing.flatMap((name) => [make("dt", { text: name }), make("dd", { text: text(theirs[name]), dir: "auto" })]);
    this.etag = answer.headers.get("ETag")?.replace("-gzip", "");
    const mine = make("button", { type: "button", text: "Save mine all the same", onclick: () => this.save() });
    const take = make("button", {
      type: "button",
      text: "Take theirs",
      onclick: () => {
        this.note();
        this.fill(theirs);
        this.show(theirs);
      },
    });
    this.base = { title: theirs.title ?? "", description: theirs.description ?? "", tags: theirs.tags };
    this.image = theirs;
    wall.put(theirs);
    const untouched = differing.every((name) => !(name in patch));
    this.note("", "care", make("strong", { text: "This image was changed meanwhile" }), make("dl", {}, ...rows), make("div", { class: "row" }, mine, take));
    if (untouched) $("note").firstChild.after(make("span", { text: "Yours touches none of it." }));
  },

  note(text = "", kind = "", ...more) {
    $("note").className = `note ${kind}`;
    $("note").replaceChildren(...(text ? [text] : []), ...more);
    $("note").hidden = !text && !more.length;
  },

  // Whether what is not saved may be left: saved now, thrown away, or not.
  async mayLeave() {
    if (!this.dirty()) return true;
    const id = this.id;
    if (address().get("image") !== id) history.pushState({ within: true }, "", `?${withImage(id)}`); // back to it, for now
    return new Promise((done) => {
      const answer = (value) => {
        this.note();
        done(value);
      };
      this.note("", "care", make("strong", { text: "There are changes that are not saved." }), make("div", { class: "row" },
        make("button", { type: "button", class: "primary", text: "Save", onclick: async () => (await this.save()) && answer(true) }),
        make("button", { type: "button", text: "Discard", onclick: () => (this.fill(this.image), answer(true)) }),
        make("button", { type: "button", class: "plain", text: "Go on editing", onclick: () => answer(false) })));
      $("note").querySelector("button").focus();
    });
  },

  async leave() {
    if (!(await this.mayLeave())) return;
    if (history.state?.within && !address().get("alone")) history.back();
    else go((to) => to.delete("image"), { replace: true });
  },

  close() {
    this.turn?.abort();
    const id = this.id;
    Object.assign(this, { id: null, image: null, base: null });
    $("picture").close();
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
    $("full").removeAttribute("src");
    const number = wall.images.findIndex((image) => image.id === id);
    if (number >= 0) focusTile(number);
  },
};

function withImage(id) {
  const to = address();
  to.set("image", id);
  return to;
}

$("picture").addEventListener("cancel", (event) => {
  event.preventDefault();
  picture.leave();
});
$("close").addEventListener("click", () => picture.leave());
$("previous").addEventListener("click", () => picture.step(-1));
$("next").addEventListener("click", () => picture.step(1));
$("picture").addEventListener("keydown", (event) => {
  if (event.target.matches("input, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "ArrowLeft") picture.step(-1);
  if (event.key === "ArrowRight") picture.step(1);
});
$("edit").addEventListener("input", () => picture.changed());
$("edit").addEventListener("submit", (event) => {
  event.preventDefault();
  picture.save();
});
$("discard").addEventListener("click", () => {
  picture.fill(picture.image);
  picture.note();
});
$("tag").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && $("tag").value.trim()) {
    event.preventDefault();
    picture.addTag();
  }
  if (event.key === "Backspace" && !$("tag").value && picture.tags.length) {
    picture.setTags(picture.tags.slice(0, -1));
    picture.changed();
  }
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
  const image = picture.image;
  if (!image) return;
  try {
    const url = await objectURL(`${API}/${image.id}/content`);
    make("a", { href: url, download: image.filename }).click();
    setTimeout(URL.revokeObjectURL, 60_000, url);
  } catch (error) {
    toast(`Not downloaded: ${error.message}`);
  }
});

// A DELETE is sent when the time to undo it is over, or the page is left.

const leaving = new Map(); // by id: what to send

$("delete").addEventListener("click", async () => {
  const { id, image, etag } = picture;
  if (!image) return;
  const request = { method: "DELETE", headers: etag ? { "If-Match": etag } : {} };
  leaving.set(id, request);
  const was = wall.remove(id);
  picture.base = null; // what was not saved goes, too
  picture.leave();
  const back = () => was && filters().toString() === shown && wall.insert(was.image, Math.min(was.number, wall.images.length));
  const undo = await toast(`Deleted ${nameOf(image)}`, 8, "Undo");
  if (!leaving.delete(id)) return;
  if (undo) return back();
  try {
    await ask(`${API}/${id}`, request);
  } catch (error) {
    if (error.status === 404) return;
    back();
    toast(error.status === 412 ? `${nameOf(image)} was changed meanwhile, and is not deleted.` : `${nameOf(image)} is not deleted: ${error.message}`, 8);
  }
});

addEventListener("pagehide", () => {
  for (const [id, request] of leaving) fetch(`${API}/${id}`, { ...request, headers: { ...request.headers, ...authorization() }, keepalive: true });
  leaving.clear();
});

addEventListener("beforeunload", (event) => {
  if (picture.dirty() || uploads.running || uploads.waiting.length) event.preventDefault();
});

// Uploads: some at once, each with its line.

const AT_ONCE = 3;
const KEPT = 100; // lines of what went well

const uploads = {
  waiting: [],
  running: 0,
  counts: { new: 0, known: 0, refused: 0, failed: 0 },
  done: [], // lines of what went well, oldest first

  add(files) {
    if (!files.length) return;
    if (!this.running && !this.waiting.length && $("tray").hidden) Object.assign(this.counts, { new: 0, known: 0, refused: 0, failed: 0 });
    $("tray").hidden = false;
    for (const file of files) this.waiting.push({ file, ...this.line(file) });
    this.go();
  },

  line(file) {
    const bar = make("progress", { max: "1", value: "0", "aria-label": `Upload of ${file.name}` });
    const result = make("span", { class: "result faint", text: "Waiting" });
    const element = make("li", {}, make("span", { class: "name", text: file.name, dir: "auto" }), result, bar);
    $("tray").querySelector("ul").append(element);
    return { bar, result, element };
  },

  go() {
    while (this.running < AT_ONCE && this.waiting.length) this.one(this.waiting.shift());
    this.say();
  },

  async one(upload) {
    this.running++;
    upload.result.textContent = "";
    upload.result.className = "result faint";
    upload.bar.hidden = false;
    try {
      const { status, image } = await send(upload.file, (part) => {
        upload.bar.value = part;
        upload.result.textContent = part < 1 ? `${Math.floor(part * 100)} %` : "Being looked at…";
      });
      this.end(upload, status === 201 ? "new" : "known", image);
    } catch (error) {
      this.fail(upload, error);
    }
    this.running--;
    this.go();
  },

  end(upload, kind, image) {
    this.counts[kind]++;
    const to = make("a", { href: `?image=${image.id}`, text: kind === "new" ? "Stored" : "Already here", onclick: (event) => (event.preventDefault(), go((to) => to.set("image", image.id))) });
    upload.result.replaceChildren(to);
    upload.bar.hidden = true;
    this.done.push(upload.element);
    if (this.done.length > KEPT) this.done.shift().remove();
    if (kind === "new" && !shown) wall.insert(image, 0);
  },

  fail(upload, error) {
    const refused = error.status >= 400 && error.status < 500 && ![408, 429].includes(error.status);
    this.counts[refused ? "refused" : "failed"]++;
    upload.bar.hidden = true;
    upload.result.className = "result bad";
    upload.result.textContent = refused && error.title && error.title !== error.message ? `${error.title}: ${error.message}` : error.message;
    if (refused) return;
    const again = make("button", {
      type: "button",
      text: "Retry",
      onclick: () => {
        again.remove();
        this.counts.failed--;
        this.waiting.push(upload);
        this.go();
      },
    });
    upload.element.append(again);
  },

  say() {
    const left = this.running + this.waiting.length;
    const words = { new: "new", known: "already here", refused: "refused", failed: "failed" };
    const parts = Object.entries(this.counts).filter(([, count]) => count).map(([kind, count]) => `${count} ${words[kind]}`);
    $("tray-title").textContent = [left ? `Uploading ${left}` : "Uploads", ...parts].join(", ");
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
    if (request.status === 200 || request.status === 201) return { status: request.status, image: request.response };
    if (request.status === 401) await login(token);
    else if (!request.status) throw new Problem(0, { detail: "The connection was lost, or the file cannot be read." });
    else throw new Problem(request.status, request.response ?? {});
  }
}

$("choose").addEventListener("click", () => $("files").click());
$("files").addEventListener("change", () => {
  uploads.add([...$("files").files]);
  $("files").value = "";
});
$("close-tray").addEventListener("click", () => {
  $("tray").hidden = true;
  $("tray").querySelector("ul").replaceChildren(...uploads.waiting.map((upload) => upload.element));
});

const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
let over = 0;
addEventListener("dragenter", (event) => {
  if (!carriesFiles(event)) return;
  over++;
  $("drop").hidden = false;
});
addEventListener("dragleave", (event) => {
  if (carriesFiles(event) && --over <= 0) $("drop").hidden = true;
});
addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
addEventListener("drop", async (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  over = 0;
  $("drop").hidden = true;
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = entries.length ? [] : [...event.dataTransfer.files];
  for (const entry of entries) files.push(...(await within(entry)));
  uploads.add(files);
});
addEventListener("paste", (event) => uploads.add([...(event.clipboardData?.files ?? [])]));

// The files of a folder and of all in it, but for hidden ones.
async function within(entry) {
  if (entry.name.startsWith(".")) return [];
  if (entry.isFile) return [await new Promise((done, fail) => entry.file(done, fail)).catch(() => null)].filter(Boolean);
  const [reader, found] = [entry.createReader(), []];
  for (;;) {
    const some = await new Promise((done) => reader.readEntries(done, () => done([])));
    if (!some.length) break;
    for (const one of some) found.push(...(await within(one)));
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.closest("input, textarea, dialog")) {
    event.preventDefault();
    $("search").elements.q.focus();
  }
});

follow();
