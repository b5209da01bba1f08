"""`directions import`: from a foreign file to a slider."""

import numpy as np
import pytest
import torch

from answers import refused
from diverse_inpainting.core.directions import read_direction


def test_a_foreign_direction_becomes_a_slider(run, own_directions, tmp_path):
    np.save(tmp_path / "age.npy", np.eye(1, 16))
    answer = own_directions("import", "age.npy", "--layers", "0-3", "--out", "age.safetensors")
    assert answer.code == 0 and "age.npy" in answer.out
    direction = read_direction(tmp_path / "age.safetensors")
    assert (direction.name, direction.first_layer, direction.last_layer) == ("age", 0, 3)
    assert direction.unit == "one standard deviation of w"
    options = ("--layers", "2", "--name", "old", "--reverse", "--overwrite")
    assert own_directions("import", "age.npy", *options, "--out", "age.safetensors").code == 0
    back = read_direction(tmp_path / "age.safetensors")
    assert (back.name, back.first_layer, back.last_layer) == ("old", 2, 2)
    torch.testing.assert_close(back.vector, -direction.vector)
    assert own_directions("preview", "age.safetensors", "--samples", 1, "--out", "strips").code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("age.npy", "--layers", "first"), "0-7 or 3"),
        (("age.npy", "--layers", "3-99"), "last layer"),
        (("age.npy", "--component", "1"), "one direction"),
        (("wide.npy",), "[17]"),
        (("none.npy",), "none.npy"),
        (("own.py",), "neither a pickle"),
    ],
)
def test_wrong_imports_are_one_sentence(own_directions, tmp_path, options, message):
    np.save(tmp_path / "age.npy", np.eye(1, 16))
    np.save(tmp_path / "wide.npy", np.ones(17))
    (tmp_path / "own.py").write_text("pass")
    answer = own_directions("import", *options, "--out", "x.safetensors")
    assert refused(answer) and message in answer.err
