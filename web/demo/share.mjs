// A state of the page as a link's hash: mask, seed, picks, sliders. Never the picture; an example is
// named.
//
// A state is { example, crop, strokes, seed, slots: [{ seed, k, locked }], selected, blend, sliders }.

import { MAX_SEED } from "./codes.mjs";
import { toBase64 } from "./codefile.mjs";
import { CROPS } from "./geometry.mjs";
import { KINDS } from "./strokes.mjs";

const MAX_POINTS = 20_000;
const MAX_PX = 2 ** 20;

/** Return the hash of a state, without the #. */
export function toHash(state) {
  const parts = new URLSearchParams();
  if (state.example) parts.set("p", state.example);
  if (state.crop !== CROPS[0]) parts.set("c", state.crop);
  if (state.strokes.length) parts.set("m", packStrokes(state.strokes));
  parts.set("s", String(state.seed));
  const locked = state.slots.filter((slot) => slot.locked).map((slot) => `${slot.k}-${slot.seed}`);
  if (locked.length) parts.set("l", locked.join("."));
  if (state.blend) {
    const { from, to, weight } = state.blend;
    parts.set("b", `${from}-${to}-${Number(weight.toFixed(3))}`);
  }
  parts.set("v", String(state.selected));
  const sliders = Object.entries(state.sliders).filter(([, strength]) => strength);
  if (sliders.length) parts.set("e", sliders.map(([name, value]) => `${name}~${value}`).join("!"));
  return parts.toString();
}

/** Return what a hash says, without what it does not say or says wrongly. */
export function fromHash(hash, numSlots) {
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  const found = {};
  const isSlot = (k) => Number.isInteger(k) && k >= 0 && k < numSlots;
  if (parts.get("p")) found.example = parts.get("p").slice(0, 100);
  if (CROPS.includes(parts.get("c"))) found.crop = parts.get("c");
  const strokes = unpackStrokes(parts.get("m") ?? "");
  if (strokes.length) found.strokes = strokes;
  const seed = parseSeed(parts.get("s") ?? "");
  if (seed !== null) found.seed = seed;
  found.locked = (parts.get("l") ?? "")
    .split(".")
    .map((part) => part.split("-"))
    .map(([k, text]) => ({ k: Number(k || NaN), seed: parseSeed(text ?? "") }))
    .filter(({ k, seed }) => isSlot(k) && seed !== null);
  const [from, to, weight] = (parts.get("b") ?? "").split("-").map(Number);
  if (isSlot(from) && isSlot(to) && weight >= 0 && weight <= 1) found.blend = { from, to, weight };
  const selected = Number(parts.get("v") || NaN);
  if (isSlot(selected)) found.selected = selected;
  else if (parts.get("v") === "blend" && found.blend) found.selected = "blend";
  const sliders = (parts.get("e") ?? "").split("!").map((part) => part.split("~"));
  found.sliders = Object.fromEntries(
    sliders.map(([name, value]) => [name, Number(value)]).filter(([, value]) => Number.isFinite(value)),
  );
  return found;
}

/** Return a seed as a BigInt, or null where the text is none. */
export function parseSeed(text) {
  if (!/^\d{1,20}$/.test(text.trim())) return null;
  const seed = BigInt(text.trim());
  return seed <= MAX_SEED ? seed : null;
}

/** Whole numbers of either sign, 7 bits to a byte. */
function packStrokes(strokes) {
  const bytes = [];
  const push = (number) => {
    let rest = number < 0 ? -2 * number - 1 : 2 * number;
    for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
    bytes.push(rest);
  };
  for (const { kind, radius, points } of strokes) {
    push(KINDS.indexOf(kind));
    push(radius);
    push(points.length / 2);
    points.forEach((value, i) => push(i < 2 ? value : value - points[i - 2]));
  }
  return toBase64(Uint8Array.from(bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function unpackStrokes(text) {
  const bytes = fromBase64(text);
  let at = 0;
  const next = () => {
    let [value, unit] = [0, 1];
    for (; bytes[at] > 127; unit *= 128) value += (bytes[at++] - 128) * unit;
    value += bytes[at++] * unit; // NaN beyond the end
    return value % 2 ? -(value + 1) / 2 : value / 2;
  };
  const strokes = [];
  while (at < bytes.length) {
    const [kind, radius, count] = [KINDS[next()], next(), next()];
    if (!kind || !(radius >= 0 && radius < MAX_PX) || !(count > 0 && count < MAX_POINTS)) return [];
    const points = [];
    for (let i = 0; i < 2 * count; i++) points.push(next() + (i < 2 ? 0 : points[i - 2]));
    if (!points.every((value) => Math.abs(value) < MAX_PX)) return [];
    if (kind === "box" && count !== 2) return [];
    strokes.push({ kind, radius, points });
  }
  return strokes;
}

function fromBase64(text) {
  try {
    return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}
