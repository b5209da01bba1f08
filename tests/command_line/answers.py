"""What the tests of the command line share: its answers, and pictures drawn to be completed."""

from typing import NamedTuple

import numpy as np
from PIL import Image


class Answer(NamedTuple):
    code: int
    out: str
    err: str


def refused(answer):
    """Whether the answer is one sentence about wrong use, without results."""
    message = answer.err.strip()
    is_ours = message.startswith("Expected ") and message.endswith(".") and "; got " in message
    return (answer.code, answer.out) == (2, "") and is_ours and "\n" not in message


def levels(path):
    return np.array(Image.open(path).convert("RGB")).astype(int)


def save(path, array, **options):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def noise(height, width, channels=3):
    shape = (height, width, channels)[: 2 if channels == 1 else 3]
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def box(height, width):
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[height // 4 : height // 2 + 1, width // 4 : width // 2 + 1] = 255
    return mask
