"""The backends that the tests of the ops run on."""

import inspect

import pytest
import torch

from diverse_inpainting.core.ops import dispatch, use_backend


@pytest.fixture(params=dispatch.BACKENDS, autouse=True)
def backend(request, device):
    """Each test on each backend that can run where its tensors are (the reference always can)."""
    if not inspect.signature(request.function).parameters.keys() & {"device"}:
        device = torch.device("cpu")
    loaded = dispatch._load(request.param)
    if isinstance(loaded, str) or not loaded.runs_on(device):
        pytest.skip(f"{request.param} does not run on {device}: {loaded}")
    with use_backend(request.param):
        yield request.param
