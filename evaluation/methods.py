"""The methods under test: a model's outputs, and any method's results from a folder.

Legend: n images, B of a batch, V = 2 results for each, R their side in pixels.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..core.compositing import paste_completions
from ..core.distributed import ALONE, Processes
from ..core.errors import InputError
from ..core.fitting import RANDOM_FIT_STEPS
from ..core.geometry import Erased, erase
from ..core.image import image_to_uint8
from ..core.image_files import read_image
from ..core.image_listing import is_image_name
from ..core.inpainter import Inpainter
from ..core.latents import WPlus
from ..core.rng import rng_for
from .types import MethodOutput, Pairs

NUM_VARIANTS = 2
"""Results for each image, as the paper measures diversity."""

_INDEPENDENT = "independent"  # what the generator makes of the random codes alone


def complete(
    model: Inpainter,
    pairs: Pairs,
    seed: int,
    batch_size: int,
    *,
    fit_steps: int = 0,
    on_batch: Callable[[int], None] = lambda num_images: None,
    processes: Processes = ALONE,
) -> list[MethodOutput]:
    """Complete all images with a model, twice.

    The images have the model's size, so nothing is cropped or resized. Each image has its own
    random codes; they depend on (seed, name) alone.

    Args:
        model: of the images' resolution.
        pairs: images and holes.
        seed: of the random codes.
        batch_size: B; affects memory only, and the rounding of single values by 1/255.
        fit_steps: of fitting the codes to the valid pixels; 0 leaves that method out, or with a
            generator alone takes as many steps as `inpaint`.
        on_batch: called in every process with the number of images done so far.
        processes: those that split the batches; each returns everything.

    Returns:
        `stage1` and, if the model has a skip encoder, `stage2`, as in the paper: pasted (Eq. 4).
        Then the last of them blended, `stage2-seamless`, and `stage2-fitted-seamless`. With a
        generator alone `fitted` and `fitted-seamless`, of random codes.
    """
    batches = torch.arange(len(pairs.names)).split(batch_size)
    done: dict[int, dict[str, _Drawn]] = {}
    for number in range(processes.rank, len(batches), processes.world_size):
        done[number] = _complete_batch(model, pairs, seed, batches[number], fit_steps)
        on_batch(min((number + 1) * batch_size, len(pairs.names)))
    collected = {n: batch for part in processes.collect(done) for n, batch in part.items()}
    ordered = [collected[number] for number in range(len(batches))]
    whole = {
        name: _Drawn(*map(torch.cat, zip(*(batch[name] for batch in ordered), strict=True)))
        for name in ordered[0]
    }
    independent = whole.pop(_INDEPENDENT).raw
    return [
        pairs.completed(name, drawn.fills, raw=drawn.raw, independent=independent)
        for name, drawn in whole.items()
    ]


class _Drawn(NamedTuple):
    """What a method draws, both [B, V, 3, R, R] uint8."""

    raw: Tensor
    fills: Tensor


def _complete_batch(
    model: Inpainter, pairs: Pairs, seed: int, index: Tensor, fit_steps: int
) -> dict[str, _Drawn]:
    """Return what each method draws, and the independent samples."""
    images = pairs.originals[index].movedim(1, -1).to(model.device)
    holes = pairs.holes[index].to(model.device)
    random = model.codes(
        torch.cat([_random_codes(model, seed, pairs.names[i]) for i in index.tolist()])
    )
    if model.can_encode:
        erased, encoded = model.encode(images, holes)
        pasted, blended = _draw_mixed(model, erased, model.mix(encoded, random)[0], fit_steps)
    else:
        erased = erase(images, holes.float(), model.resolution)
        fitted = model.synthesize(model.fit(erased, random, fit_steps or RANDOM_FIT_STEPS))
        pasted, blended = {"fitted": fitted}, {"fitted-seamless": fitted}
    pasted[_INDEPENDENT] = model.synthesize(random)
    drawn = {name: _Drawn(*[_stored(raw)] * 2) for name, raw in pasted.items()}
    for name, raw in blended.items():
        completed, _ = paste_completions(erased, raw, blend="seamless")
        drawn[name] = _Drawn(_stored(raw), _stored(completed))
    return drawn


def _draw_mixed(
    model: Inpainter, erased: Erased, codes: WPlus, fit_steps: int
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the raw images of the methods that paste, and of those that blend."""
    pasted = {"stage1": model.synthesize(codes)}
    if model.model.skip_encoder is not None:
        pasted["stage2"] = model.refine(erased, codes)
    last = list(pasted)[-1]
    blended = {f"{last}-seamless": pasted[last]}
    if fit_steps:
        fitted = model.fit(erased, codes, fit_steps)
        draw = model.synthesize if last == "stage1" else partial(model.refine, erased)
        blended[f"{last}-fitted-seamless"] = draw(fitted)
    return pasted, blended


