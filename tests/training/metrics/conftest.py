"""Provides the module `shots` to the tests beside it."""

import importlib.util
import sys
from pathlib import Path

spec = importlib.util.spec_from_file_location("shots", Path(__file__).with_name("shots.py"))
shots = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shots)
