// Buttons, keys and fields of the page, and what each of them does.

import { copyLink, copyPicture, savePicture } from "./results.mjs";
import { parseSeed } from "./share.mjs";
import { surprise } from "./strokes.mjs";

const MAX_BRUSH = 200; // CSS pixels
const KEYS = {
  b: "brush", e: "eraser", r: "surprise", n: "new", s: "save", "?": "help",
  "+": "in", "=": "in", "-": "out", 0: "fit", Delete: "clear",
};

export const $ = (id) => document.getElementById(id);

export function connectControls(app) {
  const { stage } = app;
  const actions = {
    brush: () => choose(stage, "paint"),
    eraser: () => choose(stage, "restore"),
    undo: () => stage.undo(),
    redo: () => stage.redo(),
    clear: () => stage.change([]),
    surprise: () => stage.change(surprise(app.picture.width, app.picture.height)),
    in: () => stage.zoom(1.5),
    out: () => stage.zoom(1 / 1.5),
    fit: () => stage.fit(),
    new: () => app.roll(),
    reset: () => app.sliders.reset(),
    save: () => savePicture(app),
    copy: () => copyPicture(app),
    link: () => copyLink(app),
    help: () => $("keys").showModal(),
  };
  for (const [id, action] of Object.entries(actions)) $(id).addEventListener("click", action);
  document.addEventListener("keydown", (event) => onKey(event, app, actions));
  $("size").addEventListener("input", () => resizeBrush(stage, Number($("size").value)));
  connectOptions(app);
  connectCompare(stage);
}

function choose(stage, kind) {
  stage.kind = kind;
  $("brush").setAttribute("aria-pressed", String(kind === "paint"));
  $("eraser").setAttribute("aria-pressed", String(kind === "restore"));
}

function resizeBrush(stage, size) {
  stage.size = Math.min(Math.max(size, 1), MAX_BRUSH);
  $("size").value = stage.size;
  stage.draw();
}

function connectOptions(app) {
  $("seed").addEventListener("change", () => {
    const seed = parseSeed($("seed").value);
    if (seed === null) app.say("A seed is a whole number from 0 to 18446744073709551615.", true);
    else app.roll(seed);
  });
  $("crop").addEventListener("change", () => {
    app.crop = $("crop").value;
    app.onStrokes();
  });
}

/** Show the original while a button or key is pressed. */
function connectCompare(stage) {
  const compare = (isOn) => {
    stage.isComparing = isOn;
    stage.draw();
  };
  $("compare").addEventListener("pointerdown", () => compare(true));
  for (const type of ["pointerup", "pointerleave", "pointercancel", "blur"])
    $("compare").addEventListener(type, () => compare(false));
  const isFor = ({ key, target, ctrlKey, metaKey }) =>
    (key === " " && target === $("compare")) || (key === "c" && !isText(target) && !ctrlKey && !metaKey);
  document.addEventListener("keydown", (event) => isFor(event) && compare(true));
  document.addEventListener("keyup", (event) => isFor(event) && compare(false));
}

function onKey(event, app, actions) {
  if (isText(event.target) || document.querySelector("dialog[open]")) return;
  const isCommand = event.ctrlKey || event.metaKey;
  if (isCommand && event.key.toLowerCase() === "z") {
    event.preventDefault();
    actions[event.shiftKey ? "redo" : "undo"]();
  }
  if (isCommand || event.altKey) return;
  const name = KEYS[event.key];
  if (name && !$(name).disabled) actions[name]();
  if (event.key === "[") resizeBrush(app.stage, app.stage.size / 1.25);
  if (event.key === "]") resizeBrush(app.stage, app.stage.size * 1.25 + 1);
  if (event.key === "l" && Number.isInteger(app.selected)) app.lock(app.selected);
}

/** Whether letters belong to an element. */
function isText(target) {
  return target.matches?.("select, input:not([type=range])") ?? false;
}
