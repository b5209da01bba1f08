"""The layering of the pack, and the checker itself on planted violations."""

import pytest

from layering import AREAS, python_files, violations

CLEAN = {
    "__init__.py": "import importlib\nfrom .core.inpainter import Inpainter\n",
    "__main__.py": "from .cli.main import main\n",
    "cli/main.py": "from ..training import loop\nfrom ..evaluation import seam\n",
    "evaluation/__init__.py": "",
    "evaluation/seam.py": "from ..core import image\n",
    "core/__init__.py": "",
    "core/errors.py": "",
    "core/image.py": "import torch\nfrom .errors import InputError\n",
    "core/ops/__init__.py": "from .upfirdn2d import upfirdn2d\n",
    "core/ops/upfirdn2d.py": "from ..errors import InputError\nfrom .reference import upfirdn2d\n",
    "core/ops/reference/__init__.py": "",
    "core/ops/reference/upfirdn2d.py": "",
    "core/networks/__init__.py": "from ..ops import upfirdn2d\n",
    "core/latents.py": "from .errors import InputError\n",
    "core/directions/__init__.py": "from ..latents import WPlus\nfrom .. import errors\n",
    "core/inpainter.py": "from . import directions, image\nfrom .networks import build\n",
    "nodes/__init__.py": "from . import host\n",
    "nodes/host.py": "import comfy.utils\nfrom ..core.inpainter import Inpainter\n",
    "training/__init__.py": "",
    "training/loop.py": "from ..core import image\n",
}

PLANTED = [
    ("core/image.py", "from ..nodes import host", "imports nodes.host: core must not"),
    ("core/image.py", "from ..training.loop import run", "imports training.loop: core must not"),
    ("core/image.py", "from .. import nodes", "imports nodes: core must not"),
    ("core/image.py", "from .. import Inpainter", "imports __init__: core must not"),
    ("core/image.py", "from ...elsewhere import x", "outside the pack"),
    ("core/image.py", "import comfy.utils", "ComfyUI's comfy.utils"),
    ("core/image.py", "from folder_paths import models_dir", "ComfyUI's folder_paths"),
    ("core/image.py", "def f():\n    from .networks import build", "above core.image"),
    ("core/image.py", "from .inpainter import Inpainter", "above core.image"),
    ("core/image.py", "from . import checkpoint", "above core.image"),
    ("core/ops/upfirdn2d.py", "from ..networks.layers import x", "above core.ops"),
    ("core/ops/reference/upfirdn2d.py", "from ....nodes import host", "core must not"),
    ("core/ops/reference/upfirdn2d.py", "from .....core import x", "outside the pack"),
    ("core/latents.py", "from .directions import Direction", "circle"),
    ("core/__init__.py", "from .inpainter import Inpainter", "stays empty"),
    ("core/novelty.py", "", "core/novelty has no level"),
    ("nodes/host.py", "from ..training import loop", "imports training.loop: nodes must not"),
    ("nodes/host.py", "from core import image", "imports core absolutely"),
    ("nodes/host.py", "import nodes", "imports nodes absolutely"),
    ("nodes/host.py", "import diverse_inpainting.core", "absolutely"),
    ("nodes/edit.py", "import folder_paths", "only nodes/host.py"),
    ("training/loop.py", "from ..nodes import host", "imports nodes.host: training must not"),
    ("training/loop.py", "from ..__main__ import main", "imports __main__: training must not"),
    (
        "training/loop.py",
        "import importlib\nimportlib.import_module('..nodes', __package__)",
        "nodes",
    ),
    ("training/loop.py", "import importlib\nimportlib.import_module('core.image')", "absolutely"),
    ("training/loop.py", "from ..evaluation.seam import seam", "training must not"),
    ("evaluation/seam.py", "from ..training.loop import run", "evaluation must not"),
    ("evaluation/seam.py", "from ..cli.main import main", "evaluation must not"),
    ("cli/main.py", "from ..nodes import host", "imports nodes.host: cli must not"),
    ("__init__.py", "from .training import loop", "imports training.loop: __init__ must not"),
]


def plant(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_the_pack_keeps_its_layers(root):
    files = python_files(root)
    assert {"core", "nodes", "training", "evaluation", "cli"} == set(AREAS)
    for area in AREAS:
        assert any(root / area in path.parents for path in files), f"no Python file in {area}"
    assert violations(root) == []


def test_a_clean_tree_passes(tmp_path):
    plant(tmp_path, CLEAN)
    assert violations(tmp_path) == []


@pytest.mark.parametrize(("name", "line", "reason"), PLANTED)
def test_a_planted_violation_is_found(tmp_path, name, line, reason):
    plant(tmp_path, {"core/networks/layers.py": "", "core/checkpoint/__init__.py": "", **CLEAN})
    plant(tmp_path, {name: CLEAN.get(name, "") + line + "\n"})
    found = violations(tmp_path)
    assert len(found) == 1, found
    assert reason in found[0]
    if "circle" not in reason:
        assert found[0].startswith(name)
