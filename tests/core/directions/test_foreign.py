"""Directions as InterFaceGAN, e4e, GANSpace and rosinality write them."""

import pickle

import numpy as np
import pytest
import torch

import hostile_pickles
from diverse_inpainting.core.directions import (
    Direction,
    adopt,
    read_foreign_direction,
    write_direction,
)
from diverse_inpainting.core.errors import CheckpointError, InputError

ID, L, D = "0" * 64, 6, 8


@pytest.fixture
def random():
    return torch.Generator().manual_seed(3)


@pytest.fixture
def w(random):
    """Codes that deviate most along the first axis."""
    return torch.randn(4000, D, generator=random) * torch.arange(D, 0, -1) + 1


def saved(path, value):
    if path.suffix == ".npy":
        np.save(path, value.numpy())
    elif path.suffix == ".pkl":
        path.write_bytes(pickle.dumps(value))
    elif path.suffix == ".npz":
        np.savez_compressed(path, **{name: tensor.numpy() for name, tensor in value.items()})
    else:
        torch.save(value, path)
    return path


@pytest.mark.parametrize("suffix", [".npy", ".pt"])
@pytest.mark.parametrize("axes", [(), (1,), (1, 1)])
def test_a_single_code_moves_by_one_deviation(tmp_path, w, random, suffix, axes):
    unit = torch.nn.functional.normalize(torch.randn(D, generator=random), dim=0)
    path = saved(tmp_path / f"smile{suffix}", 7 * unit.reshape(*axes, D))
    direction = adopt(read_foreign_direction(path), w, L, ID, source=path.name)
    assert direction.name == "smile" and (direction.first_layer, direction.last_layer) == (0, 5)
    torch.testing.assert_close(direction.vector, unit * (w @ unit).std())
    assert direction.source.endswith(f"from smile{suffix}")


@pytest.mark.parametrize("axes", [(), (1,)])
def test_rows_for_layers_keep_their_proportions(tmp_path, w, axes):
    rows = torch.zeros(L, D)
    rows[1, 0], rows[4, 0] = 3.0, -6.0
    path = saved(tmp_path / "pose.npy", rows.reshape(*axes, L, D).double())
    vector = adopt(read_foreign_direction(path), w, L, ID).vector
    torch.testing.assert_close(vector[4], -2 * vector[1])
    deviation = w[:, 0].std().item()
    assert vector.norm() == pytest.approx(2**0.5 * deviation)  # both rows: on average one deviation
    narrow = adopt(read_foreign_direction(path), w, L, ID, layers=(1, 3))
    assert narrow.vector[1, 0] == pytest.approx(deviation)
    assert (narrow.first_layer, narrow.last_layer) == (1, 3)


@pytest.mark.parametrize(
    ("suffix", "names"),
    [(".npz", ("lat_comp", "lat_mean", "lat_stdev")), (".pt", ("comp", "mean", "std"))],
)
def test_components_of_ganspace(tmp_path, w, suffix, names):
    axes = torch.eye(D)[:3, None]
    values = dict(zip(names, (axes, w.mean(dim=0, keepdim=True), torch.ones(3)), strict=True))
    path = saved(tmp_path / f"pca{suffix}", values | {"act_comp": torch.zeros(3, 4, 2)})
    found = read_foreign_direction(path, 2)
    direction = adopt(found, w, L, ID)
    assert direction.name == "pca:2" and "GANSpace" in direction.source
    torch.testing.assert_close(direction.vector, axes[2, 0] * w[:, 2].std())
    for component, message in ((None, "component from 0 to 2, got none"), (3, "0 to 2, not")):
        with pytest.raises(InputError, match=message):
            read_foreign_direction(path, component)
    with pytest.raises(InputError, match="mean code in the file is not"):
        adopt(found, w - 20, L, ID)


