// Numbers, sizes and times in the words of the reader's language settings.

/** @param {number} number */
export const count = (number) => number.toLocaleString();

/**
 * Return a number with its noun, as "1 image" or "2 images".
 * @param {number} number
 * @param {string} noun
 */
export const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/**
 * Return a size in decimal units, as "1.25 MB".
 * @param {number} size bytes
 */
export function bytes(size) {
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  let unit = 0;
  let value = size;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${value.toLocaleString(undefined, { maximumSignificantDigits: unit ? 3 : 21 })} ${units[unit]}`;
}

/** @param {string | Date} time */
export const moment = (time) => new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds >= 60) return `${count(Math.floor(seconds / 60))} min ${Math.floor(seconds % 60)} s`;
  const [value, unit] = seconds >= 1 ? [seconds, "s"] : [seconds * 1000, "ms"];
  const digits = value < 10 ? 2 : value < 100 ? 1 : 0;
  const text = value.toLocaleString(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${text} ${unit}`;
}

const EXTENSIONS = new Map([
  ["image/jpeg", ["jpg", "jpeg", "jpe", "jfif"]],
  ["image/png", ["png"]],
  ["image/webp", ["webp"]],
  ["image/gif", ["gif"]],
  ["image/tiff", ["tiff", "tif"]],
  ["image/avif", ["avif"]],
  ["image/bmp", ["bmp", "dib"]],
  ["image/heic", ["heic", "heif", "hif"]],
  ["image/jxl", ["jxl"]],
  ["image/x-adobe-dng", ["dng"]],
  ["image/x-canon-cr2", ["cr2"]],
  ["image/x-canon-cr3", ["cr3"]],
  ["image/x-fuji-raf", ["raf"]],
  ["image/x-nikon-nef", ["nef"]],
  ["image/x-olympus-orf", ["orf"]],
  ["image/x-panasonic-rw2", ["rw2"]],
  ["image/x-sony-arw", ["arw"]],
]);

/**
 * Return a text without the characters that turn the direction of the text behind them: with U+202E, "gnp.exe" looks
 * like "exe.png".
 * @param {string} text
 * @param {string} [instead]
 */
export const unturned = (text, instead = "") => text.replace(/[\u202a-\u202e\u2066-\u2069]/g, instead);

/**
 * Return the name of the file to save an image in. It ends with an extension of the type, as that of the API does.
 * @param {{ filename: string, content_type: string }} image
 */
export function savedName({ filename: given, content_type: type }) {
  const filename = unturned(given, "_");
  const known = EXTENSIONS.get(type);
  const extension = filename.slice(filename.lastIndexOf(".") + 1).toLowerCase();
  return !known || (filename.includes(".") && known.includes(extension)) ? filename : `${filename}.${known[0]}`;
}
