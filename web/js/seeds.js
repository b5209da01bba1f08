// New nodes keep their seed from run to run, so that picked and edited variants stay the same.
import { app } from "../../../scripts/app.js";
import { widgetOf } from "./shared.js";

app.registerExtension({
  name: "diverse-inpainting.seeds",
  nodeCreated(node) {
    if (!node.comfyClass?.startsWith("DI_")) return;
    const control = widgetOf(node, "control_after_generate");
    if (control) control.value = "fixed";
  },
});
