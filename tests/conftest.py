"""What all tests share: the pack under its import name, device and dtype, markers, a generator."""

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # one core each; programs that tests start inherit it
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

import front_end

ROOT = Path(__file__).resolve().parents[1]


def _provide_pack() -> None:
    """Import this checkout as `diverse_inpainting`, whether or not it is installed.

    Raises:
        pytest.UsageError: another copy is installed, and would be tested instead.
    """
    spec = importlib.util.find_spec("diverse_inpainting")
    if spec is None:
        spec = importlib.util.spec_from_file_location("diverse_inpainting", ROOT / "__init__.py")
        sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[spec.name])
    elif Path(spec.origin).resolve() != ROOT / "__init__.py":
        raise pytest.UsageError(
            f"diverse_inpainting is {spec.origin}, not this checkout; pip install -e . here"
        )


_provide_pack()
pytest_plugins = ["tiny_model"]


@pytest.fixture(autouse=True)
def usual_denormals():
    """Training flushes them for the whole process; other tests do not want it."""
    yield
    torch.set_flush_denormal(False)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", default="cpu", help="device of the tests that take `device`")
    parser.addoption("--dtype", default="float32", help="dtype of the tests that take `dtype`")
    parser.addoption("--run-slow", action="store_true", help="run the tests marked slow, too")
    parser.addoption("--fuzz-cases", type=int, default=1000, help="hostile files of the slow test")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what this machine or this call has no means for."""
    absent = {}
    if not torch.cuda.is_available():
        absent["cuda"] = "no CUDA device"
    if not config.getoption("--run-slow"):
        absent["slow"] = "slow; give --run-slow"
    if not os.environ.get("COMFYUI_DIR"):
        absent["comfyui"] = "COMFYUI_DIR is not set"
    if reason := front_end.missing():
        absent["browser"] = reason
    for item in items:
        for marker, reason in absent.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.config.getoption("--device"))


@pytest.fixture
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return getattr(torch, request.config.getoption("--dtype"))


@pytest.fixture
def generator() -> torch.Generator:
    """A CPU generator with the same seed in every test."""
    return torch.Generator("cpu").manual_seed(20231002)


@pytest.fixture
def set_threads() -> Iterator[Callable[[int], None]]:
    """`torch.set_num_threads`, for the duration of a test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def root() -> Path:
    """The checkout."""
    return ROOT
