// Shows on a node what it warned about: `ui.warnings` of its last run.
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { addElement, element, grow } from "./shared.js";

const WIDGET = "diverse-inpainting-warning";
const LINE_PX = 16;
const CHARACTERS_PER_LINE = 40;
const warned = new Map(); // by how many pixels each node grew for its warning

function clear(node) {
  const index = node.widgets?.findIndex((widget) => widget.name === WIDGET) ?? -1;
  if (index < 0) return;
  node.widgets[index].onRemove?.();
  node.widgets.splice(index, 1);
  const height = node.size[1] - (warned.get(node) ?? 0);
  node.setSize?.([node.size[0], Math.max(height, node.computeSize()[1])]);
  warned.delete(node);
}

function show(node, sentences) {
  clear(node);
  const text = sentences.join("\n");
  const box = element("div", {
    background: "#4a3a10",
    borderRadius: "4px",
    boxSizing: "border-box",
    color: "#ffe2a0",
    fontSize: "12px",
    lineHeight: `${LINE_PX}px`,
    overflow: "auto",
    padding: "6px",
    whiteSpace: "pre-wrap",
  }, { textContent: `\u26a0 ${text}`, title: text });
  const lines = Math.min(Math.ceil(text.length / CHARACTERS_PER_LINE) + sentences.length, 12);
  addElement(node, WIDGET, "warning", box, () => lines * LINE_PX + 12);
  warned.set(node, grow(node));
}

app.registerExtension({
  name: "diverse-inpainting.warnings",
  setup() {
    // Cached nodes do not run, so they do not report again: what they warned about still holds.
    // Ids of nodes in subgraphs begin with those of the subgraphs: "5:12".
    api.addEventListener("execution_cached", ({ detail }) => {
      const cached = new Set(detail.nodes.map((id) => String(id).split(":").at(-1)));
      [...warned.keys()].filter((node) => !cached.has(String(node.id))).forEach(clear);
    });
  },
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!nodeData.name.startsWith("DI_")) return;
    const onExecuted = nodeType.prototype.onExecuted;
    nodeType.prototype.onExecuted = function (output, ...rest) {
      onExecuted?.call(this, output, ...rest);
      if (output?.warnings?.length) show(this, output.warnings);
    };
  },
});
