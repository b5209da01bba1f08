// Shows on a node what it warned about: `ui.warnings` of its last run.
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

const WIDGET = "diverse-inpainting-warning";
const LINE_PX = 16;
const CHARACTERS_PER_LINE = 40;
const warned = new Map(); // by how many pixels each node grew for its warning

function clear(node) {
  const index = node.widgets?.findIndex((widget) => widget.name === WIDGET) ?? -1;
  if (index < 0) return;
  node.widgets[index].onRemove?.();
  node.widgets.splice(index, 1);
  resize(node, Math.max(node.size[1] - (warned.get(node) ?? 0), node.computeSize()[1]));
  warned.delete(node);
}

function resize(node, height) {
  node.setSize?.([node.size[0], height]);
}

function show(node, sentences) {
  clear(node);
  const text = sentences.join("\n");
  const box = document.createElement("div");
  box.textContent = `\u26a0 ${text}`;
  box.title = text;
  Object.assign(box.style, {
    background: "#4a3a10",
    borderRadius: "4px",
    boxSizing: "border-box",
    color: "#ffe2a0",
    fontSize: "12px",
    lineHeight: `${LINE_PX}px`,
    overflow: "auto",
    padding: "6px",
    whiteSpace: "pre-wrap",
  });
  const lines = Math.min(Math.ceil(text.length / CHARACTERS_PER_LINE) + sentences.length, 12);
  const height = lines * LINE_PX + 12;
  const options = { serialize: false, getMinHeight: () => height, getMaxHeight: () => height };
  // Not saved: a workflow stores the values of widgets by position.
  node.addDOMWidget(WIDGET, "warning", box, options).serialize = false;
  const before = node.size[1];
  resize(node, Math.max(before, node.computeSize()[1]));
  warned.set(node, node.size[1] - before);
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