def test_an_edit_that_ganspace_saved(tmp_path, w):
    edit = {"name": "Light\nsource", "lat_comp": np.eye(1, D, dtype="f4"), "lat_stdev": 1.0}
    path = saved(tmp_path / "edit.pkl", edit | {"edit_start": 2, "edit_end": 4})
    direction = adopt(read_foreign_direction(path), w, L, ID)
    assert direction.name == r"Light\nsource"
    assert (direction.first_layer, direction.last_layer) == (2, 3)
    assert adopt(read_foreign_direction(path), w, L, ID, name="a", layers=(0, 1)).last_layer == 1


def test_columns_of_rosinality(tmp_path, w):
    path = saved(tmp_path / "factor.pt", {"ckpt": "x.pt", "eigvec": torch.eye(D).roll(1, 0)})
    vector = adopt(read_foreign_direction(path, 0), w, L, ID).vector
    assert vector.nonzero().flatten().tolist() == [1]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((D + 1,), rf"shape \[{D}\] or \[{L}, {D}\], got \[{D + 1}\]"),
        ((1, L + 2, D), rf"got \[{L + 2}, {D}\]"),
        ((L, D - 1), rf"got \[{L}, {D - 1}\]"),
    ],
)
def test_directions_of_other_generators_are_refused(tmp_path, w, shape, message):
    found = read_foreign_direction(saved(tmp_path / "a.npy", torch.ones(shape)))
    with pytest.raises(InputError, match=message):
        adopt(found, w, L, ID)


@pytest.mark.parametrize("layers", [(0, L), (3, 2)])
def test_layers_out_of_range_are_refused(tmp_path, w, layers):
    found = read_foreign_direction(saved(tmp_path / "a.npy", torch.ones(D)))
    with pytest.raises(InputError, match="layer"):
        adopt(found, w, L, ID, layers=layers)


def test_zeros_are_refused(tmp_path, w):
    found = read_foreign_direction(saved(tmp_path / "a.npy", torch.zeros(L, D)))
    with pytest.raises(InputError, match="all zeros"):
        adopt(found, w, L, ID)


@pytest.mark.parametrize("name", hostile_pickles.ATTACKS)
def test_nothing_in_a_hostile_file_runs(tmp_path, name):
    canary = tmp_path / "canary"
    content, _ = hostile_pickles.ATTACKS[name](canary)
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be imported"):
        read_foreign_direction(tmp_path / "a.pt")
    assert not canary.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pt", {"a": torch.ones(3), "b": torch.ones(3)}, "2 arrays"),
        ("a.pt", {"a": 1}, "0 arrays"),
        ("a.npy", torch.ones(2, 3, 4), r"shape \[2, 3, 4\]"),
        ("a.npy", torch.ones(0), r"shape \[0\]"),
        ("a.npz", {"lat_comp": torch.ones(2, 512, 4, 4)}, "found in w"),
        ("a.npy", torch.arange(8), "type torch.int64"),
    ],
)
def test_what_is_no_direction_is_refused(tmp_path, name, content, message):
    path = saved(tmp_path / name, content)
    with pytest.raises(CheckpointError, match=message):
        read_foreign_direction(path)


def test_a_single_direction_has_no_components(tmp_path):
    path = saved(tmp_path / "a.npy", torch.ones(1, D))
    with pytest.raises(InputError, match="holds one direction, not component 1"):
        read_foreign_direction(path, 1)


def test_nan_is_refused(tmp_path):
    path = saved(tmp_path / "a.npy", torch.full((1, D), torch.nan))
    with pytest.raises(InputError, match="NaN"):
        read_foreign_direction(path)


def test_files_that_are_not_there_or_not_foreign(tmp_path):
    with pytest.raises(CheckpointError, match=r"Cannot read .*none\.npy"):
        read_foreign_direction(tmp_path / "none.npy")
    own = Direction(name="a", vector=torch.ones(D), generator_id=ID, first_layer=0, last_layer=1)
    write_direction(tmp_path / "own.safetensors", own)
    with pytest.raises(CheckpointError, match="It is a direction of this project"):
        read_foreign_direction(tmp_path / "own.safetensors")
