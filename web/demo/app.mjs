// The page: holds its state, and tells the worker what is wanted whenever it changes.

import { $, connectControls } from "./controls.mjs";
import { Engine } from "./engine.mjs";
import { thumbArea } from "./geometry.mjs";
import { Grid } from "./grid.mjs";
import { pixelsOf, readPicture } from "./pictures.mjs";
import { prepareOffline } from "./offline.mjs";
import { fromHash, toHash } from "./share.mjs";
import { Sliders } from "./sliders.mjs";
import { Stage } from "./stage.mjs";
import { exampleMask } from "./strokes.mjs";

const NUM_ANSWERS = 16;
const DRAG_REST_MS = 250; // after which a slider's picture is refined

class App {
  constructor(page) {
    this.page = page;
    Object.assign(this, { seed: 0n, crop: "picture", selected: 0, blend: null, isDragging: false });
    this.slots = Array.from({ length: NUM_ANSWERS }, (_, k) => ({ seed: 0n, k, locked: false }));
    Object.assign(this, { picture: null, opened: 0, pending: null, hint: "" });
    Object.assign(this, { pictureId: 0, maskVersion: 0, shownKey: null, waiting: new Map() });
    this.stage = new Stage($("stage"), $("canvas"), () => this.onStrokes());
    this.grid = new Grid($("grid"), NUM_ANSWERS, {
      onSelect: (k) => this.select(k),
      onLock: (k) => this.lock(k),
      onBlend: (from, to) => this.startBlend(from, to),
    });
    this.sliders = new Sliders($("sliders"), page.model.directions, (_, isDragging) => this.onSliders(isDragging));
    this.engine = new Engine(page, (message) => this.on[message.type]?.(message));
    $("about").textContent = [page.model.title, page.model.license].filter(Boolean).join(" \u00b7 ");
    connectControls(this);
    this.mark();
  }

  // --- from the worker ---

  on = {
    progress: ({ bytes, total }) => {
      $("loading").value = bytes / total;
      const mega = (number) => Math.round(number / 1e6);
      this.say(bytes < total ? `Loading the model: ${mega(bytes)} of ${mega(total)} MB` : "Starting the model");
    },
    ready: ({ backend, threads, ms }) => {
      this.isReady = true;
      $("loading").classList.add("done");
      document.body.dataset.ready = backend;
      note("load", ms);
      const on = backend === "wasm" ? `WebAssembly, ${threads} ${threads > 1 ? "threads" : "thread"}` : "WebGPU";
      $("engine").textContent = `Runs on ${on}. Started in ${(ms / 1000).toFixed(1)} s.`;
      this.invite();
    },
    encoded: ({ maskKey, crop, box, ms }) => {
      note("encode", ms);
      if (maskKey === this.maskKey) this.seen = { crop, box };
    },
    empty: ({ maskKey }) => {
      const isMeant = maskKey === this.maskKey && this.stage.strokes.length > 0;
      if (isMeant) this.say("Nothing is erased. Paint over what is to go.");
    },
    thumb: ({ k, key, rgba, isNew, ms }) => {
      if (isNew) note("answer", ms);
      this.onThumb(k, key, rgba);
    },
    shown: (message) => {
      note(message.isDraft ? "draft" : "result", message.ms);
      this.onShown(message);
    },
    png: ({ id, bytes }) => {
      this.waiting.get(id)?.(new Blob([bytes], { type: "image/png" }));
      this.waiting.delete(id);
    },
    failed: ({ message }) => {
      this.isBroken = true;
      $("loading").classList.add("done");
      this.say(message, true);
    },
  };

  onThumb(k, key, rgba) {
    if (key !== this.slotKey(this.slots[k])) return;
    const { width, height } = this.picture;
    const side = this.page.model.resolution;
    this.grid.show(k, rgba, side, thumbArea(this.seen.crop, this.seen.box, width, height, side));
    this.drawn.set(k, key);
    if (this.blend) this.drawBlend();
    const missing = this.slots.filter((slot) => this.drawn.get(slot.k) !== this.slotKey(slot)).length;
    if (!this.isDragging)
      this.say(missing ? `${NUM_ANSWERS - missing} of ${NUM_ANSWERS} answers` : "Choose an answer, or move the sliders.");
  }

  onShown({ key, area, rgba, isDraft }) {
    const image = new OffscreenCanvas(area.right - area.left, area.bottom - area.top);
    image.getContext("2d").putImageData(new ImageData(rgba, image.width), 0, 0);
    const isWanted = this.isDragging ? key.startsWith(`${this.maskKey} `) : key === this.wantedKey;
    if (!isWanted) return;
    this.stage.setPatch({ area, image });
    this.shownKey = isDraft ? null : key;
    document.body.dataset.shown = this.shownKey ?? "";
    this.allow();
  }

  // --- the state ---

