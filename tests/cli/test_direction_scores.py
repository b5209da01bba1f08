"""Scores of samples from tables, folders and functions."""

import pytest
import torch

from diverse_inpainting.cli.direction_samples import write_samples
from diverse_inpainting.cli.direction_scores import (
    rate_by_folders,
    rate_by_scorer,
    rate_by_table,
)
from diverse_inpainting.core.errors import ConfigError, InputError
from diverse_inpainting.core.inpainter import Inpainter


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return Inpainter.load(tiny_checkpoint, device="cpu", precision="float32")


def write(folder, content):
    path = folder / "scores.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def w_of(model, *seeds):
    return model.sample_seeds(seeds).codes[0, :, 0]


@pytest.mark.parametrize(
    "text",
    [
        "seed,smile,age\n5,0.5,30\n9,-1e-1,\n",
        "\ufeffseed;smile;age\r\n5;0.5;30\r\n9;-0.1;\r\n\r\n",
        "seed;smile;age\r5;0.5;30\r9;-0.1;\r",
        'seed\t"smile"\tage\n 5\t0.5 \t30\n009\t-0.1\t\n',
    ],
)
def test_a_table_of_seeds(model, tmp_path, text):
    rated = rate_by_table(model, write(tmp_path, text))
    assert torch.equal(rated.w, w_of(model, 5, 9))
    assert list(rated.scores) == ["smile", "age"]
    assert rated.scores["smile"].tolist() == [0.5, -0.1]
    w, ages = rated.of("age")
    assert torch.equal(w, w_of(model, 5, 9)[:1]) and ages.tolist() == [30.0]


def test_a_table_of_files_beside_it(model, tmp_path):
    write_samples(model, tmp_path / "s", [3, 1])
    path = write(tmp_path, "file,smile\ns/000003.png,1\ns/000001.png,2\n")
    assert torch.equal(rate_by_table(model, path).w, w_of(model, 3, 1))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "header of .* is ''"),
        ("5,0.5\n", "header like seed,smile"),
        ("seed\n5\n", "header"),
        ("seed,\n5,1\n", "header"),
        ("seed,a,a\n5,1,2\n", "header"),
        (f"seed,{'a' * 61}\n5,1\n6,2\n", "header"),
        ("name,a\n5,1\n", "header"),
        ("seed,a\n", "no scores"),
        ("seed,a\n5,1,2\n", "Row 2 of .* has 3 cells, and its header 2"),
        ("seed,a\n5\n", "Row 2 of .* has 1 cells"),
        ("seed,a\n5,1\n-1,1\n", "Row 3 of .* has the unknown seed '-1'"),
        (f"seed,a\n{2**64},1\n", "unknown seed"),
        ("seed,a\n1.5,1\n", "unknown seed '1.5'"),
        ("seed,a\n5,1\n05,2\n", "sample of seed 5 occurs twice"),
        ("seed,a\n5,nan\n", "Row 2 of .* has the a 'nan'"),
        ("seed,a\n5,inf\n", "has the a 'inf'"),
        ("seed,a\n\n5,1\n\n6,1_0\n", "Row 5 of .* has the a '1_0'"),
        ("seed,a\n5,\u0661\n", "has the a"),
        ("seed,a\x1b[2J\n5,1\n6,2\n", r"header of .* is 'seed,a\\x1b\[2J'"),
        ("seed,a\n5,'high'\n", "has the a"),
        ("file,a\nnone.png,1\n", "No such file"),
        ("file,a\nscores.csv,1\n", "does not say which sample"),
        ('seed,a\n5,"1\n', "damaged"),
        ("seed,a\n5,\u20ac".encode("utf-16"), "not in UTF-8"),
    ],
)
def test_a_wrong_table_is_one_sentence(model, tmp_path, content, message):
    with pytest.raises((ConfigError, InputError), match=message):
        rate_by_table(model, write(tmp_path, content))


def test_many_seeds_are_mapped_a_few_at_once(model, tmp_path, monkeypatch):
    at_once, sample = [], model.sample_seeds
    monkeypatch.setattr(model, "sample_seeds", lambda s: at_once.append(len(s)) or sample(s))
    rows = "".join(f"{seed},{seed}\n" for seed in range(5000))
    rated = rate_by_table(model, write(tmp_path, f"seed,a\n{rows}"))
    assert at_once == [4096, 904]
    torch.testing.assert_close(rated.w[[0, 4096, 4999]], w_of(model, 0, 4096, 4999))


def test_two_folders(model, tmp_path):
    write_samples(model, tmp_path / "less", [8, 2])
    write_samples(model, tmp_path / "more", [5])
    rated = rate_by_folders(model, [tmp_path / "less", tmp_path / "more"], "smile")
    assert torch.equal(rated.w, w_of(model, 2, 5, 8))
    assert rated.scores["smile"].tolist() == [0, 1, 0]


def test_wrong_folders_are_refused(model, tmp_path):
    for name in ("less", "more"):
        write_samples(model, tmp_path / name, [5])
    with pytest.raises(InputError, match=r"seed 5 occurs twice in .*less and .*more"):
        rate_by_folders(model, [tmp_path / "less", tmp_path / "more"], "smile")
    with pytest.raises(ConfigError, match="Give two folders"):
        rate_by_folders(model, [tmp_path / "less"], "smile")


def test_a_scorer_sees_every_sample_once(model):
    seen, named = [], []

    def scorer(images):
        seen.append(images)
        return {"first": images[:, 0, 0, 0], "red": images[..., 0].mean(dim=(1, 2))}

    rated = rate_by_scorer(model, scorer, 70, 4, check_names=lambda names: named.append([*names]))
    w = model.sample_w(4, 70)
    assert torch.equal(rated.w, w.codes[0, :, 0]) and [len(batch) for batch in seen] == [64, 6]
    assert named == [["first", "red"]]
    images = model.synthesize(w)
    torch.testing.assert_close(rated.scores["first"], images[:, 0, 0, 0].double())


def test_wrong_names_stop_before_the_second_batch(model):
    batches = []

    def scorer(images):
        batches.append(images)
        return {"a": images[:, 0, 0, 0]}

    def refuse(names):
        raise ConfigError("b", "a", "Stop.")

    with pytest.raises(ConfigError, match="Stop"):
        rate_by_scorer(model, scorer, 200, 0, check_names=refuse)
    assert len(batches) == 1
