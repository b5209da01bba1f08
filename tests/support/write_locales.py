"""Write locales/en/nodeDefs.json from the node classes: python tests/support/write_locales.py.

English texts are edited in the classes only; translations start from this file.
"""

import importlib.util
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NODE_DEFS = ROOT / "locales" / "en" / "nodeDefs.json"


def node_defs(classes, display_names):
    """Return the content of nodeDefs.json."""
    return {node: _node_def(classes[node], display_names[node]) for node in sorted(classes)}


def _node_def(node_class, display_name):
    inputs = {
        name: {"name": name.replace("_", " "), "tooltip": options["tooltip"]}
        for section in node_class.INPUT_TYPES().values()
        for name, (_, options) in section.items()
    }
    outputs = {
        str(index): {"name": name, "tooltip": tooltip}
        for index, (name, tooltip) in enumerate(
            zip(node_class.RETURN_NAMES, node_class.OUTPUT_TOOLTIPS, strict=True)
        )
    }
    return {
        "display_name": display_name,
        "description": node_class.DESCRIPTION,
        "inputs": inputs,
        "outputs": outputs,
    }


def as_text(content):
    """Return JSON as it is committed."""
    return json.dumps(content, indent=2) + "\n"


def load_by_path(name, path):
    """Import a file under any name, as ComfyUI loads a pack."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    """Write the file."""
    pack = load_by_path("pack", ROOT / "__init__.py")
    content = node_defs(pack.NODE_CLASS_MAPPINGS, pack.NODE_DISPLAY_NAME_MAPPINGS)
    NODE_DEFS.write_text(as_text(content), encoding="utf-8")


if __name__ == "__main__":
    main()
