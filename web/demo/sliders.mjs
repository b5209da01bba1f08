// A slider for each direction of the model.

const LIMIT = 3;
const STEP = 0.1;

/** Calls onChange(strengths by name, whether a slider is being dragged). */
export class Sliders {
  constructor(box, directions, onChange) {
    this.onChange = onChange;
    this.values = {};
    this.rows = Object.entries(directions).map((direction) => this.row(direction));
    box.replaceChildren(...this.rows.flatMap(({ label, input, output }) => [label, input, output]));
  }

  row([name, { description }]) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    const output = document.createElement("output");
    Object.assign(input, { type: "range", min: -LIMIT, max: LIMIT, step: STEP, value: 0, name });
    input.id = `direction-${name.replaceAll(/\W/g, "-")}`;
    Object.assign(label, { htmlFor: input.id, textContent: name, title: description || name });
    input.title = `${description || name} (double-click: 0)`;
    input.addEventListener("input", () => this.set(name, Number(input.value), true));
    input.addEventListener("change", () => this.set(name, Number(input.value), false));
    input.addEventListener("dblclick", () => this.set(name, 0, false));
    return { name, label, input, output };
  }

  set(name, value, isDragging) {
    this.write({ ...this.values, [name]: value });
    this.onChange(this.values, isDragging);
  }

  /** Show strengths by name; others than those of the model are left out. */
  write(values) {
    this.values = {};
    for (const { name, input, output } of this.rows) {
      const value = Math.min(Math.max(Number(values[name] ?? 0), -LIMIT), LIMIT);
      if (value) this.values[name] = value;
      input.value = value;
      output.textContent = value ? value.toFixed(1).replace("-", "\u2212") : "0";
    }
  }

  reset() {
    this.write({});
    this.onChange(this.values, false);
  }
}
