"""Table 1's rivals: pairs in, results out; and the public code, where TABLE1_CHECKOUTS has it.

    TABLE1_CHECKOUTS=folder pytest tests/experiments/test_table1.py

The folder has checkouts named as their repositories. Their code needs torchvision, MAT's also timm.
"""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from answers import noise
from diverse_inpainting.core.errors import InputError
from tolerances import assert_close

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "experiments" / "table1"
R = 16

REPOSITORIES = {
    "psp": "pixel2style2pixel",
    "hfgi": "HFGI",
    "hyperstyle": "hyperstyle",
    "mat": "MAT",
    "comodgan": "co-mod-gan-pytorch",
}


@pytest.fixture
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    for name in ("rival", "ops"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module
    for name in ("rival", "ops"):
        sys.modules.pop(name, None)


@pytest.fixture
def pairs(tmp_path):
    return write_pairs(tmp_path / "pairs", R, 3)


def write_pairs(folder, side, num):
    """As `evaluate` writes them."""
    for part in ("pictures", "masks"):
        (folder / part).mkdir(parents=True)
    for k in range(num):
        Image.fromarray(np.roll(noise(side, side), k, axis=0)).save(
            folder / "pictures" / f"p{k}.png"
        )
        hole = np.zeros((side, side), np.uint8)
        hole[4:9, 2 : 6 + k] = 255
        Image.fromarray(hole).save(folder / "masks" / f"p{k}.png")
    return folder


def result(path):
    return torch.from_numpy(np.asarray(Image.open(path)).copy())


def test_every_pair_is_completed_with_seeds_of_its_own(scripts, pairs, tmp_path):
    rival, seen = scripts("rival"), {}

    def complete(erased, valid, seed):
        seen[seed] = (erased, valid)
        return erased + (1 - valid) * (seed % 100 / 100)

    method = rival.Rival(complete, side=R, num_results=2)
    rival.complete_pairs(method, pairs, tmp_path / "out", seed=3)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"p{k}-{n}.png" for k in range(3) for n in range(2)]
    assert len(seen) == 6
    erased, valid = next(iter(seen.values()))
    picture, mask = (result(pairs / part / "p0.png").float() for part in ("pictures", "masks"))
    torch.testing.assert_close(valid[0, 0], 1 - mask / 255)
    expected = (picture / 127.5 - 1).movedim(-1, 0) * valid[0]
    torch.testing.assert_close(erased[0], expected)
    raw = result(tmp_path / "out" / "p0-0.png")
    assert torch.equal(raw[mask == 0], picture.byte()[mask == 0]), "polarity and order of colours"
    before = list(seen)
    rival.complete_pairs(method, pairs, tmp_path / "again", seed=3)
    assert list(seen) == before
    rival.complete_pairs(method, pairs, tmp_path / "other", seed=4)
    assert len(seen) == 12


def test_what_is_there_is_not_made_again(scripts, pairs, tmp_path):
    rival, calls = scripts("rival"), []

    def complete(erased, valid, seed):
        calls.append(seed)
        return erased

    method = rival.Rival(complete, side=R, num_results=2)
    rival.complete_pairs(method, pairs, tmp_path, seed=0)
    (tmp_path / "p1-1.png").unlink()
    rival.complete_pairs(method, pairs, tmp_path, seed=0)
    assert len(calls) == 7 and calls[-1] == calls[3]


def test_a_folder_that_is_no_evaluation_is_refused(scripts, tmp_path):
    rival = scripts("rival")
    method = rival.Rival(lambda *parts: parts[0], side=R)
    with pytest.raises(InputError, match="Run `evaluate`"):
        rival.complete_pairs(method, tmp_path, tmp_path / "out", seed=0)
    with pytest.raises(InputError, match="Clone it"):
        rival.use_checkout(tmp_path)
    with pytest.raises(InputError, match="tensors and plain data"):
        rival.read_weights(tmp_path / "absent.pt")


@pytest.mark.parametrize("side", [8, 16, 24, 64])
def test_what_was_erased_leaves_no_trace_at_another_size(scripts, side):
    rival = scripts("rival")
    valid = torch.ones(1, 1, R, R)
    valid[..., 5:11, 3:9] = 0
    flat = torch.full((1, 3, R, R), 0.625)
    erased, kept = rival.fit_erased(flat * valid, valid, side)
    assert erased.shape[-1] == side and set(kept.unique().tolist()) == {0.0, 1.0}
    assert float((1 - kept).mean()) == pytest.approx(36 / 256, abs=0.09)
    assert_close(erased, 0.625 * kept.expand_as(erased))


def test_the_replacement_of_the_compiled_functions(scripts, generator):
    """Against padding, stuffing with zeros and a flipped correlation, written out."""
    ops = scripts("ops")
    x = torch.randn(2, 3, 7, 5, generator=generator)
    kernel = torch.outer(torch.tensor([1.0, 3.0, 3.0, 1.0]), torch.tensor([1.0, 2.0, 4.0, 1.0]))
    stuffed = torch.zeros(2, 3, 14, 10)
    stuffed[..., ::2, ::2] = x
    weight = kernel.flip(0, 1)[None, None].expand(3, 1, 4, 4)
    expected = F.conv2d(F.pad(stuffed, (2, 1, 2, 1)), weight, groups=3)
    assert_close(ops.upfirdn2d(x, kernel, up=2, pad=(2, 1)), expected)
    down = F.conv2d(F.pad(x, (1, 1, 1, 1)), weight, groups=3)[..., ::2, ::2]
    assert_close(ops.upfirdn2d(x, kernel, down=2, pad=(1, 1)), down)
    layer = ops.FusedLeakyReLU(3)
    layer.bias.data = torch.tensor([0.5, -1.0, 0.0])
    shifted = x + layer.bias.detach()[None, :, None, None]
    assert_close(layer(x).detach(), torch.where(shifted > 0, shifted, 0.2 * shifted) * 2**0.5)
    assert_close(ops.fused_leaky_relu(x), torch.where(x > 0, x, 0.2 * x) * 2**0.5)


@pytest.mark.parametrize("name", REPOSITORIES)
def test_the_public_code_completes_pairs(name, tmp_path):
    """With random weights, on a CPU: pairs of 64 px, read and resized; results that differ."""
    checkouts = os.environ.get("TABLE1_CHECKOUTS")
    if not checkouts:
        pytest.skip("TABLE1_CHECKOUTS names no folder of public code")
    checkout, weights = Path(checkouts) / REPOSITORIES[name], tmp_path / "weights.pt"
    write = [sys.executable, ROOT / "tests" / "support" / "rival_weights.py"]
    subprocess.run([*write, name, checkout, weights], check=True)
    pairs = write_pairs(tmp_path / "pairs", 64, 2)
    places = ("--checkout", checkout, "--weights", weights, "--pairs", pairs)
    command = [sys.executable, SCRIPTS / f"{name}.py", *places, "--out", tmp_path / "out"]
    own = {"hyperstyle": ["--encoder", weights.with_suffix(".encoder"), "--iterations", 2]}
    command += [*own.get(name, []), "--device", "cpu"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = {path.name: result(path) for path in (tmp_path / "out").iterdir()}
    diverse = name in ("mat", "comodgan")
    assert sorted(made) == [f"p{k}-{n}.png" for k in range(2) for n in range(1 + diverse)]
    side = 64 if name == "comodgan" else 256
    assert {tuple(image.shape) for image in made.values()} == {(side, side, 3)}
    assert not torch.equal(made["p0-0.png"], made["p1-0.png"]), "the image matters"
    if diverse:
        assert not torch.equal(made["p0-0.png"], made["p0-1.png"])
