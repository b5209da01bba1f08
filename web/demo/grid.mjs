// The answers: click to choose, lock to keep, drag one onto another to blend the two.

const DRAG_PX = 8;
const TOUCH_MS = 250; // a finger that rests so long drags an answer, others scroll the page

/** Calls onSelect(k), onLock(k) and onBlend(from, to). */
export class Grid {
  constructor(list, numSlots, { onSelect, onLock, onBlend }) {
    Object.assign(this, { list, onSelect, onLock, onBlend });
    this.cells = Array.from({ length: numSlots }, (_, k) => this.cell(k));
    list.replaceChildren(...this.cells.map(({ item }) => item));
    list.addEventListener("keydown", (event) => this.key(event));
    list.addEventListener("touchmove", (event) => this.drag && event.preventDefault(), { passive: false });
    this.isPairing = false;
  }

  cell(k) {
    const item = document.createElement("li");
    const choose = document.createElement("button");
    const lock = document.createElement("button");
    const canvas = document.createElement("canvas");
    Object.assign(choose, { type: "button", disabled: true, tabIndex: k ? -1 : 0 });
    choose.setAttribute("aria-label", `Answer ${k + 1}`);
    choose.append(canvas);
    Object.assign(lock, { type: "button", title: "Keep this answer (L)", disabled: true });
    lock.setAttribute("aria-label", `Keep answer ${k + 1}`);
    lock.innerHTML = '<svg><use href="#i-lock"/></svg>';
    item.append(choose, lock);
    choose.addEventListener("click", () => !this.wasDragged && this.choose(k));
    choose.addEventListener("pointerdown", (event) => this.press(event, k));
    choose.addEventListener("contextmenu", (event) => event.preventDefault());
    lock.addEventListener("click", () => this.onLock(k));
    return { item, choose, lock, canvas, key: null };
  }

  choose(k) {
    const from = this.selected;
    if (this.isPairing && Number.isInteger(from) && from !== k) this.onBlend(from, k);
    else this.onSelect(k);
  }

  /** Show an answer: [side, side, 4] bytes, of which the part { left, top, width, height } is seen. */
  show(k, rgba, side, part) {
    const { item, choose, lock, canvas } = this.cells[k];
    Object.assign(canvas, { width: part.width, height: part.height });
    canvas.getContext("2d").putImageData(new ImageData(rgba, side, side), -part.left, -part.top);
    item.classList.add("ready");
    item.classList.remove("stale");
    choose.disabled = lock.disabled = false;
  }

  /** Grey out answers that are about to change. */
  age(isChanged) {
    this.cells.forEach(({ item }, k) => item.classList.toggle("stale", isChanged(k)));
  }

  clear() {
    for (const { item, choose, lock } of this.cells) {
      item.classList.remove("ready", "stale");
      choose.disabled = lock.disabled = true;
    }
  }

  mark({ selected, slots, blend }) {
    this.selected = selected;
    this.cells.forEach(({ item, choose, lock }, k) => {
      choose.setAttribute("aria-pressed", String(k === selected));
      lock.setAttribute("aria-pressed", String(slots[k].locked));
      item.classList.toggle("blended", Boolean(blend) && [blend.from, blend.to].includes(k));
    });
  }

  columns() {
    const top = this.cells[0].item.offsetTop;
    return this.cells.findIndex(({ item }) => item.offsetTop > top) || 1;
  }

  key(event) {
    const at = this.cells.findIndex(({ choose }) => choose === document.activeElement);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const columns = this.columns();
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    const ends = { Home: -at, End: this.cells.length - 1 - at };
    const step = steps[event.key] ?? ends[event.key];
    const next = this.cells[at + (step ?? NaN)];
    if (!next) return;
    event.preventDefault();
    for (const { choose } of this.cells) choose.tabIndex = -1;
    next.choose.tabIndex = 0;
    next.choose.focus();
  }

  // --- dragging one answer onto another ---

  press(event, k) {
    if (event.button !== 0) return;
    this.wasDragged = false;
    const start = { k, x: event.clientX, y: event.clientY };
    const isTouch = event.pointerType === "touch";
    const timer = isTouch ? setTimeout(() => this.lift(start), TOUCH_MS) : null;
    const move = (moved) => {
      const far = Math.hypot(moved.clientX - start.x, moved.clientY - start.y) > DRAG_PX;
      if (!this.drag && far) isTouch ? end() : this.lift(start);
      if (this.drag) this.carry(moved);
    };
    const end = () => {
      clearTimeout(timer);
      for (const [type, listener] of listeners) window.removeEventListener(type, listener);
      this.drop(false);
    };
    const up = () => {
      this.drop(true);
      end();
    };
    const listeners = [["pointermove", move], ["pointerup", up], ["pointercancel", end]];
    for (const [type, listener] of listeners) window.addEventListener(type, listener);
  }

  lift({ k, x, y }) {
    const { canvas } = this.cells[k];
    const ghost = Object.assign(document.createElement("canvas"), { id: "ghost" });
    Object.assign(ghost, { width: canvas.width, height: canvas.height });
    ghost.getContext("2d").drawImage(canvas, 0, 0);
    document.body.append(ghost);
    this.drag = { k, ghost, target: null };
    this.carry({ clientX: x, clientY: y });
  }

  carry({ clientX, clientY }) {
    const { ghost, k } = this.drag;
    Object.assign(ghost.style, { left: `${clientX}px`, top: `${clientY}px` });
    const below = document.elementFromPoint(clientX, clientY);
    const target = this.cells.findIndex(({ item }) => item.contains(below));
    this.drag.target = target >= 0 && target !== k ? target : null;
    this.cells.forEach(({ item }, at) => item.classList.toggle("target", at === this.drag.target));
  }

  drop(isDone) {
    if (!this.drag) return;
    const { k, ghost, target } = this.drag;
    ghost.remove();
    this.cells.forEach(({ item }) => item.classList.remove("target"));
    this.drag = null;
    this.wasDragged = true; // the click that follows is none
    setTimeout(() => (this.wasDragged = false));
    if (isDone && target !== null) this.onBlend(k, target);
  }
}
