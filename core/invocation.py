"""How this program is run, for messages that tell the user to run one of its commands."""

import os
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path

PROGRAM = "diverse-inpainting"

_PACK = Path(__file__).resolve().parents[1]


def command_line(*words: str | Path) -> str:
    """Return a command of this program, as it can be typed where this process runs.

    Where the program is installed for this interpreter and on the path, it has a name. A clone in
    ComfyUI's custom_nodes is not installed; there the interpreter runs the pack's folder.

    Args:
        words: the command and its arguments.
    """
    found = shutil.which(PROGRAM)
    is_installed = found and Path(found).parent == Path(sysconfig.get_path("scripts"))
    return command_of(*([PROGRAM] if is_installed else [sys.executable, _PACK]), *words)


def command_of(*words: str | Path) -> str:
    """Return a command of any program, quoted for the shell of this system."""
    return " ".join(_quoted(str(word)) for word in words)


def _quoted(word: str) -> str:
    """Quote a word for the shell of this system.

    On Windows only where a space makes it necessary: PowerShell takes a command in quotes for a
    text.
    """
    if os.name == "nt":
        return f'"{word}"' if " " in word else word
    return shlex.quote(word)
