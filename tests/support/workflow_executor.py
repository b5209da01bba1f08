"""Run a workflow in API form as ComfyUI does: validate, follow the links, cache each node."""

from types import SimpleNamespace

import torch

from core_nodes import input_types


def check_value(name, value, kind, options):
    """Check a widget's value as ComfyUI's validate_inputs does."""
    if isinstance(kind, list):
        assert value in kind, f"{name}: {value!r} is not in {kind}"
    elif kind in ("INT", "FLOAT"):
        assert options["min"] <= value <= options["max"], f"{name}: {value!r} is out of range"


def check(prompt, classes):
    """Check names, links and values of every node."""
    for key, node in prompt.items():
        types = input_types(classes[node["class_type"]].INPUT_TYPES())
        required = classes[node["class_type"]].INPUT_TYPES().get("required", {})
        assert set(required) <= set(node["inputs"]), f"node {key} lacks an input"
        assert set(node["inputs"]) <= set(types), f"node {key} has an unknown input"
        for name, value in node["inputs"].items():
            kind, options = types[name]
            if isinstance(value, list):
                source = classes[prompt[value[0]]["class_type"]]
                assert kind in (source.RETURN_TYPES[value[1]], "*"), (
                    f"{key}.{name} is linked wrongly"
                )
            else:
                check_value(f"{key}.{name}", value, kind, options)


def run(prompt, classes):
    """Run a checked workflow; return the outputs and the instance of each node by key."""
    check(prompt, classes)
    results = {}

    def result_of(key):
        if key not in results:
            node = prompt[key]
            values = {
                name: result_of(value[0]).outputs[value[1]] if isinstance(value, list) else value
                for name, value in node["inputs"].items()
            }
            instance = classes[node["class_type"]]()
            outputs = getattr(instance, instance.FUNCTION)(**values)
            if isinstance(outputs, dict):  # with something for the front end to show
                outputs = outputs.get("result", ())
            results[key] = SimpleNamespace(outputs=outputs, instance=instance)
        return results[key]

    with torch.inference_mode():  # the whole graph runs in it, in ComfyUI
        for key, node in prompt.items():
            if getattr(classes[node["class_type"]], "OUTPUT_NODE", False):
                result_of(key)
    return results
