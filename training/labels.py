"""Class labels of photographs, as StyleGAN's data sets have them.

dataset.json lies beside the pictures, in the folder or zip, and holds
{"labels": [["00000/img00000000.png", 6], ...]}.
"""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.errors import InputError

_FILE = "dataset.json"


def load_labels(source: Path, names: Sequence[str], num_classes: int) -> Tensor:
    """Return the labels of pictures, one-hot [N, num_classes] float32.

    Args:
        source: folder or zip file.
        names: of the pictures, as `load_images` returns them.
        num_classes: 0 asks for no file.

    Raises:
        InputError: the file is absent or of another form, or a picture's label is missing or is no
            number from 0 to num_classes - 1.
    """
    if num_classes == 0:
        return torch.zeros(len(names), 0)
    by_name = _read(source, num_classes)
    labels = [by_name.get(name.replace("\\", "/")) for name in names]
    for name, label in zip(names, labels, strict=True):
        if type(label) is not int or not 0 <= label < num_classes:
            raise InputError(
                f"a label from 0 to {num_classes - 1} for each picture in {_FILE}",
                f"{label!r} for {name}",
                f"Correct {_FILE}, or num_classes of generator and discriminator in the recipe.",
            )
    return torch.eye(num_classes)[torch.tensor(labels)]


def _read(source: Path, num_classes: int) -> dict[str, Any]:
    try:
        if source.is_dir():
            text = (source / _FILE).read_bytes()
        else:
            with zipfile.ZipFile(source) as archive:
                text = archive.read(_FILE)
    except (FileNotFoundError, KeyError) as error:
        raise InputError(
            f"{_FILE} beside the pictures, for a recipe with {num_classes} classes",
            f"none in {source}",
            "Add it, or set num_classes of generator and discriminator to 0.",
        ) from error
    try:
        return dict(json.loads(text)["labels"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f'{_FILE} of the form {{"labels": [["name.png", 0], ...]}}',
            f"another one in {source} ({type(error).__name__})",
            "Write it again.",
        ) from error
