"""Finds cat faces with a small convolutional network, and knows where their parts lie.

The network looks at an image at several scales, each half the one before. At each scale it finds
faces whose aligned square is 32 to 64 pixels long, turned by up to 45 degrees, and says for each
cell of 8 x 8 pixels: is a face's centre here, where exactly, how large, how tilted. It was trained
on the cats of AFHQ (`experiments/cat_faces/train.py`), so that the squares it returns are
those of AFHQ's crops. It needs no package beyond torch.

Legend: H x W pixels of an image, S x S those of a scale.
"""

import math
from functools import cached_property
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor

from .faces import Ellipse, Face
from .turned_crop import TurnedCrop

STRIDE = 8
"""Pixels of one cell's side."""
MIDDLE_SIDE = 2**5.5
"""Side of a face, in pixels of its scale, that the network calls size 0; others by log2."""
LAYERS = ((16, 2, 1), (32, 2, 1), (32, 1, 1), (64, 2, 1), (64, 1, 1), (64, 1, 2), (64, 1, 1))
"""Channels, stride and dilation of the 3x3 convolutions, each followed by a ReLU."""
MEAN, SCALE = 0.5, 0.25
"""The network sees (image - MEAN) / SCALE."""

_WEIGHTS = Path(__file__).parent / "weights" / "faces" / "cats.safetensors"
_LONGEST_PX = 448  # faces below a 14th of the image's longer side are not looked for
_SHORTEST_PX = 24
_CANDIDATE = 0.15  # probability from which a place is looked at again
_LOOK_PX = 96  # what the second look sees: twice the face's side on each axis
_SAME_FACE = 0.4  # centres closer than this, in sides of the larger, are one face
_BEST = 20  # candidates that are looked at again

_LEFT_EYE, _RIGHT_EYE = Ellipse(0.355, 0.51, 0.11, 0.085), Ellipse(0.645, 0.51, 0.11, 0.085)
_LEFT_EAR = Ellipse(0.2, 0.15, 0.12, 0.2, -20.0)
_RIGHT_EAR = Ellipse(0.8, 0.15, 0.12, 0.2, 20.0)


