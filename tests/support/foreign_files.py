"""Writes StyleGAN2 files as other programs do, from goldens, without those programs.

Pickles name classes by module; stand-ins with the right names are put into `sys.modules` while
they are written. `conftest.py` makes this importable.
"""

import argparse
import collections
import contextlib
import json
import pickle
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

GOLDENS = Path(__file__).parents[1] / "core" / "checkpoint" / "importers" / "goldens"

_BUFFERS = ("w_avg", "resample_filter", "noise_const")
MODULE_SOURCE = "raise SystemExit('the source in a pickle was run')"


@dataclass
class Golden:
    """Random weights under a family's names, inputs, and what its own code made of them."""

    source: dict
    """float32, by the family's names below the name of the network (`G_ema.`, `g_ema.`, ...)."""
    inputs: dict
    outputs: dict
    """float64."""
    settings: dict
    stride: int


def read_golden(case):
    with safe_open(GOLDENS / f"{case}.safetensors", framework="pt") as file:
        about = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    parts = {
        part: {n.split(".", 1)[1]: t for n, t in tensors.items() if n.startswith(f"{part}.")}
        for part in ("source", "inputs", "outputs")
    }
    return Golden(
        {name: tensor.float() for name, tensor in parts["source"].items()},
        {n: t.double() / 128 if n == "image" else t.double() for n, t in parts["inputs"].items()},
        parts["outputs"],
        json.loads(about.get("settings", "{}")),
        int(about["stride"]),
    )


def _reconstruct(meta):
    raise AssertionError("NVIDIA's function was called")


class EasyDict(dict):
    pass


class Network:
    """A TensorFlow network: its state is its `__dict__`."""


class Persistent:
    """An object of NVIDIA's: it is reduced to a call with its class's source and its state."""

    def __init__(self, class_name, state, source=MODULE_SOURCE):
        self.meta = {
            "type": "class",
            "version": 6,
            "module_src": source,
            "class_name": class_name,
            "state": state,
        }

    def __reduce__(self):
        return (_reconstruct, (self.meta,), None)


@contextlib.contextmanager
def stand_ins():
    """Let pickle find the stand-ins under NVIDIA's names."""
    places = {
        "torch_utils.persistence": {"_reconstruct_persistent_obj": _reconstruct},
        "dnnlib.util": {"EasyDict": EasyDict},
        "dnnlib.tflib.network": {"Network": Network},
    }
    before = [(o, o.__module__, o.__qualname__) for o in (_reconstruct, EasyDict, Network)]
    made = {}
    for path, content in places.items():
        for depth in range(1, path.count(".") + 2):
            name = ".".join(path.split(".")[:depth])
            made.setdefault(name, types.ModuleType(name))
        for name, thing in content.items():
            thing.__module__, thing.__qualname__ = path, name
            setattr(made[path], name, thing)
    saved = {name: sys.modules.get(name) for name in made}
    sys.modules.update(made)
    try:
        yield
    finally:
        for name, module in saved.items():
            sys.modules.pop(name) if module is None else sys.modules.update({name: module})
        for thing, module, qualname in before:
            thing.__module__, thing.__qualname__ = module, qualname


def tree_of(names):
    """Return nested dicts for dotted names."""
    root = {}
    for name, value in names.items():
        *folders, last = name.split(".")
        place = root
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = value
    return root


def nvidia_module(tree, name, settings, source=MODULE_SOURCE):
    """Return a module of NVIDIA's from nested dicts of tensors."""
    own = dict(settings.get(name, {}))
    groups = {g: collections.OrderedDict() for g in ("_parameters", "_buffers", "_modules")}
    for key, value in tree.items():
        if isinstance(value, dict):
            groups["_modules"][key] = nvidia_module(value, f"{name}.{key}", settings, source)
        elif key in _BUFFERS:
            groups["_buffers"][key] = value
        else:
            groups["_parameters"][key] = torch.nn.Parameter(value, requires_grad=False)
    if own.get("class_name") == "DiscriminatorEpilogue":
        child = settings.get(f"{name}.mbstd", {})
        groups["_modules"]["mbstd"] = nvidia_module({}, f"{name}.mbstd", {f"{name}.mbstd": child})
    if "weight_gain" in own:
        own["weight_gain"] = np.float64(own["weight_gain"])
    class_name = own.pop("class_name", "Module")
    state = {"training": False, **groups, "_init_args": (), "_init_kwargs": EasyDict(), **own}
    return Persistent(class_name, state, source)


def write_nvidia(path, golden, source=MODULE_SOURCE, roles=("G_ema", "D"), **others):
    """Write a pickle of stylegan2-ada-pytorch."""
    tree = tree_of(golden.source)
    data = {"training_set_kwargs": EasyDict(resolution=64), "augment_pipe": None, **others}
    data |= {role: nvidia_module(tree[role], role, golden.settings, source) for role in roles}
    with stand_ins(), path.open("wb") as file:
        pickle.dump(data, file)


def _network(variables, static, version, components=(), function="G_main"):
    made = Network()
    made.__dict__.update(
        version=version,
        name="N",
        static_kwargs=static,
        components=dict(components),
        build_module_src=MODULE_SOURCE,
        build_func_name=function,
        variables=variables,
    )
    return made


def write_tensorflow(path, golden, protocol=4, change=None):
    """Write a pickle of StyleGAN2 or StyleGAN2-ADA for TensorFlow."""
    own, below = {}, {}
    for name, value in golden.source.items():
        role, *component, variable = name.split(":")
        # A variable without axes is a NumPy number, as TensorFlow returns it.
        array = value.numpy() if value.ndim else np.float32(value.item())
        place = (
            below.setdefault((role, component[0]), []) if component else own.setdefault(role, [])
        )
        place.append((variable, array))
    networks = {}
    for role in ("Gs", "D"):
        about = golden.settings[role]
        static, version = about["static_kwargs"], about["version"]
        parts = {
            name: _network(variables, static, version)
            for (owner, name), variables in below.items()
            if owner == role
        }
        networks[role] = _network(own.get(role, []), static, version, parts)
    if change:
        change(networks)
    with stand_ins(), path.open("wb") as file:
        pickle.dump((networks["Gs"], networks["D"], networks["Gs"]), file, protocol=protocol)


def state_dicts(golden):
    """Return one flat state dict for each network of a golden."""
    networks = {}
    for name, value in golden.source.items():
        role, _, key = name.partition(".")
        networks.setdefault(role, collections.OrderedDict())[key] = value
    return networks


def write_torch(path, tree, legacy=False):
    torch.save(tree, path, _use_new_zipfile_serialization=not legacy)


def write_rosinality(path, golden, legacy=False, **others):
    """Write a training checkpoint, with an optimiser's state and arguments."""
    networks = state_dicts(golden)
    optimiser = {
        "state": {0: {"step": 3, "exp_avg": torch.zeros(4)}},
        "param_groups": [{"lr": 2e-3}],
    }
    extra = {"g_optim": optimiser, "args": argparse.Namespace(size=32, path="x"), "ada_aug_p": 0.1}
    write_torch(path, {"g": networks["g_ema"], **networks, **extra, **others}, legacy)
