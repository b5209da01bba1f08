// The picture with its mask: painting, zoom and pan by mouse, pen, touch and keys.

import { drawStrokes } from "./strokes.mjs";

const MAX_ZOOM = 32;
const PEN_ERASER = 5; // button of a pen's other end
const MAX_UNDO = 200;

/** Calls onStrokes() when the mask changed. Sizes of the brush are in CSS pixels on the screen. */
export class Stage {
  constructor(box, canvas, onStrokes) {
    Object.assign(this, { box, canvas, onStrokes });
    this.context = canvas.getContext("2d");
    this.layer = document.createElement("canvas").getContext("2d");
    Object.assign(this, { strokes: [], past: [], future: [], kind: "paint", size: 40 });
    Object.assign(this, { picture: null, patch: null, isComparing: false, current: null });
    this.view = { scale: 1, x: 0, y: 0 };
    this.pointers = new Map();
    this.cursor = null;
    for (const type of ["down", "move", "up", "cancel", "leave"])
      canvas.addEventListener(`pointer${type}`, (event) => this[type](event));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    box.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.resize()).observe(box);
  }

  // --- what is shown ---

  setPicture(picture, strokes = []) {
    this.picture = picture;
    this.patch = null;
    Object.assign(this, { strokes, past: [], future: [], current: null });
    this.fit();
  }

  /** Show a result: { area, image }, or null for the picture alone. */
  setPatch(patch) {
    this.patch = patch;
    this.draw();
  }

  resize() {
    const { clientWidth, clientHeight } = this.box;
    const ratio = window.devicePixelRatio || 1;
    Object.assign(this.canvas, { width: clientWidth * ratio, height: clientHeight * ratio });
    Object.assign(this.layer.canvas, { width: clientWidth * ratio, height: clientHeight * ratio });
    this.fit();
  }

  /** Return the scale at which the whole picture is seen. */
  get fitScale() {
    const { clientWidth, clientHeight } = this.box;
    return Math.min(clientWidth / this.picture.width, clientHeight / this.picture.height);
  }

  fit() {
    if (!this.picture) return;
    const { clientWidth, clientHeight } = this.box;
    const scale = this.fitScale;
    const [x, y] = [clientWidth - scale * this.picture.width, clientHeight - scale * this.picture.height];
    this.view = { scale, x: x / 2, y: y / 2 };
    this.draw();
  }

  /** Zoom about a point of the box, its middle by default. */
  zoom(factor, x = this.box.clientWidth / 2, y = this.box.clientHeight / 2) {
    if (!this.picture) return;
    const { view } = this;
    const least = Math.min(this.fitScale, 1);
    const scale = Math.min(Math.max(view.scale * factor, least / 2), MAX_ZOOM * least);
    view.x = x - ((x - view.x) * scale) / view.scale;
    view.y = y - ((y - view.y) * scale) / view.scale;
    view.scale = scale;
    this.draw();
  }

  draw() {
    if (this.isDue || !this.picture) return;
    this.isDue = true;
    requestAnimationFrame(() => {
      this.isDue = false;
      this.drawNow();
    });
  }

  drawNow() {
    const { context, canvas, picture, patch, view } = this;
    const ratio = window.devicePixelRatio || 1;
    const place = [ratio * view.scale, 0, 0, ratio * view.scale, ratio * view.x, ratio * view.y];
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(...place);
    context.imageSmoothingEnabled = view.scale < 4 * this.fitScale; // else pixels are looked at
    context.imageSmoothingQuality = "high";
    const isSmall = ratio * view.scale * picture.width <= picture.preview.width;
    context.drawImage(isSmall ? picture.preview : picture.bitmap, 0, 0, picture.width, picture.height);
    if (patch && !this.isComparing) context.drawImage(patch.image, patch.area.left, patch.area.top);
    if (this.showsMask) this.drawMask(place);
    this.drawCursor(ratio);
  }

  /** Whether the mask covers what is below: until there is a result, and while painting. */
  get showsMask() {
    return Boolean(this.current) || (this.strokes.length > 0 && !this.patch && !this.isComparing);
  }

  drawMask(place) {
    const { layer, context, picture } = this;
    const colour = getComputedStyle(this.box).getPropertyValue("--hole");
    layer.setTransform(1, 0, 0, 1, 0, 0);
    layer.clearRect(0, 0, layer.canvas.width, layer.canvas.height);
    layer.setTransform(...place);
    layer.save();
    layer.beginPath();
    layer.rect(0, 0, picture.width, picture.height);
    layer.clip();
    drawStrokes(layer, this.current ? [...this.strokes, this.current] : this.strokes, colour);
    layer.restore();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = 0.6;
    context.drawImage(layer.canvas, 0, 0);
    context.globalAlpha = 1;
  }

  drawCursor(ratio) {
    if (!this.cursor) return;
    const { context } = this;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    for (const [colour, width] of [["#0009", 3], ["#fff", 1.5]]) {
      Object.assign(context, { strokeStyle: colour, lineWidth: width });
      context.beginPath();
      context.arc(this.cursor.x, this.cursor.y, Math.max(this.size / 2, 2), 0, 2 * Math.PI);
      context.stroke();
    }
  }

  // --- the mask ---

  /** Replace the strokes; undo brings the old ones back. */
  change(strokes) {
    this.past = [...this.past, this.strokes].slice(-MAX_UNDO);
    this.future = [];
    this.set(strokes);
  }

  undo() {
    if (!this.past.length) return;
    this.future = [this.strokes, ...this.future];
    this.set(this.past.pop());
  }

  redo() {
    if (!this.future.length) return;
    this.past = [...this.past, this.strokes];
    this.set(this.future.shift());
  }

  set(strokes) {
    this.strokes = strokes;
    this.draw();
    this.onStrokes();
  }

  // --- pointers ---

  toPicture(x, y) {
    const { view } = this;
    return [Math.round((x - view.x) / view.scale), Math.round((y - view.y) / view.scale)];
  }

  place(event) {
    const { left, top } = this.canvas.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  down(event) {
    if (!this.picture) return;
    this.canvas.setPointerCapture(event.pointerId);
    const place = this.place(event);
    this.pointers.set(event.pointerId, place);
    this.cursor = event.pointerType === "touch" ? null : place;
    if (this.pointers.size === 2) this.current = null; // two fingers move the picture
    else if (this.pointers.size === 1 && event.button === 0) this.begin(place, this.kind);
    else if (event.button === PEN_ERASER) this.begin(place, "restore");
    this.draw();
  }

  begin({ x, y }, kind) {
    const radius = Math.max(Math.round(this.size / 2 / this.view.scale), 1);
    this.current = { kind, radius, points: this.toPicture(x, y) };
  }

  move(event) {
    const place = this.place(event);
    const before = this.pointers.get(event.pointerId);
    this.cursor = event.pointerType === "touch" ? null : place;
    if (before && this.current) {
      const events = event.getCoalescedEvents?.() ?? [];
      for (const each of events.length ? events : [event]) this.extend(this.place(each));
    } else if (before && this.pointers.size === 2) this.pinch(event.pointerId, before, place);
    else if (before) {
      this.view.x += place.x - before.x;
      this.view.y += place.y - before.y;
    }
    if (before) this.pointers.set(event.pointerId, place);
    this.draw();
  }

  extend({ x, y }) {
    const { points, radius } = this.current;
    const [px, py] = this.toPicture(x, y);
    if (Math.hypot(px - points.at(-2), py - points.at(-1)) >= Math.max(radius / 6, 1)) points.push(px, py);
  }

  pinch(id, before, after) {
    const other = [...this.pointers].find(([key]) => key !== id)[1];
    const distance = (place) => Math.max(Math.hypot(place.x - other.x, place.y - other.y), 1);
    this.view.x += (after.x - before.x) / 2;
    this.view.y += (after.y - before.y) / 2;
    const [x, y] = [(after.x + other.x) / 2, (after.y + other.y) / 2];
    this.zoom(distance(after) / distance(before), x, y);
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    if (this.current) {
      const stroke = this.current;
      this.current = null;
      this.change([...this.strokes, stroke]);
    }
  }

  cancel(event) {
    this.pointers.delete(event.pointerId);
    this.current = null;
    this.draw();
  }

  leave() {
    this.cursor = null;
    this.draw();
  }

  wheel(event) {
    event.preventDefault();
    if (!this.picture) return;
    const { x, y } = this.place(event);
    const lines = event.deltaMode ? 30 : 1;
    this.zoom(Math.exp((-event.deltaY * lines) / (event.ctrlKey ? 100 : 500)), x, y);
  }

  /** Arrow keys move the brush, the space bar paints a dot. */
  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (event.target !== this.box || !this.picture || event.ctrlKey || event.metaKey) return;
    if (!step && event.key !== " ") return;
    event.preventDefault();
    this.cursor ??= { x: this.box.clientWidth / 2, y: this.box.clientHeight / 2 };
    if (step) {
      const length = event.shiftKey ? 4 : Math.max(this.size / 3, 4);
      const { x, y } = this.cursor;
      const within = (value, most) => Math.min(Math.max(value, 0), most);
      this.cursor = {
        x: within(x + length * step[0], this.box.clientWidth),
        y: within(y + length * step[1], this.box.clientHeight),
      };
      this.draw();
    } else {
      this.begin(this.cursor, this.kind);
      this.up({ pointerId: null });
    }
  }
}
