"""The face networks compute what the JavaScript package computes, from its own kind of files."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

WIDTHS = (4, 6, 8, 10)  # channels of the blocks


SCORES = Path(__file__).parents[2] / "experiments" / "human_faces" / "face_scores.py"


@pytest.fixture(scope="module")
def scores():
    spec = importlib.util.spec_from_file_location("face_scores", SCORES)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def separable(name, before, after):
    return {
        f"{name}/depthwise_filter": (3, 3, before, 1),
        f"{name}/pointwise_filter": (1, 1, before, after),
        f"{name}/bias": (after,),
    }


def convolution(name, size, before, after):
    return {f"{name}/filters": (size, size, before, after), f"{name}/bias": (after,)}


def dense(name, before, after):
    return {f"{name}/weights": (before, after), f"{name}/bias": (after,)}


def expression_shapes():
    shapes, before = {}, 3
    for block, width in enumerate(WIDTHS):
        first = separable if block else lambda n, b, a: convolution(n, 3, b, a)
        shapes |= first(f"dense{block}/conv0", before, width)
        for conv in range(1, 4):
            shapes |= separable(f"dense{block}/conv{conv}", width, width)
        before = width
    return shapes | dense("fc", before, 7)


def age_shapes():
    shapes = convolution("entry_flow/conv_in", 3, 3, 4)
    blocks = (("entry_flow/reduction_block_0", 4, 6), ("entry_flow/reduction_block_1", 6, 8))
    for name, before, after in (*blocks, ("exit_flow/reduction_block", 8, 10)):
        shapes |= separable(f"{name}/separable_conv0", before, after)
        shapes |= separable(f"{name}/separable_conv1", after, after)
        shapes |= convolution(f"{name}/expansion_conv", 1, before, after)
    for block in range(2):
        for conv in range(3):
            shapes |= separable(f"middle_flow/main_block_{block}/separable_conv{conv}", 8, 8)
    shapes |= separable("exit_flow/separable_conv", 10, 12)
    return shapes | dense("fc/age", 12, 1) | dense("fc/gender", 12, 2)


def write_package(folder):
    """Write random weights as TensorFlow.js does: a list in JSON, and values, most of 8 bits."""
    random = np.random.default_rng(20)
    for name, shapes in (
        ("face_expression_model", expression_shapes()),
        ("age_gender_model", age_shapes()),
    ):
        entries, data = [], b""
        for key, shape in shapes.items():
            entry = {"name": key, "shape": shape, "dtype": "float32"}
            if key.endswith("bias"):
                data += random.uniform(-0.3, 0.3, shape).astype("<f4").tobytes()
            else:
                scale = 4 / 255 / np.sqrt(np.prod(shape[:-1]))
                packing = {"dtype": "uint8", "scale": scale, "min": -117 * scale}
                entry["quantization"] = packing
                data += random.integers(0, 256, shape, dtype=np.uint8).tobytes()
            entries.append(entry)
        (folder / f"{name}.bin").write_bytes(data)
        listed = [{"weights": entries, "paths": [f"{name}.bin"]}]
        (folder / f"{name}-weights_manifest.json").write_text(json.dumps(listed))


def pixels():
    return np.random.default_rng(21).integers(0, 256, (1, 112, 112, 3), dtype=np.uint8)


@pytest.fixture
def package(scores, tmp_path, monkeypatch):
    write_package(tmp_path)
    monkeypatch.setenv("FACE_API", str(tmp_path))
    scores.load_weights.cache_clear()
    yield tmp_path
    scores.load_weights.cache_clear()


def test_the_networks_agree_with_tensorflow_js(scores, package):
    """The numbers are what @vladmandic/face-api 1.7.15 on TensorFlow.js made of these files."""
    inputs = scores.normalise(torch.from_numpy(pixels()).permute(0, 3, 1, 2).float())
    logits = [0.1533336, 0.7567482, 0.5256773, -0.8292030, 0.5495535, -0.3694078, -0.3981704]
    torch.testing.assert_close(
        scores.expression_logits(inputs), torch.tensor([logits]), rtol=1e-4, atol=1e-5
    )
    age, gender = scores.age_and_gender_logits(inputs)
    torch.testing.assert_close(age, torch.tensor([0.6690482]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gender, torch.tensor([[0.4498036, 0.4875365]]), rtol=1e-4, atol=1e-5)


def test_scores_are_differences_of_logits_in_the_middle_of_the_image(scores, package):
    face = np.random.default_rng(3).integers(0, 256, (2, 112, 112, 3), dtype=np.uint8)
    images = np.full((2, 149, 149, 3), 7, np.uint8)  # 149 * 0.75 is 112
    images[:, 18:130, 18:130] = face
    inputs = scores.normalise(torch.from_numpy(face).permute(0, 3, 1, 2).float())
    logits, (ages, genders) = scores.expression_logits(inputs), scores.age_and_gender_logits(inputs)
    found = scores.every(images)
    assert list(found)[:3] == ["age", "gender", "smile"] and len(found) == 8
    torch.testing.assert_close(found["age"], ages)
    torch.testing.assert_close(found["gender"], genders[:, 1] - genders[:, 0])
    torch.testing.assert_close(found["smile"], logits[:, 1] - logits[:, 0])
    torch.testing.assert_close(found["surprised"], logits[:, 6] - logits[:, 0])
    for name in ("age", "gender", "smile"):
        torch.testing.assert_close(getattr(scores, name)(images), found[name])


def test_missing_or_cut_weights_are_named(scores, package, monkeypatch):
    path = package / "age_gender_model.bin"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ValueError, match="age_gender_model has"):
        scores.age(np.zeros((1, 32, 32, 3), np.uint8))
    monkeypatch.delenv("FACE_API")
    with pytest.raises(ValueError, match="set FACE_API"):
        scores.smile(np.zeros((1, 32, 32, 3), np.uint8))
