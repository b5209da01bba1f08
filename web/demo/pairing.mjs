// Blending two answers: how they are paired, and the row with both and the weight between them.

import { $ } from "./controls.mjs";

export function connectBlend(app) {
  const [weight, end] = ["input", "button"].map((tag) => $("blend").querySelector(tag));
  weight.addEventListener("input", () => weigh(app, Number(weight.value), true));
  weight.addEventListener("change", () => weigh(app, Number(weight.value), false));
  end.addEventListener("click", () => endBlend(app));
  $("blend-with").addEventListener("click", () => pair(app));
}

/** Let the next answer that is clicked be blended with the chosen one. */
function pair(app) {
  app.grid.isPairing = !app.grid.isPairing && Number.isInteger(app.selected);
  $("blend-with").setAttribute("aria-pressed", String(app.grid.isPairing));
  if (app.grid.isPairing) app.say("Click the answer to blend with.");
}

export function endPairing(app) {
  app.grid.isPairing = false;
  $("blend-with").setAttribute("aria-pressed", "false");
}

export function startBlend(app, from, to) {
  app.blend = { from, to, weight: 0.5 };
  app.selected = "blend";
  endPairing(app);
  drawBlend(app);
  const input = $("blend").querySelector("input");
  input.value = app.blend.weight;
  app.update();
  input.focus();
}

/** Show the two answers beside the weight. */
export function drawBlend(app) {
  const ends = [app.blend.from, app.blend.to];
  $("blend").querySelectorAll("canvas").forEach((canvas, i) => {
    const { canvas: source } = app.grid.cells[ends[i]];
    Object.assign(canvas, { width: source.width, height: source.height });
    canvas.getContext("2d").drawImage(source, 0, 0);
  });
}

/** Set the weight of the second answer. */
function weigh(app, weight, isDragging) {
  app.blend = { ...app.blend, weight };
  app.selected = "blend";
  app.onSliders(isDragging);
}

function endBlend(app) {
  app.selected = app.blend.weight < 0.5 ? app.blend.from : app.blend.to;
  app.blend = null;
  app.update();
}
