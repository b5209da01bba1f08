// DI_PickVariant: the batch as a grid. Clicks and keys write the widget `pick`, as text.
import { app } from "../../../scripts/app.js";
import {
  ACCENT,
  FOOT_PX,
  addElement,
  addressOf,
  button,
  element,
  grow,
  onResult,
  onWidgetChange,
  panel,
  setWidget,
  widen,
  widgetOf,
} from "./shared.js";

const NODE = "DI_PickVariant";
const CELL_PX = 92;
const GAP_PX = 4;
const LABEL_PX = 16;
const WIDTH_PX = 420; // four cells in a row

/** Return the picks of each image, [[0, 2], ...], or null where the text has another form. */
export function parsePicks(text, numImages, numVariants) {
  const parts = String(text ?? "").split(";").map((part) => parsePart(part, numVariants));
  if (parts.includes(null) || ![1, numImages].includes(parts.length)) return null;
  return Array.from({ length: numImages }, (_, b) => [...parts[b % parts.length]]);
}

function parsePart(part, numVariants) {
  const chosen = new Set();
  for (const item of part.replaceAll(/\s*-\s*/g, "-").split(/[\s,]+/).filter(Boolean)) {
    const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(item) ?? [];
    const [low, high] = [Number(first), Number(last ?? first)];
    if (!(low <= high && high < numVariants)) return null;
    for (let v = low; v <= high; v++) chosen.add(v);
  }
  return [...chosen];
}

/** Return picks as text: 0,2-4, or with semicolons where images differ. */
export function picksAsText(picks) {
  const parts = picks.map(partAsText);
  return parts.every((part) => part === parts[0]) ? parts[0] : parts.join("; ");
}

function partAsText(chosen) {
  const runs = [];
  for (const v of chosen) {
    const run = runs.at(-1);
    if (run && v === run.at(-1) + 1) run.push(v);
    else runs.push([v]);
  }
  return runs.map((run) => (run.length > 2 ? `${run[0]}-${run.at(-1)}` : run.join(","))).join(",");
}

class Grid {
  constructor(node) {
    this.node = node;
    this.cells = [];
    this.numVariants = 0;
    this.list = element("div", {
      display: "grid",
      gap: `${GAP_PX}px`,
      gridTemplateColumns: `repeat(auto-fill, minmax(${CELL_PX}px, 1fr))`,
    });
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-multiselectable", "true");
    this.list.setAttribute("aria-label", "variants");
    this.list.addEventListener("keydown", (event) => this.onKey(event));
    this.clear = button("Keep all", "Empty the choice", () => this.write(this.empty()));
    const { box, status } = panel(this.list, this.clear);
    this.status = status;
    addElement(node, "diverse-inpainting-grid", "variants", box, () => this.height());
    onWidgetChange(node, "pick", () => this.mark());
    this.mark();
  }

  get numImages() {
    return this.cells.length / this.numVariants || 0;
  }

  columns() {
    const width = (this.list.clientWidth || this.node.size[0] - 30) + GAP_PX;
    return Math.max(1, Math.floor(width / (CELL_PX + GAP_PX)));
  }

  height() {
    const columns = this.columns();
    const rows = Math.ceil(this.cells.length / columns);
    const side = (this.node.size[0] - 30) / Math.min(columns, this.cells.length || 1);
    const cell = Math.max(CELL_PX, side) + LABEL_PX;
    return Math.ceil(rows * (cell + GAP_PX)) + FOOT_PX + 8;
  }

  show(variants, numVariants) {
    const at = this.cells.indexOf(document.activeElement);
    this.numVariants = numVariants;
    this.cells = variants.map((variant, index) => this.cell(variant, index));
    this.list.replaceChildren(...this.cells);
    this.cells[Math.max(at, 0)]?.setAttribute("tabindex", "0");
    if (at >= 0) this.cells[at]?.focus();
    this.mark();
    grow(this.node);
  }

