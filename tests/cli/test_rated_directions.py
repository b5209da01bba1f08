"""`directions interfacegan` and `samples`: from ratings to sliders."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from answers import refused
from diverse_inpainting.core.directions import read_direction

NUM_SAMPLES = 120


@pytest.fixture
def samples(own_directions, tmp_path):
    """Samples, and by file name how red they are."""
    assert own_directions("samples", "--out", "samples", "--count", NUM_SAMPLES).code == 0
    paths = sorted((tmp_path / "samples").glob("*.png"))
    return {path: np.asarray(Image.open(path)).astype(float)[..., 0].mean() for path in paths}


def cosine(a, b):
    return torch.nn.functional.cosine_similarity(a.vector, b.vector, dim=0).item()


def test_samples_say_what_was_written(own_directions, tmp_path):
    answer = own_directions("samples", "--out", "s", "--count", 3, "--seed", 8)
    assert answer.code == 0 and "3 samples, 000008.png to 000010.png" in answer.out
    names = {"000008.png", "000009.png", "000010.png", "scores.csv"}
    assert {path.name for path in (tmp_path / "s").iterdir()} == names
    assert refused(own_directions("samples", "--out", "s", "--seed", 2**64))


def test_the_same_direction_from_a_table_from_folders_and_from_a_function(
    own_directions, samples, tmp_path
):
    middle = np.median(list(samples.values()))
    for name in ("less", "more"):
        (tmp_path / name).mkdir()
    rows = ["file,redness,label"]
    for path, red in samples.items():
        shutil.copy(path, tmp_path / ("more" if red > middle else "less"))
        rows.append(f"{path.name},{red},{int(red > middle)}")
    (tmp_path / "samples" / "mine.csv").write_text("\n".join(rows))
    (tmp_path / "own.py").write_text("def red(images):\n    return images[..., 0].mean((1, 2))\n")
    found = {}
    for name, options in {
        "table": ("--scores", "samples/mine.csv", "--score", "redness"),
        "labels": ("--scores", "samples/mine.csv", "--score", "label"),
        "folders": ("--images", "less", "--images", "more"),
        "function": ("--scorer", "own.py:red", "--samples", 400, "--seed", 3),
    }.items():
        answer = own_directions("interfacegan", "--out", f"{name}.safetensors", *options)
        assert answer.code == 0, answer.err
        found[name] = read_direction(tmp_path / f"{name}.safetensors")
        assert float(found[name].source.rpartition(" ")[2]) > 0.85
    assert [d.name for d in found.values()] == ["redness", "label", "more", "red"]
    # The rows of the table are in the order of the seeds, as the folders are read.
    torch.testing.assert_close(found["labels"].vector, found["folders"].vector)
    assert cosine(found["table"], found["folders"]) > 0.8
    assert cosine(found["table"], found["function"]) > 0.8


def test_several_scores_become_several_files(own_directions, tmp_path):
    (tmp_path / "own.py").write_text(
        "def all(images):\n    m = images.mean((1, 2))\n"
        "    return {'Red': m[:, 0], 'Green Tint': m[:, 1] - m[:, 2]}\n"
    )
    answer = own_directions(
        *("interfacegan", "--scorer", "own:all", "--samples", 200, "--out", "found"),
        *("--apart-from", "Red", "--reverse", "--first-layer", 1, "--last-layer", 3),
    )
    assert answer.code == 0, answer.err
    red, green = (
        read_direction(tmp_path / "found" / f"{stem}.safetensors") for stem in ("red", "green-tint")
    )
    assert (red.name, green.name) == ("Red", "Green Tint")
    assert "apart from" not in red.source and "apart from Red" in green.source
    assert abs(cosine(red, green)) < 1e-5
    assert (green.first_layer, green.last_layer) == (1, 3)


def test_without_makes_a_direction_orthogonal_to_files_and_names(own_directions, tmp_path):
    options = ("interfacegan", "--score", "brightness", "--samples", 200, "--out")
    assert own_directions("ganspace", "--out", "g.safetensors").code == 0
    assert own_directions(*options, "plain.safetensors").code == 0
    answer = own_directions(
        *(*options, "apart.safetensors", "--without", "g.safetensors", "--without", "sefa:1"),
    )
    assert answer.code == 0 and "apart from ganspace:0 and sefa:1" in answer.out
    assert own_directions("sefa", "--component", 1, "--out", "s.safetensors").code == 0
    g, s, plain, apart = (
        read_direction(tmp_path / f"{name}.safetensors") for name in ("g", "s", "plain", "apart")
    )
    assert abs(cosine(plain, g)) > 1e-3
    assert max(abs(cosine(apart, g)), abs(cosine(apart, s))) < 1e-5


def test_rows_of_layers_are_left_out_too(own_directions, tmp_path, generator_alone):
    rows = np.zeros((8, 16))
    rows[2, 5], rows[3, 7] = 1, 2
    np.save(tmp_path / "rows.npy", rows)
    assert own_directions("import", "rows.npy", "--out", "rows.safetensors").code == 0
    answer = own_directions(
        *("interfacegan", "--score", "brightness", "--samples", 200),
        *("--without", "rows.safetensors", "--out", "apart.safetensors", "--name", "light"),
    )
    assert answer.code == 0, answer.err
    vector = read_direction(tmp_path / "apart.safetensors").vector
    assert vector[[5, 7]].abs().max() < 1e-6 < vector.abs().max()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--scores", "chance.csv"), "an accuracy above 0."),
        (("--scores", "few.csv"), "at least 40 samples with a score, got 5"),
        (("--scores", "equal.csv"), "scores are equal"),
        (("--scores", "none.csv"), "none.csv"),
        (("--scores", "chance.csv", "--score", "joy"), "joy"),
        (("--scores", "chance.csv", "--apart-from", "joy"), "joy"),
        (("--scores", "chance.csv", "--samples", "100"), "Leave them out"),
        (("--scores", "chance.csv", "--scorer", "own:red"), "--scores and --scorer"),
        (("--images", "one"), "two folders"),
        (("--scorer", "own.py"), "module:function"),
        (("--score", "brightness", "--score", "warmth"), "Give a folder"),
        (("--score", "brightness", "--without", "joy"), "joy"),
        (("--score", "brightness", "--last-layer", "99"), "last_layer"),
        ((), "none of them"),
    ],
)
def test_wrong_use_is_one_sentence(own_directions, tmp_path, options, message):
    chance = np.random.default_rng(2).normal(size=60)
    for name, scores in {"chance": chance, "few": chance[:5], "equal": [1] * 60}.items():
        rows = "".join(f"{seed},{score}\n" for seed, score in enumerate(scores))
        (tmp_path / f"{name}.csv").write_text(f"seed,mood\n{rows}")
    answer = own_directions("interfacegan", "--out", "x.safetensors", *options)
    assert refused(answer) and message in answer.err
    assert not (tmp_path / "x.safetensors").exists()
