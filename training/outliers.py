"""Images that no model knows, made of those that it knows and of nothing at all.

They teach `Familiarity` what is not known. None is a photograph of another thing: broken and turned
images keep the colours and textures of the known ones, the drawn ones keep nothing.

Legend: R side in pixels; images are [3, R, R] in [-1, 1].
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor


def make_outliers(images: Tensor, generator: Generator) -> Tensor:
    """Return one outlier of each image, all kinds in turn.

    Args:
        images: [N, 3, R, R] in [-1, 1].
        generator: on the CPU.

    Returns:
        [N, 3, R, R] in [-1, 1].
    """
    kinds = [KINDS[i % len(KINDS)] for i in range(len(images))]
    made = [kind(image, generator) for kind, image in zip(kinds, images, strict=True)]
    return torch.stack(made)


def _uniform(generator: Generator, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def _number(generator: Generator, low: float = 0.0, high: float = 1.0) -> float:
    return float(_uniform(generator, low=low, high=high))


def _integer(generator: Generator, low: int, high: int) -> int:
    """Return an integer in [low, high)."""
    return int(torch.randint(low, high, (), generator=generator))


def _turned(image: Tensor, generator: Generator) -> Tensor:
    """Upside down in three cases of five, else on its side."""
    case = _integer(generator, 0, 5)
    if case == 0:
        return image.flip(1)
    return image.rot90((2, 2, 1, 3)[case - 1], (1, 2))


def _jigsaw(image: Tensor, generator: Generator) -> Tensor:
    """Squares in another order."""
    R, count = image.shape[-1], (2, 4, 8)[_integer(generator, 0, 3)]
    side = R // count
    tiles = image.unfold(1, side, side).unfold(2, side, side).flatten(1, 2)
    cycle = torch.randperm(count * count, generator=generator)
    order = torch.empty_like(cycle).scatter(0, cycle, cycle.roll(1))  # no square stays
    return tiles[:, order].unflatten(1, (count, count)).permute(0, 1, 3, 2, 4).reshape(3, R, R)


def _zoomed(image: Tensor, generator: Generator) -> Tensor:
    """A part, at most half as wide, enlarged."""
    R = image.shape[-1]
    side = _integer(generator, R // 8, R // 2)
    top, left = (_integer(generator, 0, R - side) for _ in range(2))
    part = image[None, :, top : top + side, left : left + side]
    return F.interpolate(part, (R, R), mode="bicubic", align_corners=False)[0].clamp(-1, 1)


def _shifted(image: Tensor, generator: Generator) -> Tensor:
    """Moved by a quarter to three quarters of its side, around the edges."""
    R = image.shape[-1]
    down, right = (_integer(generator, R // 4, R - R // 4) for _ in range(2))
    return image.roll((down, right), (1, 2))


def _scrambled(image: Tensor, generator: Generator) -> Tensor:
    """The image's spectrum with the phases of noise: its texture without its forms."""
    R = image.shape[-1]
    noise = torch.fft.rfft2(torch.randn(R, R, generator=generator))
    phases = noise / noise.abs().clamp(min=1e-6)
    return torch.fft.irfft2(torch.fft.rfft2(image).abs() * phases, (R, R)).clamp(-1, 1)


def _recoloured(image: Tensor, generator: Generator) -> Tensor:
    """A random affine map of the colours; grey in a third of the cases."""
    centred = image - image.mean(dim=(1, 2), keepdim=True)
    scaled = centred / image.std(dim=(1, 2), keepdim=True).clamp(min=1e-3)
    matrix = 0.5 * _number(generator) * torch.randn(3, 3, generator=generator)
    matrix += 0.3 * _number(generator) * torch.eye(3)
    if _integer(generator, 0, 3) == 0:
        matrix = matrix.mean(dim=0, keepdim=True).expand(3, 3)
    colours = torch.einsum("ij,jhw->ihw", matrix, scaled) * _number(generator, 0.1, 1)
    return (colours + _uniform(generator, 3, 1, 1, low=-1)).clamp(-1, 1)


def _pieces(image: Tensor, generator: Generator) -> Tensor:
    """Squares or a part of the image in other colours."""
    broken = _jigsaw if _integer(generator, 0, 2) else _zoomed
    return _recoloured(broken(image, generator), generator)


def _noise(image: Tensor, generator: Generator) -> Tensor:
    """Noise from white to smoother than clouds."""
    R = image.shape[-1]
    frequency = torch.hypot(torch.fft.fftfreq(R)[:, None], torch.fft.rfftfreq(R)[None])
    frequency[0, 0] = 1
    spectrum = torch.fft.rfft2(torch.randn(3, R, R, generator=generator))
    smooth = torch.fft.irfft2(spectrum / frequency ** _number(generator, 0, 2), (R, R))
    return _recoloured(smooth, generator)


def _grid(R: int) -> tuple[Tensor, Tensor]:
    line = torch.linspace(-1, 1, R)
    rows, columns = torch.meshgrid(line, line, indexing="ij")
    return rows, columns


def _shapes(image: Tensor, generator: Generator) -> Tensor:
    """Up to 15 rectangles, ellipses and triangles on a plain ground or on noise; plain if none."""
    R = image.shape[-1]
    rows, columns = _grid(R)
    is_plain = _integer(generator, 0, 3) > 0
    result = _uniform(generator, 3, 1, 1, low=-1).expand(3, R, R)
    result = result if is_plain else _noise(image, generator)
    for _ in range(_integer(generator, 0, 16)):
        angle = math.pi * _number(generator)
        y, x = (_number(generator, -1, 1) for _ in range(2))
        width, height = (0.02 + _number(generator) ** 2 for _ in range(2))
        along = (columns - x) * math.cos(angle) + (rows - y) * math.sin(angle)
        across = (rows - y) * math.cos(angle) - (columns - x) * math.sin(angle)
        along, across = along.abs() / width, across / height
        inside = (
            (along < 1) & (across.abs() < 1),
            along.square() + across.square() < 1,
            (across > -1) & (across < 1 - 2 * along),
        )[_integer(generator, 0, 3)]
        result = torch.where(inside, _uniform(generator, 3, 1, 1, low=-1), result)
    return result.clone()


def _stripes(image: Tensor, generator: Generator) -> Tensor:
    """Two colours in stripes, checks, a gradient, or lines of what could be writing."""
    R = image.shape[-1]
    rows, columns = _grid(R)
    angle = math.pi * (_number(generator) if _integer(generator, 0, 2) else 0.5)
    wave = _number(generator, 0.3, 40) * (columns * math.cos(angle) + rows * math.sin(angle))
    other = 10 * (rows * math.cos(angle) - columns * math.sin(angle))
    cell = (2, 3, 4, 6)[_integer(generator, 0, 4)]
    cells = _uniform(generator, R // cell + 1, R // cell + 1) > 0.5
    letters = cells.repeat_interleave(cell, 0).repeat_interleave(cell, 1)[:R, :R]
    is_line = (torch.arange(R) // (4 * cell) % 2 == 1)[:, None]
    pattern = (
        wave.sin(),
        wave.sin().sign(),
        (wave.sin() * other.sin()).sign(),
        wave.clamp(-1, 1),
        2 * (letters & is_line).float() - 1,
    )[_integer(generator, 0, 5)]
    first, second = _uniform(generator, 2, 3, 1, 1, low=-1)
    return torch.lerp(first, second, (pattern + 1) / 2)


KINDS: tuple[Callable[[Tensor, Generator], Tensor], ...] = (
    *(_turned, _jigsaw, _zoomed, _shifted, _scrambled, _pieces),
    *(_noise, _shapes, _stripes),
)
