// The page: holds its state, and tells the worker what is wanted whenever it changes.

import { $, connectControls } from "./controls.mjs";
import { Engine } from "./engine.mjs";
import { Grid } from "./grid.mjs";
import { hear } from "./messages.mjs";
import { prepareOffline } from "./offline.mjs";
import { Opening } from "./opening.mjs";
import { connectBlend, endPairing, startBlend } from "./pairing.mjs";
import { release } from "./pictures.mjs";
import { toHash } from "./share.mjs";
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
    Object.assign(this, { picture: null, hint: "", pictureId: 0, maskVersion: 0 });
    Object.assign(this, { shownKey: null, waiting: new Map() });
    this.stage = new Stage($("stage"), $("canvas"), () => this.onStrokes());
    this.grid = new Grid($("grid"), NUM_ANSWERS, {
      onSelect: (k) => this.select(k),
      onLock: (k) => this.lock(k),
      onBlend: (from, to) => startBlend(this, from, to),
    });
    this.sliders = new Sliders($("sliders"), page.model.directions, (_, isDragging) => this.onSliders(isDragging));
    this.engine = new Engine(page, (message) => hear(this, message));
    $("about").textContent = [page.model.title, page.model.license].filter(Boolean).join(" \u00b7 ");
    this.opening = new Opening(this);
    connectControls(this);
    connectBlend(this);
    this.mark();
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
    endPairing(this);
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

  /** Return what is shown as a PNG. */
  png() {
    const id = Math.random();
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.engine.send({ type: "png", id });
    });
  }
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
    await app.opening.openAddress();
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
