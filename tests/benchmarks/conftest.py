"""The scripts of benchmarks/, which import each other as neighbours."""

import importlib
import sys

import pytest

NAMES = ("measuring", "machine", "public", "generator", "encoder", "inpaint", "training_step")


@pytest.fixture
def script(root, monkeypatch):
    """A function that imports one of them."""
    monkeypatch.syspath_prepend(root / "benchmarks")
    yield importlib.import_module
    for name in NAMES:
        sys.modules.pop(name, None)
