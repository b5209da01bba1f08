"""Errors of images over the valid pixels and over the hole, at the network's resolution.

Legend: N images, R the network's resolution.
"""

from torch import Tensor


def valid_l1(image: Tensor, erased: Tensor, valid: Tensor) -> Tensor:
    """Return the mean absolute error over the valid pixels of each image, [N].

    Args:
        image: [N, 3, R, R] in about [-1, 1].
        erased: [N, 3, R, R] M * I.
        valid: [N, 1, R, R] M.
    """
    error = ((image - erased) * valid).abs().mean(dim=1, keepdim=True).sum(dim=(1, 2, 3))
    return error / valid.sum(dim=(1, 2, 3)).clamp(min=1)


def hole_l1(first: Tensor, second: Tensor, hole: Tensor) -> Tensor:
    """Return the summed absolute difference of two images in the hole, [N].

    Args:
        first: [N, 3, R, R].
        second: as first.
        hole: [N, 1, R, R], 1 = fill.
    """
    return ((first - second).abs() * hole).sum(dim=(1, 2, 3))
