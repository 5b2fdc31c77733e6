// The wall of thumbnails: loads pages of the list, and keeps only the tiles near the window in the document.
import { ask, Problem } from "../api.js";
import { closest, find } from "../dom.js";
import { plural } from "../format.js";
import { openImage } from "./address.js";
import { isTakenWithin, withMoments } from "./days.js";
import { GAP, lastRow, layOut, nearest, ratio } from "./layout.js";
import { API, sleep } from "./shared.js";
import { showStatus, summary } from "./status.js";
import { Tile } from "./tile.js";

const REMEMBERED_VIEWS = 8;
const FIRST_PAGE = 50; // images
const NEXT_PAGE = 200;
const RETRY_DELAY = 5; // seconds, unless the service names a delay
const SCROLL_PAUSE = 100; // milliseconds without scrolling, until the thumbnails are requested
const FAST_SCROLL = 1 / 8; // of the height of the window, between two frames

const grid = find("#grid", HTMLUListElement);
const announcement = find("#heard", HTMLElement);
const header = find("body > header", HTMLElement);

/** @typedef {import("./shared.js").ApiImage} ApiImage */
/** @typedef {import("./shared.js").WallImage} WallImage */

/**
 * A part of the list: the images so far, and the cursor of the next page. "" is the first page, null the end.
 * @typedef {{ images: WallImage[], next: string | null, y: number }} View
 */

/**
 * @param {ApiImage} image
 * @returns {WallImage}
 */
const toWallImage = ({ id, title, filename, width, height, color, thumbhash }) => {
  return { id, title, filename, width, height, color, thumbhash };
};

class Wall {
  /** @type {string | null} The filters of this view. */
  query = null;
  /** @type {WallImage[]} */
  images = [];
  /** @type {string | null} */
  next = "";
  /** @type {Map<string, Tile>} */
  tiles = new Map();
  /** @type {Tile | undefined} The tile that Tab leads to. Arrow keys lead on from there. */
  tabStop;
  /** @type {string | undefined} The ID of the tile that had the focus. */
  current;
  /** @type {Set<string>} IDs that are deleted, or that will be. */
  deleted = new Set();

  /** @type {Set<string>} */
  #ids = new Set();
  /** @type {import("./layout.js").Row[]} */
  #rows = [];
  /** @type {Map<string, View>} Views to come back to, by their filters. */
  #views = new Map();
  /** @type {AbortController | null} */
  #request = null;
  /** @type {Problem | null} */
  #problem = null;
  #scrolled = 0; // pixels from the top of the wall to the top of the window, negative if the wall begins below it
  /** @type {ReturnType<typeof setTimeout> | undefined} Loads the thumbnails when the user stops scrolling. */
  #scrollTimer;

  get failed() {
    return this.#problem !== null;
  }

