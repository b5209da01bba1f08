// Style codes as the library stores them (core/code_files.py): a safetensors file, which a PNG
// carries in base64.

import { joined } from "./png.mjs";

/** Keyword of a PNG's text that holds a file of codes. */
export const CODES_KEY = "diverse-inpainting-codes";

/** Return a file of the codes of one variant, Float32Array [layers, width], in base64. */
export function codesAsText(codes, [layers, width], generatorId, label) {
  const metadata = {
    format: CODES_KEY,
    format_version: "1",
    generator_id: generatorId,
    labels: JSON.stringify([label]),
  };
  const tensor = { dtype: "F32", shape: [1, 1, layers, width], data_offsets: [0, 4 * codes.length] };
  let header = JSON.stringify({ __metadata__: metadata, codes: tensor });
  header += " ".repeat((8 - (header.length % 8)) % 8);
  const start = new DataView(new ArrayBuffer(8));
  start.setBigUint64(0, BigInt(header.length), true);
  const values = new DataView(new ArrayBuffer(4 * codes.length));
  codes.forEach((value, i) => values.setFloat32(4 * i, value, true));
  const bytes = [start.buffer, new TextEncoder().encode(header), values.buffer];
  return toBase64(joined(bytes.map((part) => new Uint8Array(part))));
}

export function toBase64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096)
    text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return btoa(text);
}