  cell(variant, index) {
    const cell = element("div", {
      border: "2px solid transparent",
      borderRadius: "4px",
      cursor: "pointer",
      overflow: "hidden",
      position: "relative",
      textAlign: "center",
    });
    const several = this.cells.length > this.numVariants;
    const label = several ? `${Math.floor(index / this.numVariants)}: ${variant.label}` : variant.label;
    const image = element("img", {
      aspectRatio: "1",
      display: "block",
      objectFit: "contain",
      pointerEvents: "none",
      width: "100%",
    }, { alt: "", draggable: false, src: addressOf(variant) });
    const text = element("div", {
      fontSize: "11px",
      lineHeight: `${LABEL_PX}px`,
      overflow: "hidden",
      textOverflow: "ellipsis",
      whiteSpace: "nowrap",
    }, { textContent: label, title: label });
    const badge = element("span", {
      background: ACCENT,
      borderRadius: "8px",
      color: "#222",
      fontWeight: "bold",
      minWidth: "16px",
      position: "absolute",
      right: "4px",
      top: "4px",
    }, { className: "badge" });
    cell.append(image, text, badge);
    cell.setAttribute("role", "option");
    cell.setAttribute("aria-label", label);
    cell.setAttribute("tabindex", "-1");
    cell.addEventListener("click", () => {
      this.focus(index);
      this.toggle(index);
    });
    return cell;
  }

  empty() {
    return Array.from({ length: this.numImages || 1 }, () => []);
  }

  read() {
    return parsePicks(widgetOf(this.node, "pick")?.value, this.numImages || 1, this.numVariants);
  }

  write(picks) {
    setWidget(this.node, "pick", picksAsText(picks));
    this.mark();
  }

  toggle(index) {
    const picks = this.read() ?? this.empty();
    const [b, v] = [Math.floor(index / this.numVariants), index % this.numVariants];
    const at = picks[b].indexOf(v);
    if (at < 0) picks[b].push(v);
    else picks[b].splice(at, 1);
    this.write(picks);
  }

  focus(index) {
    this.cells.forEach((cell, k) => cell.setAttribute("tabindex", k === index ? "0" : "-1"));
    this.cells[index].focus({ preventScroll: true });
  }

  onKey(event) {
    const index = this.cells.indexOf(document.activeElement);
    if (index < 0) return;
    const steps = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -this.columns(),
      ArrowDown: this.columns(),
      Home: -index,
      End: this.cells.length - 1 - index,
    };
    const isToggle = event.key === " " || event.key === "Enter";
    if (!isToggle && !(event.key in steps)) return;
    if (event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const next = index + (steps[event.key] ?? 0);
    if (isToggle) this.toggle(index);
    else if (this.cells[next]) this.focus(next);
  }

  mark() {
    const picks = this.read();
    this.cells.forEach((cell, index) => {
      const [b, v] = [Math.floor(index / this.numVariants), index % this.numVariants];
      const place = picks?.[b].indexOf(v) ?? -1;
      cell.setAttribute("aria-selected", String(place >= 0));
      cell.style.borderColor = place >= 0 ? ACCENT : "transparent";
      const badge = cell.querySelector(".badge");
      badge.textContent = place + 1;
      badge.hidden = place < 0;
    });
    this.status.textContent = this.summary(picks);
    this.clear.hidden = !widgetOf(this.node, "pick")?.value;
  }

  summary(picks) {
    if (!this.cells.length) return "Run once to see the variants here.";
    if (!picks) return "pick: write numbers and ranges, such as 0,2-4";
    const counts = picks.map((chosen) => chosen.length);
    if (!counts.some(Boolean)) return `All ${this.cells.length} are kept. Click those to keep.`;
    if (counts.some((count) => count !== counts[0]))
      return `Pick as many of each image (now ${counts.join(", ")}).`;
    return `${counts[0]} of ${this.numVariants} picked. Run to pass them on.`;
  }
}

const grids = new WeakMap();

app.registerExtension({
  name: "diverse-inpainting.pick",
  nodeCreated(node) {
    if (node.comfyClass !== NODE) return;
    widen(node, WIDTH_PX);
    grids.set(node, new Grid(node));
  },
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name !== NODE) return;
    onResult(nodeType, (node, output) => {
      const grid = grids.get(node);
      if (output.variants) grid?.show(output.variants, output.num_variants[0]);
      grid?.mark();
    });
  },
});
