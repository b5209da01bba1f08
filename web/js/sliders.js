// DI_EditSliders: a slider for each direction. They write the widget `sliders`, as JSON, and once
// the node has run, its branch of the graph runs again while they move.
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import {
  ACCENT,
  FOOT_PX,
  addElement,
  button,
  element,
  grow,
  onLoad,
  onResult,
  onWidgetChange,
  panel,
  setWidget,
  widen,
  widgetOf,
} from "./shared.js";

const NODE = "DI_EditSliders";
const ROW_PX = 24;
const WIDTH_PX = 340;
const STEP = 0.1;
const DEBOUNCE_MS = 60;

/** Return strengths by name; an empty object where the text is no JSON object. */
function parse(text) {
  try {
    const values = JSON.parse(text || "{}");
    return values && typeof values === "object" && !Array.isArray(values) ? values : {};
  } catch {
    return {};
  }
}

/** Runs a node's branch, at most once at a time: what changes meanwhile runs afterwards. */
class Preview {
  static finished = new Set(); // ids of prompts; a short run ends before its request is answered
  static running = new Map();

  static listen() {
    for (const type of ["execution_success", "execution_error", "execution_interrupted"])
      api.addEventListener(type, ({ detail }) => Preview.end(detail.prompt_id));
    api.addEventListener("reconnected", () => [...Preview.running.keys()].forEach(Preview.end));
  }

  static end(id) {
    Preview.finished.add(id);
    const preview = Preview.running.get(id);
    Preview.running.delete(id);
    if (preview) preview.done();
  }

  constructor(node, say) {
    this.node = node;
    this.say = say;
    this.busy = false;
    this.waiting = false;
  }

  ask() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.run(), DEBOUNCE_MS);
  }

  async run() {
    this.waiting = this.busy;
    if (this.busy || !this.node.graph) return;
    this.busy = true;
    try {
      const { prompt_id: id } = await this.queue();
      Preview.running.set(id, this);
      if (Preview.finished.has(id)) Preview.end(id);
    } catch (error) {
      this.say(`The preview did not run: ${error.message}`);
      this.done();
    }
  }

  /** Queue this node alone. Not app.queuePrompt: that would roll the seeds of other nodes. */
  async queue() {
    const prompt = await app.graphToPrompt();
    const targets = Object.keys(prompt.output).filter(
      (id) => id.split(":").at(-1) === String(this.node.id) && prompt.output[id].class_type === NODE,
    );
    return api.queuePrompt(-1, prompt, { partialExecutionTargets: targets });
  }

  done() {
    this.busy = false;
    if (this.waiting) this.run();
  }
}

class Sliders {
  constructor(node, directions) {
    this.node = node;
    this.directions = directions;
    this.hasRun = false;
    this.rows = element("div", {
      alignItems: "center",
      columnGap: "8px",
      display: "grid",
      gridAutoRows: `${ROW_PX}px`,
      gridTemplateColumns: "minmax(60px, max-content) 1fr 40px",
    });
    const reset = button("Reset", "Set all sliders to 0", () => this.write({}));
    const { box, status } = panel(this.rows, reset);
    this.status = status;
    this.preview = new Preview(node, (text) => this.say(text));
    addElement(node, "diverse-inpainting-sliders", "sliders", box, () => this.height());
    this.hideText();
    onWidgetChange(node, "sliders", () => this.draw());
    this.draw();
    this.say("Run once; then the picture follows the sliders.");
  }

  /** Hide the text that the sliders write; without this module it is what the user edits. */
  hideText() {
    const widget = widgetOf(this.node, "sliders");
    if (!widget) return;
    widget.hidden = true;
    if (widget.options) widget.options.hidden = true;
  }

  height() {
    return (this.rows.childElementCount / 3) * ROW_PX + FOOT_PX + 8;
  }

  say(text) {
    this.status.textContent = this.status.title = text;
  }

  values() {
    return parse(widgetOf(this.node, "sliders")?.value);
  }

  /** Sliders of the model, and one for each strength in the text that it does not name. */
  draw() {
    const values = this.values();
    const named = new Set(this.directions.map(({ name }) => name));
    const others = Object.keys(values).filter((name) => !named.has(name));
    const wanted = [...this.directions, ...others.map((name) => ({ name, limit: 3 }))];
    const shown = JSON.stringify(wanted);
    if (shown !== this.shown) {
      this.shown = shown;
      this.rows.replaceChildren(...wanted.flatMap((direction) => this.row(direction)));
      grow(this.node);
    }
    for (const input of this.rows.querySelectorAll("input")) {
      const value = Number(values[input.name] ?? 0);
      const limit = Math.max(Number(input.dataset.limit), Math.abs(value));
      Object.assign(input, { min: -limit, max: limit, value });
      input.nextElementSibling.textContent = value.toFixed(1);
    }
  }

  row({ name, limit, description }) {
    const label = element("label", { overflow: "hidden", textOverflow: "ellipsis", whiteSpace: "nowrap" }, {
      textContent: name,
      title: description || name,
    });
    const input = element("input", { accentColor: ACCENT, cursor: "pointer", margin: "0", minWidth: "0" }, {
      max: limit,
      min: -limit,
      name,
      step: STEP,
      title: `${description || name} (double-click: 0)`,
      type: "range",
    });
    input.dataset.limit = limit;
    input.setAttribute("aria-label", name);
    const number = element("output", { textAlign: "right" });
    input.addEventListener("input", () => this.set(name, Number(input.value)));
    input.addEventListener("dblclick", () => this.set(name, 0));
    return [label, input, number];
  }

  set(name, value) {
    const values = this.values();
    if (value) values[name] = value;
    else delete values[name];
    this.write(values);
  }

  write(values) {
    setWidget(this.node, "sliders", JSON.stringify(values));
    this.draw();
    if (this.hasRun) this.preview.ask();
  }

  show(output) {
    this.hasRun = true;
    this.say("");
    if (!output.directions) return;
    this.directions = output.directions;
    this.draw();
  }
}

const panels = new WeakMap();
let bundled = [];

app.registerExtension({
  name: "diverse-inpainting.sliders",
  setup: () => Preview.listen(),
  nodeCreated(node) {
    if (node.comfyClass !== NODE) return;
    widen(node, WIDTH_PX);
    panels.set(node, new Sliders(node, bundled));
  },
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name !== NODE) return;
    bundled = nodeData.input?.required?.sliders?.[1]?.directions ?? [];
    onLoad(nodeType, (node) => panels.get(node)?.draw());
    onResult(nodeType, (node, output) => panels.get(node)?.show(output));
  },
});
