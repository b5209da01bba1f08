"""Training scenes of the cat-face finder: cats in front of other things, and only other things.

Legend: N scenes, C x C pixels of a scene. Angles are in degrees, clockwise.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from diverse_inpainting.core.cat_faces import MIDDLE_SIDE, STRIDE

SCENE_PX = 96
_DEPTH = 4  # halvings of a cat's picture to sample from, so that small cats are not aliased
_FOUND_OCTAVES, _IGNORED_OCTAVES = 0.62, 1.0  # of a face's size from the middle one
_FOUND_DEG, _IGNORED_DEG = 45.0, 75.0


@dataclass(frozen=True)
class Targets:
    """What the network is to say of N scenes, cell by cell (S = C / 8)."""

    heat: Tensor
    """[N, S, S] in [0, 1], exactly 1 in the cell of a face's centre."""
    weight: Tensor
    """[N, S, S] 0 where a face of a size or angle in between makes no difference, else 1."""
    values: Tensor
    """[N, 5, S, S]: x, y, log2 of the size, cosine, sine."""
    near: Tensor
    """[N, S, S] bool, the cells whose values count."""


class Scenes:
    """Draws scenes.

    Args:
        cats: [n, 3, 128, 128] uint8, aligned faces.
        photographs: [3, h, w] uint8 each, without cats.
        seed: of everything that is drawn.
    """

    def __init__(self, cats: Tensor, photographs: list[Tensor], seed: int) -> None:
        self.random = torch.Generator().manual_seed(seed)
        self.photographs = photographs
        halvings = [2**k for k in range(1, _DEPTH)]
        self.levels = [cats] + [
            torch.cat([F.avg_pool2d(part.float(), k).round().byte() for part in cats.split(500)])
            for k in halvings
        ]

    def draw(self, num: int) -> tuple[Tensor, Targets]:
        """Return scenes [num, 3, C, C] in [0, 1] and their targets."""
        scenes, has_face = self._backgrounds(num), self._uniform(num) < 0.68
        usual = 2 ** self._uniform(num, 4.85, 6.15)
        small, large = 2 ** self._uniform(num, 3.8, 4.7), 2 ** self._uniform(num, 6.3, 7.3)
        unusual = torch.where(self._uniform(num) < 0.5, small, large)
        side = torch.where(self._uniform(num) < 0.15, unusual, usual)
        upright = self._uniform(num) < 0.85
        angle = torch.where(upright, self._uniform(num, -42, 42), self._uniform(num, 42, 318))
        angle = torch.where(angle > 180, angle - 360, angle)
        x, y = (self._uniform(num, -0.05, 1.05) * SCENE_PX for _ in range(2))
        scenes = self._paste(scenes, has_face, x, y, side, angle)
        mirrored = self._uniform(num) < 0.5
        scenes[mirrored] = scenes[mirrored].flip(-1)
        x, angle = torch.where(mirrored, SCENE_PX - x, x), torch.where(mirrored, -angle, angle)
        self._erase_boxes(scenes, x, y, side)
        return self._recoloured(scenes), targets(has_face, x, y, side, angle)

    def _uniform(self, num: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return torch.rand(num, generator=self.random) * (high - low) + low

    def _integer(self, below: int) -> int:
        return int(torch.randint(below, (1,), generator=self.random))

    def _cats(self, x: Tensor, y: Tensor, side: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
        """Random cats placed in scenes, and each pixel's place in their squares, in [-1, 1]."""
        index = torch.randint(len(self.levels[0]), (len(x),), generator=self.random)
        p, turn = torch.arange(SCENE_PX) + 0.5, torch.deg2rad(angle)[:, None, None]
        dx, dy = p[None, None, :] - x[:, None, None], p[None, :, None] - y[:, None, None]
        along, down = dx * turn.cos() + dy * turn.sin(), dy * turn.cos() - dx * turn.sin()
        grid = torch.stack([along, down], dim=-1) / (side / 2)[:, None, None, None]
        level = (128 / side).log2().round().clamp(0, _DEPTH - 1)
        cats = torch.zeros(len(x), 3, SCENE_PX, SCENE_PX)
        for k in range(_DEPTH):
            of = level == k
            source = self.levels[k][index[of]].float() / 255
            cats[of] = F.grid_sample(
                source, grid[of], padding_mode="reflection", align_corners=False
            )
        return cats, grid

    def _paste(
        self, scenes: Tensor, has_face: Tensor, x: Tensor, y: Tensor, side: Tensor, angle: Tensor
    ) -> Tensor:
        """Paste a cat with an outline between an ellipse and a square, sharp or soft."""
        num = len(scenes)
        cats, grid = self._cats(x, y, side, angle)
        power, reach = 2 ** self._uniform(num, 1, 3.5), self._uniform(num, 0.8, 1.02)
        power = power[:, None, None]
        scaled = (grid.abs() / reach[:, None, None, None]).clamp(max=4)
        distance = scaled.pow(power[..., None]).sum(-1).pow(1 / power)
        softness = self._uniform(num, 0.02, 0.4)[:, None, None]
        opacity = ((1 - distance) / softness + 0.5).clamp(0, 1)
        opacity[(self._uniform(num) < 0.3) & (side > 40)] = 1.0
        opacity = opacity * (grid.abs().amax(-1) < 1.25)  # reflected farther there are more faces
        return torch.lerp(scenes, cats, (opacity * has_face[:, None, None])[:, None])

    def _backgrounds(self, num: int) -> Tensor:
        """Patterns, photographs, and pieces of cats that are no face."""
        scenes, kind = torch.empty(num, 3, SCENE_PX, SCENE_PX), self._uniform(num)
        for b in (kind < 0.3).nonzero()[:, 0]:
            scenes[b] = self._pattern()
        for b in (kind.ge(0.3) & kind.lt(0.6)).nonzero()[:, 0]:
            scenes[b] = self._photograph()
        pieces = (kind >= 0.6).nonzero()[:, 0]
        x, y = (self._uniform(len(pieces), -0.3, 1.3) * SCENE_PX for _ in range(2))
        side, angle = (
            2 ** self._uniform(len(pieces), 7.6, 9.2),
            self._uniform(len(pieces), -180, 180),
        )
        scenes[pieces] = self._cats(x, y, side, angle)[0]  # too large for a face to be seen
        for b in (kind > 0.8).nonzero()[:, 0]:
            scenes[b] = self._shuffled_cat()
        flipped = self._uniform(num) < 0.5
        scenes[flipped] = scenes[flipped].flip(-1)
        return scenes

    def _photograph(self) -> Tensor:
        picture = self.photographs[self._integer(len(self.photographs))]
        height, width = picture.shape[1:]
        side = min(int(2 ** self._uniform(1, 5.5, 9.5)), height, width)
        top, left = self._integer(height - side + 1), self._integer(width - side + 1)
        part = picture[None, :, top : top + side, left : left + side].float() / 255
        return F.interpolate(part, (SCENE_PX, SCENE_PX), mode="bilinear", antialias=True)[0]

    def _shuffled_cat(self) -> Tensor:
        middle = torch.full((1,), SCENE_PX / 2)
        cat = self._cats(middle, middle, 2 ** self._uniform(1, 6, 7), self._uniform(1, -180, 180))
        side = (12, 24, 32)[self._integer(3)]
        tiles = cat[0][0].unfold(1, side, side).unfold(2, side, side)
        count = SCENE_PX // side
        order = torch.randperm(count * count, generator=self.random)
        tiles = tiles.reshape(3, count * count, side, side)[:, order]
        tiles = tiles.reshape(3, count, count, side, side).permute(0, 1, 3, 2, 4)
        return tiles.reshape(3, SCENE_PX, SCENE_PX)

    def _pattern(self) -> Tensor:
        """Noise, a gradient, waves, or boxes and discs."""
        kind, size = self._integer(4), (SCENE_PX, SCENE_PX)
        if kind == 0:
            cells = int(2 ** self._uniform(1, 1, 6.6))
            noise = torch.randn(1, 3, cells, cells, generator=self.random)
            noise = noise * self._uniform(1, 0.03, 0.3) + self._uniform(1, 0.1, 0.9)
            return F.interpolate(noise, size, mode="bilinear")[0].clamp(0, 1)
        if kind == 1:
            corners = torch.rand(1, 3, 2, 2, generator=self.random)
            return F.interpolate(corners, size, mode="bilinear")[0]
        return self._waves() if kind == 2 else self._shapes()

    def _waves(self) -> Tensor:
        p = torch.arange(SCENE_PX) - SCENE_PX / 2
        scene = self._uniform(3, 0.2, 0.8)[:, None, None].expand(3, SCENE_PX, SCENE_PX)
        for _ in range(3):
            turn, period = self._uniform(1, 0, math.pi), 2 ** self._uniform(1, 1.5, 6.5)
            phase = (p[None] * turn.cos() + p[:, None] * turn.sin()) * (2 * math.pi / period)
            wave = torch.sin(phase + self._uniform(1, 0, 6))
            wave = wave.sign() if self._uniform(1) < 0.5 else wave
            scene = scene + wave * self._uniform(3, -0.2, 0.2)[:, None, None]
        return scene.clamp(0, 1)

    def _shapes(self) -> Tensor:
        scene = self._uniform(3)[:, None, None].expand(3, SCENE_PX, SCENE_PX).clone()
        p = torch.arange(SCENE_PX)
        for _ in range(self._integer(14) + 2):
            x, y = self._uniform(1, 0, SCENE_PX), self._uniform(1, 0, SCENE_PX)
            radius, aspect = 2 ** self._uniform(1, 1, 5), 2 ** self._uniform(1, -1, 1)
            across = ((p[None] - x) / radius * aspect).abs()
            down = ((p[:, None] - y) / radius / aspect).abs()
            is_disc = self._uniform(1) < 0.5
            inside = across**2 + down**2 < 1 if is_disc else torch.maximum(across, down) < 1
            scene[:, inside] = self._uniform(3)[:, None]
        return scene

    def _erase_boxes(self, scenes: Tensor, x: Tensor, y: Tensor, side: Tensor) -> None:
        """Paint over a part of three faces in ten: users erase parts of faces."""
        for b in (self._uniform(len(scenes)) < 0.3).nonzero()[:, 0]:
            width, height = self._uniform(2, 0.15, 0.6) * side[b]
            left = x[b] + side[b] * self._uniform(1, -0.45, 0.45)[0] - width / 2
            top = y[b] + side[b] * self._uniform(1, -0.45, 0.45)[0] - height / 2
            ends = (left, left + width, top, top + height)
            first, last, upper, lower = (int(end.clamp(0, SCENE_PX)) for end in ends)
            fills = (torch.zeros(3), torch.ones(3), torch.full((3,), 0.5), self._uniform(3))
            scenes[b, :, upper:lower, first:last] = fills[self._integer(4)][:, None, None]

    def _recoloured(self, scenes: Tensor) -> Tensor:
        """Change saturation, brightness, tint, contrast and sharpness, and add noise."""
        num = len(scenes)

        def each(values: Tensor) -> Tensor:
            return values.view(num, -1, 1, 1)

        grey = (self._uniform(num) < 0.2).float()
        grey = each(torch.maximum(grey, self._uniform(num, 0, 0.4)))
        x = torch.lerp(scenes, scenes.mean(1, keepdim=True).expand_as(scenes), grey)
        x = x * each(2 ** self._uniform(num, -0.7, 0.5))
        x = x * each(2 ** self._uniform(3 * num, -0.25, 0.25))
        x = (x - 0.4) * each(self._uniform(num, 0.6, 1.3)) + 0.4
        x = x + each(self._uniform(num, -0.1, 0.1))
        blurred = self._uniform(num) < 0.25
        x[blurred] = F.avg_pool2d(F.pad(x[blurred], (1,) * 4, mode="replicate"), 3, 1)
        noise = torch.randn(x.shape, generator=self.random)
        return (x + noise * each(self._uniform(num, 0, 0.05))).clamp(0, 1)


def targets(has_face: Tensor, x: Tensor, y: Tensor, side: Tensor, angle: Tensor) -> Targets:
    """Return what the network is to say of scenes with a face each, or none; all [N]."""
    centres = (torch.arange(SCENE_PX // STRIDE) + 0.5) * STRIDE
    dx = (x[:, None, None] - centres[None, None, :]) / STRIDE
    dy = (y[:, None, None] - centres[None, :, None]) / STRIDE
    distance = dx**2 + dy**2
    size, tilt = (side / MIDDLE_SIDE).log2(), angle.abs()
    found = has_face & (size.abs() < _FOUND_OCTAVES) & (tilt < _FOUND_DEG)
    between = has_face & ~found & (size.abs() < _IGNORED_OCTAVES) & (tilt < _IGNORED_DEG)
    is_centre = (distance == distance.amin((1, 2), keepdim=True)) & (distance < 1)
    heat = torch.where(is_centre, 1.0, 0.999 * torch.exp(-distance / (2 * 0.8**2)))
    in_face = distance < ((side / STRIDE / 2) ** 2)[:, None, None]
    turn = torch.deg2rad(angle)
    rest = [v[:, None, None].expand_as(distance) for v in (size, turn.cos(), turn.sin())]
    return Targets(
        heat=heat * found[:, None, None],
        weight=torch.where(between[:, None, None] & in_face, 0.0, 1.0),
        values=torch.stack([dx.expand_as(distance), dy.expand_as(distance), *rest], dim=1),
        near=(distance < 1.6**2) & found[:, None, None],
    )