  get maskKey() {
    return `${this.pictureId}.${this.maskVersion}.${this.crop}`;
  }

  get sliderText() {
    return JSON.stringify(this.sliders.values);
  }

  slotKey({ seed, k }) {
    return `${this.maskKey} ${seed} ${k} ${this.sliderText}`;
  }

  /** Return what the picture shows: a variant, or two and the weight of the second. */
  get shown() {
    const variant = ({ seed, k }) => ({ seed: String(seed), k });
    if (this.selected !== "blend") return { from: variant(this.slots[this.selected]) };
    const { from, to, weight } = this.blend;
    return { from: variant(this.slots[from]), to: variant(this.slots[to]), weight };
  }

  get label() {
    const name = ({ seed, k }) => `seed ${seed} / #${k}`;
    const { from, to, weight } = this.shown;
    return to ? `${name(from)} blended with ${name(to)} by ${weight.toFixed(2)}` : name(from);
  }

  /** Tell the worker what is wanted, and the address what to share. */
  update() {
    if (!this.picture) return this.mark();
    if (this.isBad && !this.isBroken) this.say("");
    const { shown } = this;
    const isVariant = this.selected !== "blend";
    this.wantedKey = isVariant
      ? this.slotKey(this.slots[this.selected])
      : `${this.maskKey} ${JSON.stringify(shown)} ${this.sliderText}`;
    document.body.dataset.wanted = this.wantedKey;
    const slots = this.slots.map((slot) => ({ seed: String(slot.seed), k: slot.k, key: this.slotKey(slot) }));
    const { crop, maskKey, isDragging, label } = this;
    const { strokes } = this.stage;
    const sliders = this.sliders.values;
    const state = { maskKey, strokes, crop, slots, shown, shownKey: this.wantedKey, sliders, isDragging, label };
    this.engine.send({ type: "want", state });
    this.grid.age((k) => this.drawn.get(k) !== this.slotKey(this.slots[k]));
    this.mark();
    if (!isDragging) this.writeAddress();
  }

  writeAddress() {
    try {
      history.replaceState(null, "", `#${toHash(this.shared())}`);
    } catch {
      // Some browsers limit how often: the next change brings it up to date.
    }
  }

  shared() {
    const { example, crop, seed, slots, selected, blend } = this;
    return { example, crop, seed, slots, selected, blend, strokes: this.stage.strokes, sliders: this.sliders.values };
  }

  mark() {
    this.grid.mark(this);
    $("undo").disabled = !this.stage.past.length;
    $("clear").disabled = !this.stage.strokes.length;
    $("redo").disabled = !this.stage.future.length;
    $("blend").hidden = !this.blend;
    if (document.activeElement !== $("seed")) $("seed").value = String(this.seed);
    $("crop").value = this.crop;
    this.allow();
  }

  /** Allow what needs a result only where there is one. */
  allow() {
    const isThere = Boolean(this.stage.patch) && this.stage.strokes.length > 0;
    for (const id of ["save", "copy", "compare", "blend-with"]) $(id).disabled = !isThere;
    $("new").disabled = !this.stage.strokes.length;
    $("surprise").disabled = !this.picture;
  }

  say(text, isBad = false) {
    if (!isBad && (this.isBroken || (this.isBad && text !== ""))) return; // until something is done
    if (!isBad && this.hint) text = this.hint;
    this.isBad = isBad;
    $("status").textContent = text;
    $("status").classList.toggle("bad", isBad);
  }

  invite() {
    if (!this.isReady) return;
    this.say(this.stage.strokes.length ? "Completing the picture" : "Paint over what is to go.");
  }

  // --- pictures ---

  async open(blob, example = null, said = {}) {
    const turn = ++this.opened; // of two that are opened at once, the later one stays
    try {
      const picture = await readPicture(blob);
      if (turn !== this.opened) return release(picture);
      const rgba = pixelsOf(picture.bitmap);
      Object.assign(this, { pending: null, hint: "" });
      this.setPicture(picture, rgba, example, said);
    } catch (error) {
      if (turn === this.opened) this.say(error.message, true);
    }
  }

  setPicture(picture, rgba, example, said) {
    const { width, height, note } = picture;
    const before = this.picture;
    this.picture = picture;
    this.example = example;
    this.pictureId++;
    this.drawn = new Map();
    this.grid.clear();
    this.engine.send({ type: "picture", rgba, width, height });
    this.say("");
    this.apply(said);
    const usual = example ? exampleMask(width, height) : [];
    this.stage.setPicture(picture, said.strokes ?? usual);
    if (before) release(before);
    for (const button of $("examples").children)
      button.setAttribute("aria-pressed", String(button.title === example));
    this.invite();
    if (note) this.say(note);
    this.update();
  }

