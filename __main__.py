"""The command line of `cli`: `python -m diverse_inpainting`, or `python FOLDER`.

The latter needs no installation: ComfyUI's interpreter can run a clone in custom_nodes, whatever
its folder is called.
"""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

_NAME = "diverse_inpainting"


def _main_by_path() -> Callable[[], None]:
    """Return the command line of the folder that Python was given, under the pack's own name."""
    folder = Path(__file__).resolve().parent
    # Python has put the folder on the path, where its `nodes` or `training` would hide others.
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != folder]
    spec = importlib.util.spec_from_file_location(
        _NAME, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None and spec.loader is not None
    module = sys.modules[_NAME] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return importlib.import_module(f"{_NAME}.cli.main").main


if __package__:
    from .cli.main import main
else:
    main = _main_by_path()

if __name__ == "__main__":
    main()