def _stored(images: Tensor) -> Tensor:
    """[B*V, R, R, 3] in [0, 1] as [B, V, 3, R, R] uint8 on the CPU."""
    return image_to_uint8(images).movedim(-1, 1).cpu().unflatten(0, (-1, NUM_VARIANTS))


def _random_codes(model: Inpainter, seed: int, name: str) -> Tensor:
    """[1, V, L, D]; no two images have the same codes."""
    generator = rng_for(seed, f"codes of {name}", 0)
    own_seed = int(torch.randint(2**62, (), generator=generator))
    return model.sample_w(own_seed, NUM_VARIANTS).codes


def read_predictions(folder: Path, pairs: Pairs) -> MethodOutput:
    """Return what another method made of the images and masks that `write_pairs` wrote.

    Result k of image NAME is NAME-k.png (as the command `inpaint` writes it) or NAME_k.png, k from
    0; a method with one result may write NAME.png. The first two results are read. Every image
    must have the same number of results.

    Raises:
        InputError: results are missing, ambiguous, unreadable or of another size.
    """
    files = _files_by_stem(folder)
    stems = _stems_of(folder, set(files), pairs.names)
    resolution = pairs.originals.shape[-1]
    raw = torch.stack([torch.stack([_read(files[s], resolution) for s in own]) for own in stems])
    return pairs.completed("predictions", raw, raw=raw)


def _files_by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise InputError(
            "a folder of predictions",
            f"{folder}, which is not a folder",
            "Check the path.",
            problem=f"The predictions, {folder}, are not a folder.",
        )
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if not is_image_name(path):
            continue
        if path.stem in files:
            names = f"{files[path.stem].name} and {path.name}"
            expected = f"one result named {path.stem} in {folder}"
            raise InputError(expected, names, "Remove one of them.")
        files[path.stem] = path
    return files


def _stems_of(folder: Path, present: set[str], names: tuple[str, ...]) -> list[list[str]]:
    """Return the stems of each image's results, under the naming that all images fit."""
    numbered = [
        [[f"{name}{separator}{k}" for k in range(NUM_VARIANTS)] for name in names]
        for separator in "-_"
    ]
    first_only = [
        [stems[:1] for stems in naming]
        for naming in numbered
        if present.isdisjoint(stem for stems in naming for stem in stems[1:])
    ]
    namings = [*numbered, *first_only, [[name] for name in names]]
    for naming in namings:
        if present.issuperset(stem for stems in naming for stem in stems):
            return naming
    best = max(namings, key=lambda naming: len(present.intersection(*zip(*naming, strict=True))))
    missing = [stem for stems in best for stem in stems if stem not in present]
    others = f", and {len(missing) - 1} more are missing" if missing[1:] else ""
    raise InputError(
        f"results for all {len(names)} images in {folder}",
        f"none named {missing[0]}{others}",
        "Run the method on OUT/pairs, and name the results for NAME.png NAME-0.png and NAME-1.png.",
        problem=f"The folder {folder} has no result named {missing[0]}{others}.",
    )


def _read(path: Path, resolution: int) -> Tensor:
    """[3, R, R] uint8."""
    image = read_image(path).image[0]
    if tuple(image.shape[:2]) != (resolution, resolution):
        raise InputError(
            f"results of {resolution} x {resolution} pixels, like the images",
            f"{image.shape[1]} x {image.shape[0]} in {path}",
            "Write them at the images' size: resizing them here would change every number.",
        )
    return image_to_uint8(image).movedim(-1, 0)
