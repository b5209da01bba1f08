// A colour for each socket type of the pack, in both kinds of nodes that the front end has.
import { app } from "../../../scripts/app.js";

const COLOURS = {
  DI_MODEL: "#26c6da",
  DI_ERASED: "#bc8f6f",
  DI_W: "#d4e157",
  DI_DIRECTION: "#f06292",
};

/** Keep a colour when the front end empties those of types that its palette does not name. */
function keep(colours, type, initial) {
  let colour = initial;
  Object.defineProperty(colours, type, {
    configurable: true,
    enumerable: true,
    get: () => colour,
    set: (value) => {
      colour = value || initial;
    },
  });
}

app.registerExtension({
  name: "diverse-inpainting.colours",
  setup() {
    const links = app.canvas?.constructor?.link_type_colors;
    const sockets = app.canvas?.default_connection_color_byType;
    for (const [type, colour] of Object.entries(COLOURS))
      for (const colours of [links, sockets]) if (colours) keep(colours, type, colour);
    const rules = Object.entries(COLOURS).map(([type, colour]) => `--color-datatype-${type}: ${colour};`);
    const style = document.createElement("style");
    style.textContent = `:root { ${rules.join(" ")} }`;
    document.head.append(style);
  },
});
