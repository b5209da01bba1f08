// The model and all pixels, away from the page. The page says what it wants to show; this works
// towards it, one short step at a time, and forgets what is no longer wanted.

import { Hole } from "./blending.mjs";
import { CODES_KEY, codesAsText } from "./codefile.mjs";
import { extent, extract, fitCrop } from "./geometry.mjs";
import { Files, Networks, PageError, edit, loadRuntime } from "./networks.mjs";
import { encodePng } from "./png.mjs";
import { rasterise } from "./strokes.mjs";

let networks, directions, picture, wanted, hole;
let isWorking = false;
let [codesOf, imageOf] = [new Map(), new Map()]; // of the hole: W_out by variant, stage 1 by codes
const done = { mask: null, thumbs: new Map(), shown: null };

const pngs = []; // ids of those that were asked for
const handlers = { load, picture: setPicture, want, png: wantPng, measure };

self.addEventListener("message", async ({ data }) => {
  try {
    await handlers[data.type](data);
  } catch (error) {
    fail(error);
  }
});

function fail(error) {
  const isKnown = error instanceof PageError;
  if (!isKnown) console.error(error);
  const message = isKnown ? error.message : `Something went wrong: ${error?.message ?? error}. Reload the page.`;
  self.postMessage({ type: "failed", message });
}

async function load({ page, backend }) {
  const started = performance.now();
  const runtime = page.runtime[backend];
  const { graphs, data } = page.model;
  const packed = [...graphs.map((name) => `${name}.onnx`), ...data].map((name) => `model/${name}.gz`);
  const names = [...packed, runtime.binary];
  const sizes = Object.fromEntries(names.map((name) => [name, page.sizes[name]]));
  const report = (bytes, total) => self.postMessage({ type: "progress", bytes, total });
  const files = new Files(sizes, page.digests, report);
  const ort = await loadRuntime(runtime, files);
  networks = await Networks.load(ort, page, files, backend);
  ({ directions } = page.model);
  const threads = ort.env.wasm.numThreads;
  self.postMessage({ type: "ready", backend, threads, ms: performance.now() - started });
  work();
}

/** Say how long an image takes, the best of three, and what it looks like. */
async function measure() {
  const codes = new Float32Array(networks.model.num_layers * networks.model.w_dim);
  let [ms, image] = [Infinity, null];
  for (let round = 0; round < 4; round++) {
    const started = performance.now();
    image = await networks.synthesize(codes);
    if (round) ms = Math.min(ms, performance.now() - started); // the first one compiles shaders
  }
  self.postMessage({ type: "measured", ms, image });
}

function setPicture({ rgba, width, height }) {
  picture = { rgba: new Uint8ClampedArray(rgba), width, height };
  done.mask = null;
}

function want({ state }) {
  wanted = state;
  work();
}

function wantPng({ id }) {
  pngs.push(id);
  work();
}

async function work() {
  if (isWorking || !networks || !wanted) return;
  isWorking = true;
  try {
    while (await step()) await new Promise((resolve) => setTimeout(resolve));
    self.postMessage({ type: "idle" });
  } catch (error) {
    fail(error);
  } finally {
    isWorking = false;
  }
}

/** Do the most urgent thing; return whether there was one. */
async function step() {
  const state = wanted;
  if (state.maskKey !== done.mask) {
    await encode(state);
    done.mask = state.maskKey;
    return true;
  }
  if (!hole) return sendPngs();
  const isDraft = state.isDragging;
  const shown = isDraft ? `draft ${state.shownKey}` : state.shownKey;
  if (done.shown !== shown) {
    await show(state, isDraft);
    done.shown = shown;
    return true;
  }
  if (!isDraft && (await sendPngs())) return true; // what is shown, when it is as good as it gets
  const next = state.slots.find((slot) => done.thumbs.get(slot.k) !== slot.key);
  if (next) await sendThumb(next, state);
  return Boolean(next);
}

/** Erase what the strokes say and let E see the rest. */
async function encode(state) {
  const started = performance.now();
  const { rgba, width, height } = picture;
  hole = null;
  [codesOf, imageOf] = [new Map(), new Map()];
  done.thumbs.clear();
  done.shown = null;
  const mask = rasterise(state.strokes, width, height);
  const box = extent(mask, width, height);
  if (!box) return self.postMessage({ type: "empty", maskKey: state.maskKey });
  const crop = fitCrop(box, state.crop, width, height);
  const R = networks.resolution;
  const { erased, valid } = extract(rgba, mask, width, height, crop, R);
  await networks.encode(erased, valid);
  hole = new Hole(rgba, mask, width, height, box, crop, R);
  hole.small = smallHole(erased, valid, R);
  self.postMessage({ type: "encoded", maskKey: state.maskKey, crop, box, ms: performance.now() - started });
}