class CatFaces:
    """A `FaceFinder` for cats; the network is read when it is first needed.

    Args:
        threshold: probability from which a place counts as a face.
    """

    parts = {  # noqa: RUF012  # declared by the protocol
        "face": (Ellipse(0.5, 0.55, 0.4, 0.37),),
        "eyes": (_LEFT_EYE, _RIGHT_EYE),
        "left eye": (_LEFT_EYE,),
        "right eye": (_RIGHT_EYE,),
        "muzzle": (Ellipse(0.5, 0.73, 0.21, 0.15),),
        "ears": (_LEFT_EAR, _RIGHT_EAR),
        "left ear": (_LEFT_EAR,),
        "right ear": (_RIGHT_EAR,),
    }
    """Read off the mean of AFHQ's 500 validation cats; left and right as in the image."""

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = threshold

    @cached_property
    def _weights(self) -> list[tuple[Tensor, Tensor]]:
        tensors = safetensors.torch.load_file(_WEIGHTS)
        return [
            (tensors[f"{i}.weight"].float(), tensors[f"{i}.bias"].float())
            for i in range(len(LAYERS) + 1)
        ]

    @torch.no_grad()
    def find(self, image_chw: Tensor) -> list[Face]:
        """Find faces, best first.

        1. Candidates at all scales.
        2. Each is turned upright, brought to the middle size and looked at again: the probability
           is the geometric mean of both looks, place, size and angle are those of the second.

        Args:
            image_chw: [3, H, W] floating point in [0, 1], any device; what is not finite is 0.
        """
        image = image_chw.detach().float().cpu().nan_to_num(0.0, 0.0, 0.0).clamp(0, 1)
        found: list[Face] = []
        for scaled, scale in _scales(image):
            height, width = scaled.shape[1:]
            faces = _distinct(_decode(self._network(scaled[None])[0], _CANDIDATE))[:_BEST]
            inside = [f for f in faces if 0 <= f.centre_x <= width and 0 <= f.centre_y <= height]
            found += [_scaled(self._look_again(scaled, face), 1 / scale) for face in inside]
        return [face for face in _distinct(found) if face.score >= self.threshold]

    def _network(self, images: Tensor) -> Tensor:
        """Return [N, 6, S/8, S/8]: logit, x, y, size, cosine, sine."""
        x = (images - MEAN) / SCALE
        height, width = x.shape[2:]
        x = F.pad(x, (0, -width % STRIDE, 0, -height % STRIDE))
        for (weight, bias), (_, stride, dilation) in zip(self._weights, LAYERS, strict=False):
            x = F.conv2d(x, weight, bias, stride, dilation, dilation).relu_()
        return F.conv2d(x, *self._weights[-1])

    def _look_again(self, image: Tensor, face: Face) -> Face:
        height, width = image.shape[1:]
        side = max(round(face.side * _LOOK_PX / MIDDLE_SIDE), 1)
        crop = TurnedCrop(face.centre_x, face.centre_y, side, face.angle, height, width)
        area = (slice(None), *crop.image_area)
        turned = torch.stack([crop.upright(plane) for plane in image[area]])
        upright = F.interpolate(turned[None], (_LOOK_PX,) * 2, mode="bilinear", antialias=True)
        near = [
            again
            for again in _decode(self._network(upright)[0], 0.0)
            if math.hypot(again.centre_x - _LOOK_PX / 2, again.centre_y - _LOOK_PX / 2)
            < _SAME_FACE * MIDDLE_SIDE
        ]
        if not near:
            return _with_score(face, 0.0)
        again = max(near, key=lambda one: one.score)
        scale, radians = side / _LOOK_PX, math.radians(face.angle)
        x, y = (again.centre_x - _LOOK_PX / 2) * scale, (again.centre_y - _LOOK_PX / 2) * scale
        return Face(
            centre_x=face.centre_x + x * math.cos(radians) - y * math.sin(radians),
            centre_y=face.centre_y + x * math.sin(radians) + y * math.cos(radians),
            side=again.side * scale,
            angle=face.angle + again.angle,
            score=math.sqrt(face.score * again.score),
        )


def _scales(image_chw: Tensor) -> list[tuple[Tensor, float]]:
    """The image at every scale that is looked at, with how large that is."""
    sizes = image_chw.shape[1:]
    scale = min(1.0, _LONGEST_PX / max(sizes))
    scaled = []
    while scale * max(sizes) >= _SHORTEST_PX:
        size = [max(round(length * scale), 1) for length in sizes]
        image_chw = F.interpolate(image_chw[None], size, mode="bilinear", antialias=True)[0]
        scaled.append((image_chw, scale))
        scale /= 2
    return scaled


def _decode(cells: Tensor, threshold: float) -> list[Face]:
    """Faces at the local maxima of the network's output [6, h, w], in pixels of the scale."""
    score = cells[0].sigmoid()
    peak = score == F.max_pool2d(score[None, None], 3, 1, 1)[0, 0]
    rows, columns = (peak & (score >= threshold)).nonzero(as_tuple=True)
    x, y, size, cosine, sine = cells[1:, rows, columns]
    values = (
        (columns + 0.5 + x) * STRIDE,
        (rows + 0.5 + y) * STRIDE,
        MIDDLE_SIDE * 2.0 ** size.clamp(-2, 2),
        torch.rad2deg(torch.atan2(sine, cosine)),
        score[rows, columns],
    )
    return [Face(*one) for one in torch.stack(values, dim=1).tolist()]


def _scaled(face: Face, by: float) -> Face:
    return Face(face.centre_x * by, face.centre_y * by, face.side * by, face.angle, face.score)


def _with_score(face: Face, score: float) -> Face:
    return Face(face.centre_x, face.centre_y, face.side, face.angle, score)


def _distinct(faces: list[Face]) -> list[Face]:
    """Keep the best of faces that lie on each other, best first."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda one: -one.score):
        if not any(
            math.hypot(face.centre_x - other.centre_x, face.centre_y - other.centre_y)
            < _SAME_FACE * max(face.side, other.side)
            for other in kept
        ):
            kept.append(face)
    return kept
