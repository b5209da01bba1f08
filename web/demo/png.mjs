// PNG files with text inside, written pixel by pixel: a canvas may change colours when it is saved.

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];

/**
 * Return the bytes of a PNG.
 *
 * rgba: [height, width, 4] bytes, of which the fourth is left out; texts: by keyword, in Latin-1.
 */
export async function encodePng(rgba, width, height, texts = {}) {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, 2], 8); // 8 bits of red, green and blue
  const chunks = [chunk("IHDR", header)];
  for (const [key, text] of Object.entries(texts)) chunks.push(chunk("tEXt", latin(`${key}\0${text}`)));
  chunks.push(chunk("IDAT", await deflate(filtered(rgba, width, height))));
  chunks.push(chunk("IEND", new Uint8Array()));
  return joined([Uint8Array.from(SIGNATURE), ...chunks]);
}

/** Return the text of a PNG under a keyword, or null. */
export function pngText(bytes, key) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (SIGNATURE.some((byte, i) => bytes[i] !== byte)) return null;
  for (let at = 8; at + 12 <= bytes.length; at += view.getUint32(at) + 12) {
    if (String.fromCharCode(...bytes.subarray(at + 4, at + 8)) !== "tEXt") continue;
    const text = new TextDecoder("latin1").decode(bytes.subarray(at + 8, at + 8 + view.getUint32(at)));
    if (text.startsWith(`${key}\0`)) return text.slice(key.length + 1);
  }
  return null;
}

function latin(text) {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function chunk(kind, data) {
  const result = new Uint8Array(data.length + 12);
  const view = new DataView(result.buffer);
  view.setUint32(0, data.length);
  result.set(latin(kind), 4);
  result.set(data, 8);
  view.setUint32(data.length + 8, crc(result.subarray(4, data.length + 8)));
  return result;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc(bytes) {
  let sum = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) sum = TABLE[(sum ^ bytes[i]) & 255] ^ (sum >>> 8);
  return ~sum >>> 0;
}

/** Return rows of bytes, each minus what Paeth's filter predicts from its neighbours. */
function filtered(rgba, width, height) {
  const stride = 3 * width + 1;
  const result = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    result[y * stride] = 4;
    for (let x = 0, to = y * stride + 1; x < width; x++)
      for (let c = 0, i = 4 * (y * width + x); c < 3; c++, i++, to++) {
        const left = x ? rgba[i - 4] : 0;
        const up = y ? rgba[i - 4 * width] : 0;
        const corner = x && y ? rgba[i - 4 * width - 4] : 0;
        const [a, b, both] = [up - corner, left - corner, up + left - 2 * corner];
        const [toLeft, toUp, toCorner] = [Math.abs(a), Math.abs(b), Math.abs(both)];
        const nearest = toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner;
        result[to] = rgba[i] - nearest;
      }
  }
  return result;
}

async function deflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export function joined(parts) {
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}
