"""Measure the cat-face finder: cats pasted into backgrounds, and backgrounds alone.

    python experiments/cat_faces/measure.py --data afhq-cat-256-val.zip --photographs FOLDER

Each cat of DATA is pasted into a 1024-pixel background with a side of 120 to 700 pixels, a tilt of
up to 30 degrees, at a random place that holds it. Half of the backgrounds are photographs of FOLDER
(none of which may show a cat), the others noise, gradients and waves. A face is found if the best
one lies within 0.15 sides of the cat's centre and its side is off by at most 25 %; a face anywhere
else is wrong; in a background alone, every face is a false alarm.
"""

import argparse
import math
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from diverse_inpainting.core.cat_faces import CatFaces
from diverse_inpainting.core.dataset import load_images
from diverse_inpainting.core.faces import Face
from diverse_inpainting.core.geometry import place_completed
from diverse_inpainting.core.image_files import read_image
from diverse_inpainting.core.turned_crop import TurnedCrop

SCENE_PX = 1024
CAT_PX = 256
SIDES_PX = (120, 200, 400, 700)
TILTS_DEG = (0, 10, 20, 30)
NEAR_FRAC, SIZE_FRAC = 0.15, 0.25


@dataclass(frozen=True)
class Trial:
    """One pasted cat, and a background alone."""

    truth: TurnedCrop
    faces: list[Face]
    alarms: int
    """Faces in the background alone."""
    seconds: float

    @property
    def is_found(self) -> bool:
        """Whether the best face is the cat."""
        return bool(self.faces) and is_cat(self.faces[0], self.truth)


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--num", type=int, default=500)
    parser.add_argument("--threshold", type=float)
    options = parser.parse_args()
    cats = load_images(options.data, CAT_PX)[1]
    files = sorted(path for path in options.photographs.iterdir() if path.is_file())
    photographs = [read_image(path).image[0].movedim(-1, 0) for path in files]
    finder = CatFaces() if options.threshold is None else CatFaces(options.threshold)
    step = max(len(cats) // options.num, 1)
    report([run(cats[i], photographs, finder, i) for i in range(0, len(cats), step)])


def run(cat: Tensor, photographs: list[Tensor], finder: CatFaces, seed: int) -> Trial:
    random = torch.Generator().manual_seed(seed)
    scene, alone = background(photographs, random), background(photographs, random)
    side = uniform(random, SIDES_PX[0], SIDES_PX[-1])
    angle = uniform(random, -TILTS_DEG[-1], TILTS_DEG[-1])
    turn = math.radians(abs(angle))
    reach = side / 2 * (math.cos(turn) + math.sin(turn))
    x, y = (uniform(random, reach, SCENE_PX - reach) for _ in range(2))
    truth = TurnedCrop(x, y, round(side), angle, SCENE_PX, SCENE_PX)
    area = (slice(None), *truth.image_area)
    placed, opacity = (
        place_completed(cat.float() / 255, truth),
        (truth.inset("cpu") / 4).clamp(0, 1),
    )
    scene[area] = torch.lerp(scene[area], placed, opacity)
    started = time.perf_counter()
    faces = finder.find(scene)
    seconds = time.perf_counter() - started
    return Trial(truth, faces, len(finder.find(alone)), seconds)


def background(photographs: list[Tensor], random: torch.Generator) -> Tensor:
    """Return half of the time a part of a photograph, else a pattern, [3, 1024, 1024]."""
    size, kind = (SCENE_PX, SCENE_PX), uniform(random, 0, 1)
    if kind < 0.5:
        picture = photographs[int(uniform(random, 0, len(photographs)))]
        height, width = picture.shape[1:]
        side = int(min(height, width) * uniform(random, 0.6, 1.0))
        top = int(uniform(random, 0, height - side + 1))
        left = int(uniform(random, 0, width - side + 1))
        part = picture[None, :, top : top + side, left : left + side]
        return F.interpolate(part, size, mode="bilinear", antialias=True)[0]
    if kind < 0.85:  # noise of any coarseness; of two cells, a gradient
        cells = int(2 ** uniform(random, 1, 10))
        noise = torch.rand(1, 3, cells, cells, generator=random)
        return F.interpolate(noise, size, mode="bilinear")[0]
    p = torch.arange(SCENE_PX) + 0.5
    scene = torch.full((3, *size), 0.5)
    for _ in range(4):
        turn, period = uniform(random, 0, math.pi), uniform(random, 12, 200)
        wave = torch.sin((p[None] * math.cos(turn) + p[:, None] * math.sin(turn)) * 6.283 / period)
        scene = scene + wave * (torch.rand(3, 1, 1, generator=random) - 0.5) / 3
    return scene.clamp(0, 1)


def uniform(random: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(1, generator=random))


def is_cat(face: Face, truth: TurnedCrop) -> bool:
    return offset(face, truth) < NEAR_FRAC and abs(face.side / truth.side - 1) <= SIZE_FRAC


def offset(face: Face, truth: TurnedCrop) -> float:
    """Return the distance of the centres, in sides of the cat."""
    x, y = face.centre_x - truth.centre_x, face.centre_y - truth.centre_y
    return math.hypot(x, y) / truth.side


def report(trials: list[Trial]) -> None:
    print("| cats | number | found | wrong instead | nothing |\n|---|---|---|---|---|")
    row("all", trials)
    for low, high in pairwise(SIDES_PX):
        row(f"{low}-{high} px", [t for t in trials if low <= t.truth.side < high])
    for low, high in pairwise(TILTS_DEG):
        row(f"{low}-{high} degrees", [t for t in trials if low <= abs(t.truth.angle) < high])
    found = [t for t in trials if t.is_found]
    errors = torch.tensor([abs(t.faces[0].angle - t.truth.angle) for t in found])
    far = torch.tensor([offset(t.faces[0], t.truth) for t in found])
    ratio = torch.tensor([t.faces[0].side / t.truth.side for t in found])
    extra = sum(not is_cat(f, t.truth) for t in found for f in t.faces[1:])
    print(
        f"of the found: angle off by {quantiles(errors)} degrees, centre by {quantiles(far)} sides"
    )
    print(f"side over the true one: {quantiles(ratio)}; {extra / len(found):.3f} more faces each")
    alarms = [t.alarms for t in trials]
    share = sum(a > 0 for a in alarms) / len(alarms)
    print(f"backgrounds alone: {sum(alarms) / len(alarms):.3f} faces each, {share:.3f} with any")
    print(f"{sum(t.seconds for t in trials) / len(trials):.3f} s for each image")


def row(name: str, trials: list[Trial]) -> None:
    num = max(len(trials), 1)
    found, nothing = sum(t.is_found for t in trials), sum(not t.faces for t in trials)
    shares = (found, len(trials) - found - nothing, nothing)
    print(f"| {name} | {len(trials)} |", " | ".join(f"{100 * s / num:.1f} %" for s in shares), "|")


def quantiles(values: Tensor) -> str:
    """Return the median and the 90th percentile."""
    return " / ".join(f"{float(values.quantile(q)):.2f}" for q in (0.5, 0.9))


if __name__ == "__main__":
    main()
