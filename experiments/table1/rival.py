"""What the scripts of Table 1's rivals share: they complete the pairs of an evaluation.

    diverse-inpainting evaluate --data photographs.zip --resolution 256 --out report
    python experiments/table1/psp.py --checkout pixel2style2pixel --weights psp.pt \
        --pairs report/pairs --out predictions/psp

A script loads one method from a checkout of its public code, whose Python files it runs: give only
checkouts and weights that you trust. The same command goes on where it was stopped.
"""

# pyright: reportMissingImports=false
# An editable install is invisible to a type checker.
import argparse
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from diverse_inpainting.core.device import resolve_device
from diverse_inpainting.core.errors import DiverseInpaintingError, InputError
from diverse_inpainting.core.image import network_to_unit, unit_to_network
from diverse_inpainting.core.image_files import read_image, write_png
from diverse_inpainting.core.rng import seed_for


@dataclass(frozen=True)
class Rival:
    """A method that is ready to complete images."""

    complete: Callable[[Tensor, Tensor, int], Tensor]
    """Of an erased image [1, 3, side, side] in [-1, 1], 0 in the hole, of M [1, 1, side, side], 1
    where the image is valid, and of a seed: the whole output [1, 3, r, r] in about [-1, 1]."""
    side: int
    """Of the images that it takes, in pixels."""
    num_results: int = 1
    """Results for each image: two of methods that are diverse."""


def main(
    load: Callable[[argparse.Namespace, torch.device], Rival],
    add_options: Callable[[argparse.ArgumentParser], object] = lambda parser: None,
) -> None:
    """Run a script: complete all pairs that have no results yet.

    Args:
        load: makes the method from the options.
        add_options: of the script's own.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkout", type=Path, required=True, help="the method's public code")
    parser.add_argument("--weights", type=Path, required=True, help="as that code saves them")
    parser.add_argument("--pairs", type=Path, required=True, help="pairs/ of an evaluation")
    parser.add_argument("--out", type=Path, required=True, help="for evaluate --predictions")
    parser.add_argument("--seed", type=int, default=0, help="of random codes")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: the best)")
    add_options(parser)
    options = parser.parse_args()
    try:
        rival = load(options, resolve_device(options.device))
        complete_pairs(rival, options.pairs, options.out, options.seed, options.device)
    except DiverseInpaintingError as error:
        sys.exit(str(error))


@torch.inference_mode()
def complete_pairs(
    rival: Rival, pairs: Path, out: Path, seed: int, device: str | None = None
) -> None:
    """Write NAME-0.png, NAME-1.png ... for each pair NAME, whole outputs of the method's own size.

    Each result has a seed of its own, which depends on (seed, NAME, number) alone.

    Raises:
        InputError: pairs is not a folder that `evaluate` wrote.
    """
    out.mkdir(parents=True, exist_ok=True)
    place = resolve_device(device)
    for picture, mask in list(_pairs_in(pairs)):
        missing = [
            (k, path)
            for k in range(rival.num_results)
            if not (path := out / f"{picture.stem}-{k}.png").exists()
        ]
        if not missing:
            continue
        valid = 1 - read_image(mask).image[:, :, :, :1].movedim(-1, 1).round()
        image = unit_to_network(read_image(picture).image.movedim(-1, 1))
        erased, valid = (x.to(place) for x in fit_erased(image * valid, valid, rival.side))
        for k, path in missing:
            own = seed_for(seed, picture.stem, k)
            torch.manual_seed(own)  # of noise that the public code draws
            output = rival.complete(erased, valid, own)
            write_png(path, network_to_unit(output.float().cpu())[0].clamp(0, 1).movedim(0, -1))
        print(picture.stem)


def _pairs_in(pairs: Path) -> Iterator[tuple[Path, Path]]:
    pictures = sorted((pairs / "pictures").glob("*.png"))
    if not pictures:
        raise InputError(
            "the folder pairs of an evaluation", f"{pairs}", "Run `evaluate` without --predictions."
        )
    for picture in pictures:
        yield picture, pairs / "masks" / picture.name


def fit_erased(erased: Tensor, valid: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Resize an erased image and its M to a side; what was erased leaves no trace in either.

    The image is divided by the resized M, so that the hole's zeros darken no pixel beside it.
    """
    if erased.shape[-1] == side:
        return erased, valid
    size = {"size": (side, side), "mode": "bilinear", "antialias": True, "align_corners": False}
    resized, weight = F.interpolate(erased, **size), F.interpolate(valid, **size)
    kept = (weight >= 0.5).float()
    return (resized / weight.clamp_min(1e-6)).clamp(-1, 1) * kept, kept


def use_checkout(checkout: Path, *packages: str, ops: str = "") -> None:
    """Let the modules of a checkout be imported.

    Args:
        checkout: its root.
        packages: those whose own __init__ is left out, because it needs what inference does not.
        ops: name of the package of rosinality's two compiled functions, which `ops.py` replaces.

    Raises:
        InputError: it is no folder of code.
    """
    if not any(checkout.glob("*/*.py")):
        raise InputError(
            "a checkout of the method's public code", f"{checkout}", "Clone it, and name its root."
        )
    import ops as replacement

    sys.path.insert(0, str(checkout.resolve()))
    for name in packages:
        package = types.ModuleType(name)
        package.__path__ = [str(checkout.resolve().joinpath(*name.split(".")))]
        sys.modules[name] = package
    if ops:
        sys.modules[ops] = replacement


def channels_of(encoder: torch.nn.Module) -> int:
    """Return how many channels an encoder of the pSp family takes: 4 if it was given the mask."""
    return encoder.input_layer[0].in_channels  # pyright: ignore - built by public code


def read_weights(path: Path) -> dict:
    """Read a PyTorch file of tensors and plain data; runs no code in it.

    Raises:
        InputError: it is missing or holds something else.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(
            "a PyTorch file of tensors and plain data", f"{path} ({error})", "Check the file."
        ) from error