  /** Remember the view and its scroll position. */
  remember() {
    if (this.next === "" || this.query === null) return;
    this.#views.delete(this.query);
    this.#views.set(this.query, { images: this.images, next: this.next, y: scrollY });
    const [oldest] = this.#views.keys();
    if (this.#views.size > REMEMBERED_VIEWS) this.#views.delete(oldest);
  }

  /**
   * Show the list with these filters.
   * @param {string} query
   * @param {{ restore?: boolean }} [options] `restore`: as it was when it was last shown
   */
  show(query, { restore = false } = {}) {
    this.#request?.abort();
    for (const tile of this.tiles.values()) tile.remove();
    this.tiles.clear();
    const view = restore ? this.#views.get(query) : undefined;
    this.query = query;
    this.images = view ? view.images.filter((image) => !this.deleted.has(image.id)) : [];
    this.next = view ? view.next : "";
    this.current = undefined;
    this.#ids = new Set(this.images.map((image) => image.id));
    this.#request = this.#problem = null;
    this.#layOut(0);
    scrollTo(0, view ? view.y : 0);
    this.draw();
    this.#showStatus();
    if (!view) this.load();
  }

  reload() {
    this.show(this.query ?? "");
  }

  /** Load the next page of the list, unless one is being loaded. */
  async load() {
    if (this.#request || this.next === null) return;
    const request = new AbortController();
    this.#request = request;
    this.#problem = null;
    this.#showStatus();
    const first = this.next === "";
    const filters = new URLSearchParams(this.query ?? "");
    const query = withMoments(new URLSearchParams(filters));
    query.set("limit", String(first ? FIRST_PAGE : NEXT_PAGE));
    if (!first) query.set("cursor", this.next);
    /** @type {{ images: ApiImage[], next: string | null }} */
    let page;
    try {
      page = await (await ask(`${API}?${query}`, { signal: request.signal })).json();
    } catch (error) {
      if (!request.signal.aborted) this.#fail(Problem.from(error));
      return;
    }
    if (request.signal.aborted) return;
    const from = this.images.length;
    this.#append(page.images.filter((image) => isTakenWithin(image, filters)));
    this.next = page.next;
    this.#request = null;
    this.#layOut(from);
    this.#showStatus();
    this.draw();
    const shown = plural(this.images.length, "image");
    if (from || (this.next && !this.images.length)) return;
    announcement.textContent = this.next ? `The first ${shown}` : summary(this.images.length, this.query);
  }

  /** @param {ApiImage[]} images */
  #append(images) {
    for (const image of images) {
      if (this.#ids.has(image.id) || this.deleted.has(image.id)) continue;
      this.#ids.add(image.id);
      this.images.push(toWallImage(image));
    }
  }

  /** @param {Problem} problem */
  #fail(problem) {
    this.#request = null;
    this.#problem = problem;
    this.#layOut(this.images.length);
    this.draw();
    if (problem.retryAfter || !problem.status) {
      sleep(problem.retryAfter || RETRY_DELAY).then(() => {
        if (this.#problem === problem) this.load();
      });
    }
    this.#showStatus();
  }

  /** @param {number} from */
  #layOut(from) {
    const moreFollow = this.next !== null && !this.#problem;
    const height = layOut(this.#rows, this.images, from, grid.clientWidth, moreFollow);
    grid.style.height = this.next === "" ? "100vh" : `${height}px`; // so that what is below the wall appears only once
  }

  /** Put the tiles near the window into the document, and remove the others. */
  draw() {
    const height = innerHeight;
    const top = scrollY - grid.offsetTop;
    const [from, to] = [lastRow(this.#rows, "y", top - height), lastRow(this.#rows, "y", top + 2 * height)];
    this.#drawRows(this.#rows.slice(from, to + 1), top);
    // While the user scrolls fast, thumbnails are not requested.
    const fast = Math.abs(top - this.#scrolled) > FAST_SCROLL * height;
    this.#scrolled = top;
    clearTimeout(this.#scrollTimer);
    if (fast) this.#scrollTimer = setTimeout(() => this.#loadThumbnails(), SCROLL_PAUSE);
    else this.#loadThumbnails();
    if (!this.#problem && top + 3 * height > grid.clientHeight) this.load();
  }

  /**
   * @param {import("./layout.js").Row[]} rows
   * @param {number} top
   */
  #drawRows(rows, top) {
    const wanted = new Set(rows.flatMap(({ first, end }) => this.images.slice(first, end).map((image) => image.id)));
    const focused = document.activeElement?.parentElement;
    for (const [id, tile] of this.tiles) {
      if (wanted.has(id) || (tile.element === focused && this.#ids.has(id))) continue;
      tile.remove();
      this.tiles.delete(id);
    }
    let next = grid.firstElementChild;
    if (focused && next === focused && !wanted.has(focused.dataset.id ?? "")) next = next.nextElementSibling;
    const total = this.next === null ? this.images.length : -1;
    let firstVisible;
    for (const { first, end, y, height } of rows) {
      for (let index = first, x = 0; index < end; index++) {
        const image = this.images[index];
        let tile = this.tiles.get(image.id);
        if (!tile) {
          tile = new Tile(image);
          this.tiles.set(image.id, tile);
        }
        if (tile.element === next) next = next.nextElementSibling;
        else grid.insertBefore(tile.element, next);
        const width = ratio(image) * height;
        tile.place({ index, total, x, y, width, height });
        x += width + GAP;
        if (y >= top) firstVisible ??= tile;
      }
    }
    this.setTabStop(this.tiles.get(this.current ?? "") ?? firstVisible);
  }

  /** Request the thumbnails, from the middle of the window outwards. */
  #loadThumbnails() {
    const middle = this.#scrolled + innerHeight / 2;
    /** @param {Tile} tile */
    const distance = (tile) => Math.abs(tile.y + tile.height / 2 - middle);
    const waiting = [...this.tiles.values()].filter((tile) => !tile.requested);
    for (const tile of waiting.sort((a, b) => distance(a) - distance(b))) tile.load();
  }

  /** @param {Tile | undefined} tile */
  setTabStop(tile) {
    if (this.tabStop) this.tabStop.link.tabIndex = -1;
    if (tile) tile.link.tabIndex = 0;
    this.tabStop = tile;
  }

  #showStatus() {
    const { images, query, next } = this;
    if (this.#problem && !images.length) grid.style.height = "0";
    const loading = this.#request !== null;
    showStatus({ count: images.length, query, next, loading, problem: this.#problem, retry: () => this.load() });
  }

  /**
   * Return the image's index, or -1.
   * @param {string | null | undefined} id
   */
  indexOf(id) {
    return id && this.#ids.has(id) ? this.images.findIndex((image) => image.id === id) : -1;
  }

  /** @param {ApiImage} image */
  update(image) {
    const index = this.indexOf(image.id);
    if (index >= 0) this.images[index] = toWallImage(image);
    this.tiles.get(image.id)?.show(image);
  }

  /**
   * Remove an image. Return the index that it had, or -1.
   * @param {string} id
   */
  remove(id) {
    const index = this.indexOf(id);
    if (index < 0) return index;
    this.#ids.delete(id);
    this.layOutAnchored(index, () => this.images.splice(index, 1));
    return index;
  }

  /**
   * @param {ApiImage} image
   * @param {number} index
   */
  insert(image, index) {
    if (this.#ids.has(image.id)) return;
    this.#ids.add(image.id);
    this.layOutAnchored(index, () => this.images.splice(index, 0, toWallImage(image)));
  }

  /**
   * Lay out from an index on, and keep the position of the first visible row in the window.
   * @param {number} from
   * @param {() => unknown} [change]
   */
  layOutAnchored(from, change = () => {}) {
    const top = scrollY - grid.offsetTop;
    const row = top > 0 ? this.#rows[lastRow(this.#rows, "y", top)] : undefined;
    const anchor = row && this.images[row.first];
    change();
    this.#layOut(from);
    const index = anchor ? this.images.indexOf(anchor) : -1;
    if (row && index >= 0) scrollBy(0, this.#rows[lastRow(this.#rows, "first", index)].y - row.y);
    this.#showStatus();
    this.draw();
  }

  /**
   * Scroll to an image and focus it. If its row is not shown yet, take the last image that is.
   * @param {number} index
   */
  focus(index) {
    if (!this.images.length) return;
    const { y, height, end } = this.#rows[lastRow(this.#rows, "first", index)];
    const [top, covered] = [grid.offsetTop + y, header.offsetHeight];
    if (top < scrollY + covered) scrollTo(0, top - covered - GAP);
    else if (top + height > scrollY + innerHeight) scrollTo(0, top + height - innerHeight + GAP);
    this.draw();
    this.tiles.get(this.images[Math.min(index, end - 1)].id)?.link.focus({ preventScroll: true });
  }

  /**
   * Return the index that a key leads to, or undefined.
   * @param {string} key
   * @param {number} index
   */
  target(key, index) {
    const left = getComputedStyle(grid).direction === "rtl" ? 1 : -1;
    if (key === "ArrowRight") return index - left;
    if (key === "ArrowLeft") return index + left;
    if (key === "ArrowDown") return nearest(this.#rows, this.images, index, 1);
    if (key === "ArrowUp") return nearest(this.#rows, this.images, index, -1);
    if (key === "Home") return 0;
    return key === "End" ? this.images.length - 1 : undefined;
  }
}

export const wall = new Wall();

let scrolling = false;
const onScroll = () => {
  if (scrolling) return;
  scrolling = true;
  requestAnimationFrame(() => {
    scrolling = false;
    wall.draw();
  });
};
addEventListener("scroll", onScroll, { passive: true });
let width = grid.clientWidth;
new ResizeObserver(() => {
  if (width === grid.clientWidth) return;
  width = grid.clientWidth;
  wall.layOutAnchored(0);
}).observe(grid);
addEventListener("online", () => wall.failed && wall.load());

grid.addEventListener("click", (event) => {
  const id = closest(event, "li")?.dataset.id;
  if (!id || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  openImage(id);
});

grid.addEventListener("focusin", (event) => {
  wall.current = closest(event, "li")?.dataset.id;
  wall.setTabStop(wall.tiles.get(wall.current ?? ""));
});

grid.addEventListener("keydown", (event) => {
  const index = wall.indexOf(closest(event, "li")?.dataset.id);
  if (index < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  const target = wall.target(event.key, index);
  if (target === undefined) return;
  event.preventDefault();
  wall.focus(Math.min(Math.max(target, 0), wall.images.length - 1));
});

find(".skip", HTMLElement).addEventListener("click", (event) => {
  event.preventDefault();
  wall.tabStop?.link.focus();
});
