"""The backends that the tests of the ops run on."""

import inspect
import os

import pytest
import torch

from diverse_inpainting.core.ops import dispatch, use_backend


def _device_of(function, config):
    """Tests that do not take `device` run on the CPU."""
    takes_device = "device" in inspect.signature(function).parameters
    return torch.device(config.getoption("--device") if takes_device else "cpu")


def pytest_generate_tests(metafunc):
    """Collect each test for the reference, and for Triton where it is meant to run."""
    if "backend" not in metafunc.fixturenames or hasattr(metafunc.module, "backend"):
        return
    is_interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    device = _device_of(metafunc.function, metafunc.config)
    backends = dispatch.BACKENDS if is_interpreted or device.type == "cuda" else ("reference",)
    metafunc.parametrize("backend", backends, indirect=True)


@pytest.fixture(autouse=True)
def backend(request):
    """Run the test on one backend; skip it, with the reason, where that cannot run."""
    device = _device_of(request.function, request.config)
    reason = dispatch.list_backends(device)[request.param]
    if reason is not None:
        pytest.skip(f"{request.param}: {reason}")
    with use_backend(request.param):
        yield request.param
