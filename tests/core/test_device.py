"""Devices by name."""

import pytest
import torch

from diverse_inpainting.core.device import resolve_device
from diverse_inpainting.core.errors import InputError


def test_cpu_by_name_and_the_best_by_default():
    assert resolve_device("cpu") == torch.device("cpu")
    best = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device().type == resolve_device(None).type == best


@pytest.mark.parametrize("name", ["", "gpu", "cpu:x", "meta", "cuda:99", "cuda:-1"])
def test_what_is_no_device_of_this_machine_is_one_sentence(name):
    with pytest.raises(InputError, match=r"is not available.*Choose another") as error:
        resolve_device(name)
    assert "\n" not in str(error.value)


def test_a_device_is_itself():
    assert resolve_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize("device", [torch.device("meta"), torch.device("cuda", 99), 3.5, ["cpu"]])
def test_other_values_are_one_sentence_too(device):
    with pytest.raises(InputError, match="is not available"):
        resolve_device(device)
