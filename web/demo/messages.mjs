// What the page does with each message from the worker.

import { $ } from "./controls.mjs";
import { thumbArea } from "./geometry.mjs";
import { drawBlend } from "./pairing.mjs";

/** Act on a message; types without a handler are for the engine alone. */
export function hear(app, message) {
  handlers[message.type]?.(app, message);
}

const handlers = { progress, ready, encoded, empty, thumb, shown, png, failed };

function progress(app, { bytes, total }) {
  $("loading").value = bytes / total;
  const mega = (number) => Math.round(number / 1e6);
  app.say(bytes < total ? `Loading the model: ${mega(bytes)} of ${mega(total)} MB` : "Starting the model");
}

function ready(app, { backend, threads, ms }) {
  app.isReady = true;
  $("loading").classList.add("done");
  document.body.dataset.ready = backend;
  note("load", ms);
  const on = backend === "wasm" ? `WebAssembly, ${threads} ${threads > 1 ? "threads" : "thread"}` : "WebGPU";
  $("engine").textContent = `Runs on ${on}. Started in ${(ms / 1000).toFixed(1)} s.`;
  app.invite();
}

function encoded(app, { maskKey, crop, box, ms }) {
  note("encode", ms);
  if (maskKey === app.maskKey) app.seen = { crop, box };
}

function empty(app, { maskKey }) {
  const isMeant = maskKey === app.maskKey && app.stage.strokes.length > 0;
  if (isMeant) app.say("Nothing is erased. Paint over what is to go.");
}

function thumb(app, { k, key, rgba, isNew, ms }) {
  if (isNew) note("answer", ms);
  if (key !== app.slotKey(app.slots[k])) return;
  const { width, height } = app.picture;
  const side = app.page.model.resolution;
  app.grid.show(k, rgba, side, thumbArea(app.seen.crop, app.seen.box, width, height, side));
  app.drawn.set(k, key);
  if (app.blend) drawBlend(app);
  const total = app.slots.length;
  const missing = app.slots.filter((slot) => app.drawn.get(slot.k) !== app.slotKey(slot)).length;
  if (!app.isDragging)
    app.say(missing ? `${total - missing} of ${total} answers` : "Choose an answer, or move the sliders.");
}

function shown(app, { key, area, rgba, isDraft, ms }) {
  note(isDraft ? "draft" : "result", ms);
  const image = new OffscreenCanvas(area.right - area.left, area.bottom - area.top);
  image.getContext("2d").putImageData(new ImageData(rgba, image.width), 0, 0);
  const isWanted = app.isDragging ? key.startsWith(`${app.maskKey} `) : key === app.wantedKey;
  if (!isWanted) return;
  app.stage.setPatch({ area, image });
  app.shownKey = isDraft ? null : key;
  document.body.dataset.shown = app.shownKey ?? "";
  app.allow();
}

function png(app, { id, bytes }) {
  app.waiting.get(id)?.(new Blob([bytes], { type: "image/png" }));
  app.waiting.delete(id);
}

function failed(app, { message }) {
  app.isBroken = true;
  $("loading").classList.add("done");
  app.say(message, true);
}

/** Note what a step took, for the browser's developer tools. */
function note(step, ms) {
  performance.measure(step, { start: performance.now() - ms, duration: ms });
}
