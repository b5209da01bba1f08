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
    reason = dispatch.list_backends(device)[request.param]
    if reason is not None:
        pytest.skip(f"{request.param}: {reason}")
    with use_backend(request.param):
        yield request.param
