"""Whole files of each container that is imported, and damaged copies of them."""

import random

from safetensors.torch import save_file

import foreign_files

KINDS = ("nvidia", "tensorflow", "zip", "legacy", "safetensors")


def write_small(kind, path):
    """Write a whole file of each container."""
    if kind == "nvidia":
        foreign_files.write_nvidia(path, foreign_files.read_golden("nvidia_32"))
    elif kind == "tensorflow":
        foreign_files.write_tensorflow(path, foreign_files.read_golden("tensorflow_32"))
    elif kind == "safetensors":
        save_file(foreign_files.read_golden("rosinality_32").source, path)
    else:
        golden = foreign_files.read_golden("rosinality_32")
        foreign_files.write_rosinality(path, golden, legacy=kind == "legacy")


def cut(content, count, seed):
    """Yield beginnings of a file."""
    chance = random.Random(seed)
    for _ in range(count):
        yield content[: chance.randrange(len(content))]


def flipped(content, count, seed):
    """Yield copies with one to eight bits flipped.

    Half of them in the first or last 4 KB, where structure is.
    """
    chance = random.Random(seed)
    for _ in range(count):
        changed = bytearray(content)
        for _ in range(chance.choice((1, 1, 2, 8))):
            near = chance.choice((4096, len(content)))
            place = chance.randrange(min(near, len(content)))
            changed[place if chance.random() < 0.5 else -1 - place] ^= 1 << chance.randrange(8)
        yield bytes(changed)
