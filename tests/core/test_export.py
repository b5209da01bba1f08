"""Exported graphs, run by onnxruntime as a program without this library would run them."""

import hashlib
import json
import re
import runpy
import zlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

import tiny_model
from diverse_inpainting.core import networks
from diverse_inpainting.core.checkpoint import (
    Checkpoint,
    generator_id_of,
    inspect_checkpoint,
    read_checkpoint,
)
from diverse_inpainting.core.directions import Direction
from diverse_inpainting.core.errors import CheckpointError, InputError
from diverse_inpainting.core.export import export_model
from diverse_inpainting.core.export.checking import check_graph, examples_of
from diverse_inpainting.core.export.graphs import graphs_of
from diverse_inpainting.core.inpainter import Inpainter
from diverse_inpainting.core.latents import sample_z
from tolerances import PIXEL, assert_close

ROOT = Path(__file__).parents[2]
GRAPHS = ["map", "encode", "mix", "synthesize", "refine", "inpaint"]


def checkpoint_of(config):
    tensors = dict(tiny_model.build_lively(config).state_dict())
    return Checkpoint(config=config, tensors=tensors, generator_id=generator_id_of(tensors))


def run_graph(folder, name, **inputs):
    session = onnxruntime.InferenceSession(
        folder / f"{name}.onnx", providers=["CPUExecutionProvider"]
    )
    feed = {key: np.asarray(value) for key, value in inputs.items()}
    results = session.run(None, feed)
    return {
        port.name: torch.from_numpy(result)
        for port, result in zip(session.get_outputs(), results, strict=True)
    }


@pytest.fixture(scope="module")
def inpainter(tiny_checkpoint):
    return Inpainter.load(tiny_checkpoint, precision="float32")


@pytest.fixture(scope="module")
def exported(tiny_checkpoint, tmp_path_factory):
    """A folder with all graphs of the tiny model, and the card that came back."""
    folder = tmp_path_factory.mktemp("export") / "new" / "exported"
    parts = [part for part in inspect_checkpoint(tiny_checkpoint).parts if part != "discriminator"]
    checkpoint = read_checkpoint(tiny_checkpoint, parts)
    direction = Direction(
        name="longer",
        vector=torch.linspace(-1, 1, 16),
        generator_id=checkpoint.generator_id,
        first_layer=2,
        last_layer=5,
    )
    steps = []
    card = export_model(
        checkpoint,
        folder,
        directions={"longer": direction},
        on_step=lambda done, total: steps.append((done, total)),
    )
    assert steps == [(done, 6) for done in range(1, 7)]
    return folder, card


