"""Scores measured from images, to find directions with: no classifier, no labels.

Legend: N images, R their side in pixels; x to the right and y downwards in [-1, 1].
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

_LUMA = (0.2126, 0.7152, 0.0722)  # Rec. 709
_SUBJECT_DEVIATION = 0.45
_FRAME = 0.75
_DETAIL = 1 / 16  # of the side: anything finer is detail


def _luma(images: Tensor) -> Tensor:
    return (images * images.new_tensor(_LUMA)).sum(dim=-1)


def _grid(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return x and y at the centres of the pixels, each [R, R]."""
    R = images.shape[1]
    places = (torch.arange(R, device=images.device) + 0.5) / R * 2 - 1
    y, x = torch.meshgrid(places, places, indexing="ij")
    return x, y


def _subject(images: Tensor) -> Tensor:
    """Return weights [R, R] that sum to 1, a Gaussian around the centre."""
    x, y = _grid(images)
    weight = torch.exp(-(x.square() + y.square()) / (2 * _SUBJECT_DEVIATION**2))
    return weight / weight.sum()


def _detail(images: Tensor) -> Tensor:
    """Return the magnitude of what a blur removes, [N, R, R]."""
    grey = _luma(images)[:, None]
    size = 2 * round(images.shape[1] * _DETAIL / 2) + 1
    blurred = torch.nn.functional.avg_pool2d(
        grey, size, stride=1, padding=size // 2, count_include_pad=False
    )
    return (grey - blurred).abs()[:, 0]


def brightness(images: Tensor) -> Tensor:
    """Return the mean luma around the centre."""
    return (_luma(images) * _subject(images)).sum(dim=(1, 2))


def warmth(images: Tensor) -> Tensor:
    """Return the mean red minus the mean blue around the centre."""
    return ((images[..., 0] - images[..., 2]) * _subject(images)).sum(dim=(1, 2))


def markings(images: Tensor) -> Tensor:
    """Return the mean magnitude of detail around the centre, divided by its brightness."""
    return (_detail(images) * _subject(images)).sum(dim=(1, 2)) / (brightness(images) + 0.1)


def background(images: Tensor) -> Tensor:
    """Return the mean luma along the left, top and right edges."""
    x, y = _grid(images)
    frame = ((x.abs() > _FRAME) | (y < -_FRAME)) & (y < _FRAME)
    return _luma(images)[:, frame].mean(dim=1)


def white_chin(images: Tensor) -> Tensor:
    """Return the mean luma of the centre's lower half minus that of its upper half."""
    _, y = _grid(images)
    weight = _subject(images) * y.sign() * 2
    return (_luma(images) * weight).sum(dim=(1, 2))


def turn(images: Tensor) -> Tensor:
    """Return the mean x of detail: the features of a turned face move sideways."""
    x, _ = _grid(images)
    weight = _detail(images) * _subject(images)
    return (weight * x).sum(dim=(1, 2)) / weight.sum(dim=(1, 2)).clamp(min=1e-6)


def size(images: Tensor) -> Tensor:
    """Return the mean squared distance of detail from the centre: larger faces spread it."""
    x, y = _grid(images)
    detail = _detail(images)
    moment = (detail * (x.square() + y.square())).sum(dim=(1, 2))
    return moment / detail.sum(dim=(1, 2)).clamp(min=1e-6)


SCORES: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {
        "brightness": brightness,
        "warmth": warmth,
        "markings": markings,
        "background": background,
        "white_chin": white_chin,
        "turn": turn,
        "size": size,
    }
)
"""By name; each maps images [N, R, R, 3] in [0, 1] to scores [N]."""
