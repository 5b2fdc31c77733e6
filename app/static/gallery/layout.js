// The layout of the wall: rows of images that fill the width, each image in its own proportions.

export const GAP = 6; // pixels

// Pixels: a wall that is narrower than SMALL_WALL has rows of about the height SMALL_ROW, and so on.
const SMALL_WALL = 560;
const SMALL_ROW = 128;
const MEDIUM_WALL = 1100;
const MEDIUM_ROW = 190;
const LARGE_ROW = 230;

// Width of a tile, as a multiple of its height.
const NARROWEST = 0.4;
const WIDEST = 4;

/** @typedef {import("./shared.js").WallImage} WallImage */

/**
 * Row of images: the index of the first image, the index after the last one, and pixels.
 * @typedef {{ first: number, end: number, y: number, height: number }} Row
 */

/**
 * Return a tile's width, as a multiple of its height.
 * @param {WallImage} image
 */
export function ratio(image) {
  return Math.min(WIDEST, Math.max(NARROWEST, image.width / image.height));
}

/**
 * Lay out the images from an index on. Rows before it stay, except the last one: its end depended on this image.
 * If more images follow, leave out a last row that is not full: they will change its height, and move what it shows.
 * @param {Row[]} rows changed in place
 * @param {WallImage[]} images
 * @param {number} from
 * @param {number} width pixels
 * @param {boolean} moreFollow
 * @returns {number} the height of all rows, in pixels
 */
export function layOut(rows, images, from, width, moreFollow) {
  const target = width < SMALL_WALL ? SMALL_ROW : width < MEDIUM_WALL ? MEDIUM_ROW : LARGE_ROW;
  /** @param {number} count */
  const room = (count) => width - GAP * (count - 1);
  rows.length = from && Math.max(0, lastRow(rows, "first", from) - 1);
  let { y, height, end: first } = rows.at(-1) ?? { y: -GAP, height: 0, end: 0 };
  y += height + GAP;
  while (first < images.length) {
    let [sum, end] = [0, first];
    while (end < images.length && (end === first || sum * target < room(end - first))) sum += ratio(images[end++]);
    height = target;
    const isFull = sum * target >= room(end - first);
    if (!isFull && moreFollow && rows.length) break;
    if (isFull) {
      height = room(end - first) / sum;
      const taller = end - first > 1 ? room(end - first - 1) / (sum - ratio(images[end - 1])) : Infinity;
      if (taller / target < target / height) [height, end] = [taller, end - 1];
    }
    rows.push({ first, end, y, height });
    y += height + GAP;
    first = end;
  }
  return Math.max(0, y - GAP);
}

/**
 * Return the index of the last row that begins at or before a value: an index of an image, or pixels.
 * @param {Row[]} rows
 * @param {"first" | "y"} key
 * @param {number} value
 */
export function lastRow(rows, key, value) {
  let [low, high] = [0, rows.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (rows[middle][key] <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * Return the index of the nearest image in the row above or below.
 * @param {Row[]} rows
 * @param {WallImage[]} images
 * @param {number} index
 * @param {1 | -1} step
 */
export function nearest(rows, images, index, step) {
  const at = lastRow(rows, "first", index);
  const [from, to] = [rows[at], rows[at + step]];
  if (!to) return index;
  /** @param {Row} row */
  const middles = ({ first, end, height }) => {
    let x = 0;
    return images.slice(first, end).map((image) => {
      const width = ratio(image) * height;
      x += width + GAP;
      return x - width / 2;
    });
  };
  const x = middles(from)[index - from.first];
  const distances = middles(to).map((middle) => Math.abs(middle - x));
  return to.first + distances.indexOf(Math.min(...distances));
}
