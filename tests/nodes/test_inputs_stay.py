"""No node changes what it is given: ComfyUI shares outputs between nodes and keeps them."""

import dataclasses

import pytest
import torch

FEW = {"steps": 2, "num_variants": 2, "fit_steps": 1, "strength": 1.5, "width": 48, "height": 40}


@pytest.fixture
def sockets(classes, model, image, mask):
    """A value for each kind of socket; completions for inputs named images."""
    erased, encoded, _ = classes["DI_EncodeErased"]().execute(model, image, mask, "picture", 0.25)
    (random,) = classes["DI_SampleW"]().execute(model, 1, 2, 1.0)
    codes, _ = classes["DI_GatedMix"]().execute(model, encoded, random, 0.0)
    (images,) = classes["DI_Synthesize"]().execute(model, codes)
    (direction,) = classes["DI_DiscoverDirection"]().execute(model, "sefa", 0, 0, -1)
    kinds = {"DI_MODEL": model, "DI_ERASED": erased, "DI_W": codes, "DI_DIRECTION": direction}
    kinds |= {"IMAGE": image, "MASK": mask}
    return lambda name, kind: images if name == "images" else kinds[kind]


def tensors_in(value):
    """Every tensor of an input, by place."""
    if isinstance(value, torch.Tensor):
        return {"": value}
    if dataclasses.is_dataclass(value):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {
            f"{name}.{place}": tensor
            for name, inner in fields.items()
            for place, tensor in tensors_in(inner).items()
        }
    return dict(value.model.state_dict()) if hasattr(value, "can_encode") else {}


def inputs_of(node, sockets):
    sections = node.INPUT_TYPES()
    for name, (kind, options) in {**sections["required"], **sections.get("optional", {})}.items():
        is_socket = kind in ("IMAGE", "MASK") or str(kind).startswith("DI_")
        yield name, sockets(name, kind) if is_socket else FEW.get(name, options.get("default"))


def test_inputs_stay_as_they_are(classes, sockets, model_name, part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refusing = {"DI_LoadDirection": "bundled direction", "DI_LoadW": "no saved codes"}
    for node_id, node in classes.items():
        inputs = dict(inputs_of(node, sockets))
        inputs |= {"model_name": model_name} if node_id == "DI_LoadModel" else {}
        given = [
            (f"{node_id} {name} {place}", tensor, tensor.clone())
            for name, value in inputs.items()
            for place, tensor in tensors_in(value).items()
        ]
        try:
            with torch.inference_mode():
                node().execute(**inputs)
        except part("core.errors").DiverseInpaintingError as error:
            assert refusing.get(node_id, "no error") in str(error), node_id
        changed = [place for place, now, before in given if not torch.equal(now, before)]
        assert changed == []
