"""Provides the modules `line` and `three_steps` to the tests beside them."""

import importlib.util
import sys
from pathlib import Path

for name in ("line", "three_steps"):
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
