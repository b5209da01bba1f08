// What the other modules share: widgets of nodes, results of runs, files on the server.
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

const INK = "#ddd";
export const ACCENT = "#d4e157";
export const FOOT_PX = 28; // of a panel's line of text

/** Return a node's widget by name. */
export function widgetOf(node, name) {
  return node.widgets?.find((widget) => widget.name === name);
}

/** Set a widget as if the user had typed, so that the workflow saves it and undo knows it. */
export function setWidget(node, name, value) {
  const widget = widgetOf(node, name);
  if (!widget || widget.value === value) return;
  widget.value = value;
  widget.callback?.(value, app.canvas, node);
  node.graph?.setDirtyCanvas(true, true);
}

/** Call listener(value) whenever somebody changes a widget. */
export function onWidgetChange(node, name, listener) {
  const widget = widgetOf(node, name);
  if (!widget) return;
  const callback = widget.callback;
  widget.callback = function (value, ...rest) {
    callback?.call(this, value, ...rest);
    listener(value);
  };
}

/** Return an element with styles and properties. */
export function element(tag, style = {}, properties = {}) {
  const made = document.createElement(tag);
  Object.assign(made.style, style);
  return Object.assign(made, properties);
}

/**
 * Add an element below a node's widgets; height() is its height in pixels.
 * It is not saved: a workflow stores the values of widgets by position.
 */
export function addElement(node, name, type, box, height) {
  const options = { serialize: false, getMinHeight: height, getMaxHeight: height };
  const widget = node.addDOMWidget(name, type, box, options);
  widget.serialize = false;
  widget.label = type; // what app mode calls it
  return widget;
}

/** Let a node grow where its widgets need more room; return by how many pixels it grew. */
export function grow(node) {
  const before = node.size[1];
  node.setSize?.([node.size[0], Math.max(before, node.computeSize()[1])]);
  node.graph?.setDirtyCanvas(true, true);
  return node.size[1] - before;
}

/** Make a new node at least so wide; a saved one takes its saved size afterwards. */
export function widen(node, width) {
  node.setSize?.([Math.max(node.size[0], width), node.size[1]]);
}

/** Keep keys for an element, except those of the front end, such as Ctrl+Enter. */
function keepKeys(box) {
  box.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  });
}

/** Let the wheel zoom the canvas, as over the rest of a node. */
function passWheel(box) {
  box.addEventListener("wheel", (event) => {
    if (!globalThis.LiteGraph?.vueNodesMode) app.canvas.processMouseWheel?.(event);
  });
}

/** Return the address of a file that a node's run named. */
export function addressOf({ filename, subfolder, type }) {
  return api.apiURL(`/view?${new URLSearchParams({ filename, subfolder, type })}`);
}

/** Call listener(node, output) after each run of nodes of a type, and for results on reload. */
export function onResult(nodeType, listener) {
  const { onExecuted } = nodeType.prototype;
  nodeType.prototype.onExecuted = function (output, ...rest) {
    onExecuted?.call(this, output, ...rest);
    if (output) listener(this, output);
  };
  // The front end brings back the results of a tab after its nodes.
  onLoad(nodeType, (node) =>
    setTimeout(() => {
      const output = app.nodeOutputs?.[node.id];
      if (output) listener(node, output);
    }),
  );
}

/** Call listener(node) once a workflow or a copy has set a node's widgets: that calls nobody. */
export function onLoad(nodeType, listener) {
  const { onConfigure } = nodeType.prototype;
  nodeType.prototype.onConfigure = function (...rest) {
    onConfigure?.apply(this, rest);
    listener(this);
  };
}

/** Return a button in the colours of the front end's widgets. */
export function button(text, title, onClick) {
  const made = element("button", {
    background: "#444",
    border: "none",
    borderRadius: "4px",
    color: INK,
    cursor: "pointer",
    font: "inherit",
    padding: "2px 8px",
  }, { textContent: text, title, type: "button" });
  made.addEventListener("click", onClick);
  return made;
}

/** Return a box for a node: its content, and below a line of text with a button. */
export function panel(content, push) {
  const status = element("span", { flex: "1", overflow: "hidden", whiteSpace: "nowrap" });
  const foot = element("div", { alignItems: "center", display: "flex", height: `${FOOT_PX}px` });
  foot.append(status, push);
  const box = element("div", { color: INK, font: "12px sans-serif", width: "100%" });
  box.append(content, foot);
  keepKeys(box);
  passWheel(box);
  return { box, status };
}