  /** Take over what a link says. */
  apply({ seed = this.seed, crop = this.crop, locked = [], blend = null, selected = 0, sliders = null }) {
    Object.assign(this, { seed, crop, blend, selected });
    this.slots.forEach((slot) => Object.assign(slot, { seed, locked: false }));
    for (const { k, seed: own } of locked) Object.assign(this.slots[k], { seed: own, locked: true });
    if (sliders) this.sliders.write(sliders);
    if (blend) $("blend").querySelector("input").value = blend.weight;
  }

  async openExample(name, said = {}) {
    const example = this.page.examples.find((each) => each.name === name) ?? this.page.examples[0];
    const turn = ++this.opened;
    try {
      const response = await fetch(example.file);
      const blob = await response.blob();
      if (turn === this.opened) await this.open(blob, example.name, said);
    } catch {
      if (turn !== this.opened) return;
      this.say("The example could not be loaded. Check the connection, or open a picture of your own.", true);
    }
  }

  /** Show what the address says; a link to somebody's own picture waits for that picture. */
  async openAddress() {
    const said = fromHash(location.hash, NUM_ANSWERS);
    const isOwn = said.strokes && !said.example;
    await this.openExample(said.example ?? "", isOwn ? {} : said);
    if (!isOwn || (this.picture && !this.example)) return; // or the picture is there already
    this.pending = said;
    this.hint = "This link needs its picture. Open it, and its mask and answers appear.";
    this.say(this.hint);
  }

  openFile(blob) {
    return this.open(blob, null, this.pending ?? {});
  }

  // --- what the user does ---

  onStrokes() {
    this.hint = ""; // whoever paints has read it
    this.maskVersion++;
    this.drawn = new Map();
    this.stage.setPatch(null);
    this.shownKey = null;
    if (!this.stage.strokes.length) this.grid.clear();
    this.invite();
    this.update();
  }

  onSliders(isDragging) {
    clearTimeout(this.rest);
    this.isDragging = isDragging;
    if (isDragging) this.rest = setTimeout(() => this.onSliders(false), DRAG_REST_MS);
    this.update();
  }

  select(k) {
    this.selected = k;
    this.endPairing();
    this.update();
  }

  lock(k) {
    this.slots[k].locked = !this.slots[k].locked;
    this.update();
  }

  roll(seed = BigInt(crypto.getRandomValues(new Uint32Array(1))[0])) {
    this.seed = seed;
    for (const slot of this.slots) if (!slot.locked) slot.seed = seed;
    this.update();
  }

  startBlend(from, to) {
    this.blend = { from, to, weight: 0.5 };
    this.selected = "blend";
    this.endPairing();
    this.drawBlend();
    const input = $("blend").querySelector("input");
    input.value = this.blend.weight;
    this.update();
    input.focus();
  }

  /** Let the next answer that is clicked be blended with the chosen one. */
  pair() {
    this.grid.isPairing = !this.grid.isPairing && Number.isInteger(this.selected);
    $("blend-with").setAttribute("aria-pressed", String(this.grid.isPairing));
    if (this.grid.isPairing) this.say("Click the answer to blend with.");
  }

  endPairing() {
    this.grid.isPairing = false;
    $("blend-with").setAttribute("aria-pressed", "false");
  }

  drawBlend() {
    const pair = [this.blend.from, this.blend.to];
    $("blend").querySelectorAll("canvas").forEach((canvas, i) => {
      const { canvas: source } = this.grid.cells[pair[i]];
      Object.assign(canvas, { width: source.width, height: source.height });
      canvas.getContext("2d").drawImage(source, 0, 0);
    });
  }

  /** Set the weight of the second answer of a blend. */
  weigh(weight, isDragging) {
    this.blend = { ...this.blend, weight };
    this.selected = "blend";
    this.onSliders(isDragging);
  }

  endBlend() {
    this.selected = this.blend.weight < 0.5 ? this.blend.from : this.blend.to;
    this.blend = null;
    this.update();
  }

  /** Return what is shown as a PNG. */
  png() {
    const id = Math.random();
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.engine.send({ type: "png", id });
    });
  }
}

/** Free the memory of a picture at once. */
function release({ bitmap, preview }) {
  bitmap.close();
  preview.close();
}

/** Note what a step took, for the browser's developer tools. */
function note(step, ms) {
  performance.measure(step, { start: performance.now() - ms, duration: ms });
}

class Offline extends Error {}

async function start() {
  const status = $("status");
  try {
    if (!(await prepareOffline())) return; // the page loads again, with threads
    const response = await fetch("page.json").catch(() => null);
    if (!response) throw new Offline();
    if (!response.ok) throw new Error("page.json is missing");
    const app = new App(await response.json());
    await app.openAddress();
  } catch (error) {
    console.error(error);
    status.textContent =
      error instanceof Offline
        ? "The page could not be loaded. Check the connection and reload the page."
        : 'This page is incomplete. Make it with "diverse-inpainting page" and open it through a web server.';
    status.classList.add("bad");
  }
}

start();