async function mixed({ seed, k }) {
  const key = `${seed} ${k}`;
  if (!codesOf.has(key)) codesOf.set(key, await networks.mix(seed, k));
  return codesOf.get(key);
}

/** Return the codes of what is shown, sliders included. */
async function codesShown({ shown, sliders }) {
  const codes = Float32Array.from(await mixed(shown.from));
  if (shown.to) {
    const other = await mixed(shown.to);
    for (let i = 0; i < codes.length; i++) codes[i] += shown.weight * (other[i] - codes[i]);
  }
  edit(codes, directions, sliders, networks.model.w_dim);
  return codes;
}

async function stage1(key, codes) {
  if (!imageOf.has(key)) {
    if (imageOf.size > 64) imageOf.delete(imageOf.keys().next().value);
    imageOf.set(key, await networks.synthesize(codes));
  }
  return imageOf.get(key);
}

async function show(state, isDraft) {
  const started = performance.now();
  const codes = await codesShown(state);
  const first = await stage1(state.shownKey, codes);
  const image = isDraft ? first : await networks.refine(codes, first);
  const rgba = hole.fill(planes(image));
  Object.assign(hole, { filled: rgba, codes, label: state.label });
  self.postMessage({
    type: "shown",
    key: state.shownKey,
    isDraft,
    area: hole.area,
    rgba,
    ms: performance.now() - started,
  });
}

/** Return three planes in [0, 1] of an image [3, R, R] in about [-1, 1]. */
function planes(image) {
  const size = image.length / 3;
  return [0, 1, 2].map((c) =>
    image.slice(c * size, (c + 1) * size).map((value) => Math.min(Math.max(value / 2 + 0.5, 0), 1)),
  );
}

/** Return the hole as the network sees it, for the small pictures of the answers. */
function smallHole(erased, valid, R) {
  const rgba = new Uint8ClampedArray(4 * valid.length).fill(255);
  for (let i = 0; i < valid.length; i++)
    for (let c = 0; c < 3; c++) rgba[4 * i + c] = 127.5 * erased[c * valid.length + i] + 127.5;
  const mask = Uint8Array.from(valid, (value) => 1 - value);
  const box = extent(mask, R, R);
  if (!box) return { rgba }; // smaller than its pixels
  const hole = new Hole(rgba, mask, R, R, box, { top: 0, left: 0, side: R }, R);
  return Object.assign(hole, { rgba });
}

/** Send a variant's stage-1 image, put into what the network sees of the picture. */
async function sendThumb(slot, state) {
  const started = performance.now();
  const isNew = !imageOf.has(slot.key);
  const codes = await codesShown({ shown: { from: slot }, sliders: state.sliders });
  const image = await stage1(slot.key, codes);
  const { small } = hole;
  const rgba = small.rgba.slice();
  if (small.area) paste(rgba, networks.resolution, small.area, small.fill(planes(image)));
  done.thumbs.set(slot.k, slot.key);
  const ms = performance.now() - started;
  self.postMessage({ type: "thumb", k: slot.k, key: slot.key, rgba, isNew, ms }, [rgba.buffer]);
}

/** Replace an area of a picture [., width, 4], in place. */
function paste(rgba, width, area, pixels) {
  const row = 4 * (area.right - area.left);
  for (let y = area.top, from = 0; y < area.bottom; y++, from += row)
    rgba.set(pixels.subarray(from, from + row), 4 * (y * width + area.left));
}

/** Send what was asked for; return whether there was something. */
async function sendPngs() {
  const id = pngs.shift();
  if (id) await sendPng(id);
  return Boolean(id);
}

/** Send what is shown as a PNG with its codes. */
async function sendPng(id) {
  const { width, height } = picture;
  const rgba = picture.rgba.slice();
  const texts = {};
  if (hole?.filled) {
    const { area, filled, codes, label } = hole;
    paste(rgba, width, area, filled);
    const { num_layers, w_dim, generator_id } = networks.model;
    texts[CODES_KEY] = codesAsText(codes, [num_layers, w_dim], generator_id, label);
  }
  const bytes = await encodePng(rgba, width, height, texts);
  self.postMessage({ type: "png", id, bytes }, [bytes.buffer]);
}
