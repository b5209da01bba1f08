"""Image files with known pixels."""

import numpy as np
import torch


def random_pixels(height=5, width=7, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def save(tmp_path, image, name="image.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def unit(array):
    """Eight bits as float32 in [0, 1]."""
    return torch.from_numpy(np.asarray(array, dtype=np.float32) / np.float32(255))
