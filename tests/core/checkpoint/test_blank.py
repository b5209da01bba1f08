"""Networks without values: the layout of real ones, at no cost."""

import subprocess
import sys
from pathlib import Path

from diverse_inpainting.core.checkpoint import Checkpoint, build_blank, write_checkpoint
from diverse_inpainting.core.networks import ModelConfig, build


def test_blank_networks_have_the_layout_of_built_ones(config: ModelConfig) -> None:
    blank, built = build_blank(config).state_dict(), build(config).state_dict()
    wanted = {k: (tuple(v.shape), v.dtype) for k, v in built.items()}
    assert {k: (tuple(v.shape), v.dtype) for k, v in blank.items()} == wanted
    assert all(tensor.is_meta for tensor in blank.values())


_LOAD = """
import sys
from diverse_inpainting.core.checkpoint import read_checkpoint
read_checkpoint(sys.argv[1]).model()
print("sympy" in sys.modules)
"""


def test_loading_does_not_import_a_compiler(checkpoint: Checkpoint, path: Path, root: Path) -> None:
    # In a new process: arithmetic on the meta device imports PyTorch's compiler once, for seconds.
    write_checkpoint(path, checkpoint)
    (path.parent / "diverse_inpainting").symlink_to(root, target_is_directory=True)
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, str(path)],
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
