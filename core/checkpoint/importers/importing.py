"""Finds the networks in a foreign file, converts them, and says what was left out."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from . import genforce, mmgeneration, nvidia, rosinality, tensorflow
from .contents import Contents, open_contents
from .errors import RefusedFileError
from .identification import find_other_network, refuse_unknown
from .sources import Network, Source

Progress = Callable[[int, int], object]
"""Called with the values read and the values to be read."""

CHANNELS = ("rgb", "bgr")
"""Orders of the colours that a file may have."""

_AVERAGED = ("G_ema", "g_ema", "generator_ema", "generator_smooth", "Gs", "ema")
_CURRENT = ("G", "g", "generator")
_MEAN_CODES = ("latent_avg", "mean_latent")
_LAST = 9


@dataclass(frozen=True)
class _Family:
    title: str
    generator_mark: str
    generator: Callable[[Source], Network]
    discriminator_mark: str
    discriminator: Callable[[Source], Network]


_FAMILIES = (
    _Family(
        "NVIDIA, PyTorch",
        nvidia.GENERATOR_MARK,
        nvidia.convert_generator,
        nvidia.DISCRIMINATOR_MARK,
        nvidia.convert_discriminator,
    ),
    _Family(
        "NVIDIA, TensorFlow",
        tensorflow.GENERATOR_MARK,
        tensorflow.convert_generator,
        tensorflow.DISCRIMINATOR_MARK,
        tensorflow.convert_discriminator,
    ),
    _Family(
        "rosinality",
        rosinality.GENERATOR_MARK,
        rosinality.convert_generator,
        rosinality.DISCRIMINATOR_MARK,
        rosinality.convert_discriminator,
    ),
    _Family(
        "GenForce",
        genforce.GENERATOR_MARK,
        genforce.convert_generator,
        genforce.DISCRIMINATOR_MARK,
        genforce.convert_discriminator,
    ),
    _Family(
        "MMGeneration",
        mmgeneration.GENERATOR_MARK,
        mmgeneration.convert_generator,
        mmgeneration.DISCRIMINATOR_MARK,
        mmgeneration.convert_discriminator,
    ),
)


@dataclass
class Imported:
    """What was found in a foreign file."""

    family: str
    """Whose names and conventions it follows."""
    generator: Network
    """The averaged generator if the file has one; without `mapping.w_avg` if it has none."""
    discriminator: Network | None = None
    left_out: list[str] = field(default_factory=list)
    """Parts that were not converted, with the number of their tensors."""
    notes: list[str] = field(default_factory=list)
    """Sentences about what the file does not say or has only in part."""


def import_file(
    path: Path, progress: Progress | None = None, channels: str | None = None
) -> Imported:
    """Return the StyleGAN2 networks in a file; no code in it is run.

    Args:
        path: of the file.
        progress: called after each tensor.
        channels: one of `CHANNELS`; see `import_contents`.

    Raises:
        RefusedFileError: no StyleGAN2 is in it, or it is damaged, hostile or too costly.
        OSError: it cannot be read.
    """
    return import_contents(open_contents(path), progress, channels)


def import_contents(
    contents: Contents, progress: Progress | None = None, channels: str | None = None
) -> Imported:
    """Return the StyleGAN2 networks in what `contents.open_contents` has read; they make RGB.

    Args:
        contents: of the file.
        progress: called after each tensor.
        channels: order of the colours in the file, one of `CHANNELS`; None for that which the
            family usually has.

    Raises:
        RefusedFileError: no StyleGAN2 is in it.
    """
    family, prefix = _find_generator(contents)
    discriminator = _find_discriminator(contents, family)
    report = _reporter(contents, [prefix, discriminator], progress)
    source = Source(contents, prefix, report)
    imported = Imported(family.title, family.generator(source), notes=source.notes)
    used = {*source.used}
    _add_mean_code(imported, contents, source, used)
    if discriminator is not None:
        used |= _add_discriminator(imported, family, Source(contents, discriminator, report))
    _list_left_out(imported, contents, used, {prefix, discriminator or prefix})
    report(None)
    if prefix.rstrip(".").rpartition(".")[2] in _CURRENT:
        imported.notes.append("The file has no averaged generator; the current one was taken.")
    if family is _FAMILIES[-1] and channels is None:
        channels = mmgeneration.channels(source)
        imported.notes.append(f"Its colours were taken for {channels.upper()}.")
    if channels == "bgr":
        _reverse_colours(imported)
    return imported


def _reverse_colours(imported: Imported) -> None:
    """Make RGB networks of BGR ones, or the other way round."""
    tensors = imported.generator.tensors
    for key in tensors:
        if key.endswith(("to_rgb.weight", "to_rgb.bias")):
            tensors[key] = tensors[key].flip(0)
    if imported.discriminator is not None:
        seen = imported.discriminator.tensors
        seen["from_rgb.weight"] = seen["from_rgb.weight"].flip(1)
    imported.notes.append("They were turned from BGR into RGB.")


def _find_generator(contents: Contents) -> tuple[_Family, str]:
    found = [
        (_rank(prefix), index, prefix)
        for index, family in enumerate(_FAMILIES)
        for prefix in _prefixes(contents.arrays, family.generator_mark)
    ]
    if not found:
        raise refuse_unknown(contents)
    other = find_other_network(contents)
    if other and "encoder" not in other:
        raise refuse_unknown(contents)
    _, index, prefix = min(found)
    return _FAMILIES[index], prefix


def _prefixes(names: Collection[str], mark: str) -> list[str]:
    prefixes = [name.removesuffix(mark) for name in names if name.endswith(mark)]
    return [prefix for prefix in prefixes if not prefix or prefix.endswith(".")]


def _rank(prefix: str) -> int:
    """Return how much a network is wanted, the averaged generator most."""
    name = prefix.rstrip(".").rpartition(".")[2]
    order = (*_AVERAGED, "decoder", "", *_CURRENT)
    return order.index(name) if name in order else len(order)


def _find_discriminator(contents: Contents, family: _Family) -> str | None:
    prefixes = _prefixes(contents.arrays, family.discriminator_mark)
    return min(prefixes, key=len, default=None)


def _reporter(
    contents: Contents, prefixes: list[str | None], progress: Progress | None
) -> Callable[[int | None], object]:
    """Return a function that adds up values and reports them, or the end for None."""
    total = sum(
        array.count
        for name, array in contents.arrays.items()
        if any(prefix is not None and name.startswith(prefix) for prefix in prefixes)
    )
    done = 0

    def report(count: int | None) -> None:
        nonlocal done
        done = total if count is None else done + count
        if progress is not None:
            progress(min(done, total), total)

    return report


def _add_mean_code(imported: Imported, contents: Contents, source: Source, used: set[str]) -> None:
    """Bring w_avg into the form [D]; encoders store it once for each layer."""
    tensors, w_dim = imported.generator.tensors, imported.generator.config["w_dim"]
    name = next((n for n in _MEAN_CODES if n in contents.arrays), None)
    if "mapping.w_avg" not in tensors and name is not None:
        used.add(name)
        tensors["mapping.w_avg"] = contents.arrays[name].load(contents.budget)
    mean = tensors.pop("mapping.w_avg", None)
    if mean is None:
        imported.notes.append("The file has no mean code.")
        return
    if mean.numel() == 0 or mean.numel() % w_dim:
        raise RefusedFileError(
            f"Its mean code has the shape {list(mean.shape)}, where codes are {w_dim} wide.",
            "Give the checkpoint as its authors publish it.",
        )
    tensors["mapping.w_avg"] = _one_row(mean.reshape(-1, w_dim), imported)


def _one_row(rows: Tensor, imported: Imported) -> Tensor:
    if torch.equal(rows, rows[:1].expand_as(rows)):
        return rows[0].clone()
    imported.notes.append("The file has a mean code for each layer; their mean was taken.")
    return rows.mean(dim=0)


def _add_discriminator(imported: Imported, family: _Family, source: Source) -> set[str]:
    """Convert the discriminator, or say why it is left out; return the names that were used."""
    try:
        network = family.discriminator(source)
    except RefusedFileError as error:
        imported.notes.append(f"The discriminator was left out. {error.problem}")
        return set()
    wanted, found = imported.generator.config, network.config
    if found["resolution"] != wanted["resolution"] or found["num_classes"] not in (
        *(0, wanted["num_classes"]),
    ):
        imported.notes.append(
            "The discriminator was left out: its resolution or classes are not the generator's."
        )
        return set()
    imported.discriminator = network
    return source.used


def _list_left_out(
    imported: Imported, contents: Contents, used: set[str], prefixes: set[str]
) -> None:
    """Count the tensors that were not used, by the part of the file that they are in."""
    counts: dict[str, int] = {}
    for name in contents.arrays:
        is_filter = name.endswith(("resample_filter", "kernel")) and any(
            name.startswith(prefix) for prefix in prefixes
        )
        if name not in used and not is_filter:
            part = _part_of(name, prefixes)
            counts[part] = counts.get(part, 0) + 1
    listed = sorted(counts.items())
    imported.left_out = [
        f"{part} ({number} tensor{'s' * (number > 1)})" for part, number in listed[:_LAST]
    ]
    if len(listed) > _LAST:
        imported.left_out.append(f"{len(listed) - _LAST} more")


def _part_of(name: str, prefixes: set[str]) -> str:
    """Return the network that a tensor is in, or its layer in a network that was converted."""
    prefix = max((p for p in prefixes if p and name.startswith(p)), key=len, default="")
    if prefix:
        return prefix + ".".join(name.removeprefix(prefix).split(".")[:3])[:60]
    parts = name.split(".")
    depth = 2 if parts[0] in ("state_dict", "models") else 1
    return ".".join(parts[:depth])[:60]
