// ThumbHash: draws the tiny picture of some 25 bytes that the API has for an image. The format is that of
// https://evanw.github.io/thumbhash/ (Evan Wallace, MIT license).

const SIDE = 32; // pixels of the longer side of the drawing
const SATURATION = 1.25; // makes up for what the few steps of the amplitudes lose

/**
 * Return the amplitudes of a channel, which come next in the hash.
 * @param {() => number} nibble
 * @param {number} across
 * @param {number} down
 * @param {number} scale
 */
function amplitudes(nibble, across, down, scale) {
  const found = [];
  for (let y = 0; y < down; y++) {
    for (let x = y ? 0 : 1; x * down < across * (down - y); x++) {
      found.push({ x, y, value: (nibble() / 7.5 - 1) * scale });
    }
  }
  return found;
}

/**
 * Draw the tiny picture. Return the canvas, or null if the text is no ThumbHash.
 * @param {string} text in base64
 */
export function drawing(text) {
  let hash;
  try {
    hash = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
  if (hash.length < 5) return null;
  const first = hash[0] | (hash[1] << 8) | (hash[2] << 16);
  const second = hash[3] | (hash[4] << 8);
  const hasAlpha = Boolean(first >> 23);
  const isLandscape = Boolean(second >> 15);
  const long = hasAlpha ? 5 : 7;
  const short = second & 7;
  const across = Math.max(3, isLandscape ? long : short);
  const down = Math.max(3, isLandscape ? short : long);
  let place = (hasAlpha ? 6 : 5) * 2;
  const nibble = () => {
    const byte = hash[place >> 1] ?? 0;
    return (byte >> ((place++ & 1) * 4)) & 15;
  };
  const channels = [
    { mean: (first & 63) / 63, waves: amplitudes(nibble, across, down, ((first >> 18) & 31) / 31) },
    { mean: ((first >> 6) & 63) / 31.5 - 1, waves: amplitudes(nibble, 3, 3, (((second >> 3) & 63) / 63) * SATURATION) },
    {
      mean: ((first >> 12) & 63) / 31.5 - 1,
      waves: amplitudes(nibble, 3, 3, (((second >> 9) & 63) / 63) * SATURATION),
    },
    { mean: hasAlpha ? (hash[5] & 15) / 15 : 1, waves: hasAlpha ? amplitudes(nibble, 5, 5, (hash[5] >> 4) / 15) : [] },
  ];
  const ratio = Math.max(1, isLandscape ? long : short) / Math.max(1, isLandscape ? short : long);
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(ratio > 1 ? SIDE : SIDE * ratio);
  canvas.height = Math.round(ratio > 1 ? SIDE / ratio : SIDE);
  const context = canvas.getContext("2d");
  if (!context) return null;
  const pixels = context.createImageData(canvas.width, canvas.height);
  for (let y = 0, at = 0; y < canvas.height; y++) {
    for (let x = 0; x < canvas.width; x++, at += 4) {
      const [lightness, yellowBlue, redGreen, alpha] = channels.map(({ mean, waves }) =>
        waves.reduce((sum, wave) => sum + 2 * wave.value * heightOf(wave, x, y, canvas), mean),
      );
      const blue = lightness - (2 / 3) * yellowBlue;
      const red = (3 * lightness - blue + redGreen) / 2;
      pixels.data.set(
        [red, red - redGreen, blue, alpha].map((value) => 255 * value),
        at,
      );
    }
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/**
 * @param {{ x: number, y: number }} wave
 * @param {number} x
 * @param {number} y
 * @param {{ width: number, height: number }} size
 */
const heightOf = (wave, x, y, { width, height }) =>
  Math.cos((Math.PI / width) * (x + 0.5) * wave.x) * Math.cos((Math.PI / height) * (y + 0.5) * wave.y);
