"""Write locales/ from the node classes and translations/: python tests/support/write_locales.py.

English texts are edited in the node classes and locales/en/main.json. translations/LANGUAGE.json
maps each of them to its translation, so that a text that changes is one without a translation. The
command names those, and texts that are translated but gone.
"""

import importlib.util
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCALES = ROOT / "locales"
NODE_DEFS = LOCALES / "en" / "nodeDefs.json"
TRANSLATIONS = Path(__file__).with_name("translations")


def node_defs(classes, display_names):
    """Return the content of nodeDefs.json."""
    return {node: _node_def(classes[node], display_names[node]) for node in sorted(classes)}


def _node_def(node_class, display_name):
    inputs = {
        name: {"name": name.replace("_", " "), "tooltip": options["tooltip"]}
        for section, inputs in node_class.INPUT_TYPES().items()
        if section != "hidden"
        for name, (_, options) in inputs.items()
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
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def texts_of(content):
    """Return every text of a locale file once, in order."""
    if isinstance(content, str):
        return [content]
    return list(dict.fromkeys(text for value in content.values() for text in texts_of(value)))


def translated(content, translations):
    """Return a locale file in another language; what has no translation stays English."""
    if isinstance(content, str):
        return translations.get(content, content)
    return {key: translated(value, translations) for key, value in content.items()}


def read_json(path):
    """Return the content of a file."""
    return json.loads(path.read_text(encoding="utf-8"))


def locale_files(pack):
    """Return the content of every file of locales/ but en/main.json, which is written by hand."""
    english = {
        "main.json": read_json(LOCALES / "en" / "main.json"),
        "nodeDefs.json": node_defs(pack.NODE_CLASS_MAPPINGS, pack.NODE_DISPLAY_NAME_MAPPINGS),
    }
    files = {NODE_DEFS: english["nodeDefs.json"]}
    for path in sorted(TRANSLATIONS.glob("*.json")):
        for name, content in english.items():
            files[LOCALES / path.stem / name] = translated(content, read_json(path))
    return files


def wanted_texts(pack):
    """Return every English text."""
    defs = node_defs(pack.NODE_CLASS_MAPPINGS, pack.NODE_DISPLAY_NAME_MAPPINGS)
    return texts_of({"main": read_json(LOCALES / "en" / "main.json"), "nodes": defs})


def load_by_path(name, path):
    """Import a file under any name, as ComfyUI loads a pack."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    """Write the files, and name texts that have to be translated."""
    pack = load_by_path("pack", ROOT / "__init__.py")
    for path, content in locale_files(pack).items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(as_text(content), encoding="utf-8")
    wanted = wanted_texts(pack)
    for path in sorted(TRANSLATIONS.glob("*.json")):
        known = read_json(path)
        missing = [text for text in wanted if text not in known]
        stale = [text for text in known if text not in wanted]
        print(f"{path.stem}: {len(missing)} to translate, {len(stale)} gone")
        for text in missing + stale:
            print(f"  {text}")


if __name__ == "__main__":
    main()