def test_the_card_says_what_is_there(exported, inpainter):
    folder, card = exported
    assert json.loads((folder / "model.json").read_text()) == card
    assert card["title"] == "nothing, 32x32" and card["license"] == "CC0"
    assert card["generator_id"] == inpainter.generator_id
    assert [card[key] for key in ("resolution", "num_layers", "w_dim", "z_dim")] == [32, 8, 16, 16]
    assert [*card["graphs"]] == GRAPHS
    names = {f"{name}.onnx" for name in GRAPHS} | {"weights.bin", "directions.json"}
    assert {*card["files"]} == names
    assert {path.name for path in folder.iterdir()} == names | {"model.json"}
    for name, file in card["files"].items():
        data = (folder / name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_has_the_ports_of_its_card(exported, name):
    folder, card = exported
    model = onnx.load(folder / f"{name}.onnx", load_external_data=False)
    assert [opset.version for opset in model.opset_import] == [card["opset"]] == [18]
    for ports, described in (
        (model.graph.input, card["graphs"][name]["inputs"]),
        (model.graph.output, card["graphs"][name]["outputs"]),
    ):
        for port, said in zip(ports, described, strict=True):
            axes = port.type.tensor_type.shape.dim
            assert port.name == said["name"]
            assert [axis.dim_param or axis.dim_value for axis in axes] == said["shape"]
            kind = onnx.helper.tensor_dtype_to_np_dtype(port.type.tensor_type.elem_type)
            assert kind == said["dtype"]


def test_no_graph_tells_where_it_was_made(exported):
    folder, _ = exported
    for path in folder.glob("*.onnx"):
        assert not re.search(rb"\.py\b|site-packages", path.read_bytes()), path.name


def test_graphs_store_their_weights_once(exported):
    folder, card = exported
    both = sum(card["graphs"][name]["bytes"] for name in ("synthesize", "refine", "inpaint"))
    assert (folder / "weights.bin").stat().st_size < both / 2


def test_the_directions(exported):
    folder, _ = exported
    (longer,) = json.loads((folder / "directions.json").read_text()).values()
    assert longer["first_layer"] == 2 and longer["last_layer"] == 5
    assert_close(torch.tensor(longer["vector"]), torch.linspace(-1, 1, 16))


@pytest.mark.parametrize("num_variants", [1, 5])
def test_the_steps_are_those_of_the_networks(exported, inpainter, num_variants):
    folder, _ = exported
    random = torch.Generator().manual_seed(num_variants)
    valid = (torch.rand(1, 1, 32, 32, generator=random) > 0.4).float()
    erased = (torch.rand(1, 3, 32, 32, generator=random) * 2 - 1) * valid
    z = torch.randn(num_variants, 16, generator=random)
    bias = torch.tensor(-0.5)
    model, V = inpainter.model, num_variants
    with torch.no_grad():
        w_rand = model.generator.broadcast(
            model.generator.w_avg.lerp(model.generator.mapping(z), 0.6)
        )
        w_enc = model.encode(erased, valid)
        w_out, gate = model.mix(w_enc.expand(V, -1, -1), w_rand, -0.5)
        refined = model.refine(w_out, erased.expand(V, -1, -1, -1), valid.expand(V, -1, -1, -1))
    got = run_graph(folder, "map", z=z, truncation_psi=torch.tensor(0.6))
    got |= run_graph(folder, "encode", erased=erased, valid=valid)
    got |= run_graph(folder, "mix", **got, gate_bias=bias)
    got |= run_graph(folder, "synthesize", w_out=got["w_out"])
    got |= run_graph(
        folder, "refine", w_out=got["w_out"], stage1=got["stage1"], erased=erased, valid=valid
    )
    expected = {
        "w_rand": w_rand,
        "w_enc": w_enc,
        "w_out": w_out,
        "gate": gate,
        "stage1": refined.stage1,
        "output": refined.output,
    }
    for name, value in expected.items():
        assert_close(got[name], value, 1e-4)


@pytest.mark.parametrize("size", [(32, 32), (97, 150), (64, 33), (20, 11)])
def test_the_whole_is_that_of_inpaint(exported, inpainter, size):
    folder, _ = exported
    height, width = size
    random = np.random.default_rng(3)
    coarse = Image.fromarray(random.integers(0, 256, (5, 4, 3), dtype=np.uint8))
    image = np.array(coarse.resize((width, height), Image.Resampling.BICUBIC))
    hole = np.zeros(size, np.uint8)
    hole[height // 4 : -height // 4, width // 3 : -width // 5] = 255
    expected = inpainter.inpaint(
        torch.from_numpy(image)[None] / 255,
        torch.from_numpy(hole)[None] / 255,
        num_variants=2,
        seed=11,
        blend="feather",
    ).images[0]
    got = run_graph(
        folder,
        "inpaint",
        image=image.transpose(2, 0, 1)[None],
        hole_mask=hole[None, None],
        z=sample_z(11, 2, 16),
    )["images"]
    assert got.dtype == torch.uint8
    assert (got.movedim(1, -1) / 255 - expected).abs().max() <= 1.01 * PIXEL
    kept = torch.from_numpy(hole == 0)
    assert torch.equal(got.movedim(1, -1)[:, kept], torch.from_numpy(image)[kept].expand(2, -1, 3))


def test_the_example_in_the_guide_runs(exported, tmp_path, monkeypatch):
    (example,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "export.md").read_text("utf-8"), re.S
    )
    (tmp_path / "exported").symlink_to(exported[0])
    Image.effect_noise((50, 40), 60).save(tmp_path / "photo.png")
    mask = Image.new("L", (50, 40))
    mask.paste(255, (10, 10, 30, 30))
    mask.save(tmp_path / "mask.png")
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    runpy.run_path("example.py")
    results = [Image.open(tmp_path / f"result-{k}.png") for k in range(4)]
    assert {result.size for result in results} == {(50, 40)}
    assert len({zlib.crc32(result.tobytes()) for result in results}) == 4


def test_half_the_size_for_weights_in_float16(tiny_checkpoint, exported, tmp_path):
    checkpoint = read_checkpoint(tiny_checkpoint, ["generator"])
    card = export_model(checkpoint, tmp_path, weights="float16", only=["synthesize"])
    assert [*card["graphs"]] == ["synthesize"] and card["weights"] == "float16"
    model = onnx.load(tmp_path / "synthesize.onnx", load_external_data=False)
    types = {tensor.data_type for tensor in model.graph.initializer if tensor.external_data}
    assert types == {onnx.TensorProto.FLOAT16}
    whole = exported[1]["graphs"]["synthesize"]
    assert card["graphs"]["synthesize"]["bytes"] < 0.75 * whole["bytes"]
    assert whole["difference"] < card["graphs"]["synthesize"]["difference"] < 4 * PIXEL


@pytest.mark.slow
@pytest.mark.parametrize(
    ("graph", "part"),
    [
        ("map", {"generator": {"num_classes": 3}}),
        ("synthesize", {"generator": {"conv_clamp": 1.5}}),
        ("encode", {"encoder": {"kind": "psp"}}),
        ("mix", {"mixer": {"kind": "fc"}}),
        ("mix", {"mixer": {"kind": "none"}}),
    ],
)
def test_other_networks(tmp_path, graph, part):
    plain = tiny_model.config().to_dict()
    plain.pop("discriminator")
    for name, fields in part.items():
        plain[name] |= fields
    checkpoint = checkpoint_of(networks.ModelConfig.from_dict(plain))
    card = export_model(checkpoint, tmp_path, only=[graph])  # which compares it with the networks
    assert card["graphs"][graph]["difference"] < PIXEL


def test_an_existing_export_is_replaced_only_if_asked(tiny_checkpoint, tmp_path):
    checkpoint = read_checkpoint(tiny_checkpoint, ["generator"])
    for name in ("mix.onnx", "notes.txt", "model.json"):
        (tmp_path / name).write_text("old")
    with pytest.raises(InputError, match=r"mix\.onnx exists.*--overwrite"):
        export_model(checkpoint, tmp_path, only=["map"])
    export_model(checkpoint, tmp_path, only=["map"], overwrite=True)
    names = {"map.onnx", "weights.bin", "directions.json", "model.json", "notes.txt"}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_what_is_interrupted_leaves_nothing(tiny_checkpoint, tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    checkpoint = read_checkpoint(tiny_checkpoint, ["generator"])
    with pytest.raises(KeyboardInterrupt):
        export_model(checkpoint, tmp_path, only=["map"], on_step=interrupt)
    assert [*tmp_path.iterdir()] == []


def test_a_graph_that_differs_from_its_networks_is_refused(exported):
    other = tiny_model.build_lively()
    with torch.no_grad():
        other.generator.synthesis.blocks[0].to_rgb.bias.add_(0.1)
        graphs = graphs_of(other.eval())
        values = examples_of(other, graphs)
        (synthesize,) = [graph for graph in graphs if graph.name == "synthesize"]
        with pytest.raises(CheckpointError, match=r"synthesize differs from the networks by 0\.05"):
            check_graph(exported[0], synthesize, values, "float32")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": "int8"}, "'float32', 'float16'"),
        ({"only": ["refine"]}, "graph to be one of 'map', 'synthesize', got 'refine'"),
    ],
)
def test_what_cannot_be_exported(tiny_checkpoint, tmp_path, arguments, message):
    checkpoint = read_checkpoint(tiny_checkpoint, ["generator"])
    with pytest.raises(InputError, match=message):
        export_model(checkpoint, tmp_path, **arguments)
