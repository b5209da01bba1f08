"""The graphs that a model is exported as: what each takes, computes and returns.

Legend: V variants, R the model's resolution, L style layers, D width of one code, H x W pixels of
an image. V, H and W may be any number when a graph runs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..compositing import composite
from ..networks import DiverseInpaintingModel, GeneratorConfig
from .whole import complete

VARIANTS, HEIGHT, WIDTH = "variants", "height", "width"
"""Names of the axes V, H and W."""

Compute = Callable[..., Tensor | tuple[Tensor, ...]]
"""A function of a model and of a graph's inputs, which returns its outputs."""


@dataclass(frozen=True)
class Port:
    """An input or output of a graph. Ports of the same name hold the same values."""

    name: str
    """As the graph and the model card call it."""
    shape: tuple[int | str, ...]
    """Lengths of the axes; a name where any length will do."""
    meaning: str
    """What it is, and its range."""
    dtype: torch.dtype = torch.float32
    """float32 or uint8."""

    @property
    def is_image(self) -> bool:
        """Whether it holds RGB images."""
        return len(self.shape) == 4 and self.shape[1] == 3


@dataclass(frozen=True, eq=False)
class Graph:
    """A function of a model's networks that can be exported."""

    name: str
    """Of the file, without its suffix."""
    module: nn.Module
    """The function, in eval mode."""
    inputs: tuple[Port, ...]
    """In the order of the function's arguments."""
    outputs: tuple[Port, ...]
    """In the order of its results."""


class _Function(nn.Module):
    """A function of a model's networks as a module."""

    def __init__(self, model: DiverseInpaintingModel, compute: Compute) -> None:
        super().__init__()
        self.model = model
        self.compute = compute

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return what the function does."""
        return self.compute(self.model, *inputs)


def _encode(model: DiverseInpaintingModel, erased: Tensor, valid: Tensor) -> Tensor:
    return model.encode(erased, valid)


def _map(model: DiverseInpaintingModel, z: Tensor, truncation_psi: Tensor) -> Tensor:
    w_avg = model.generator.w_avg
    w = w_avg + (model.generator.mapping(z) - w_avg) * truncation_psi
    return model.generator.broadcast(w)


def _mix(
    model: DiverseInpaintingModel, w_enc: Tensor, w_rand: Tensor, gate_bias: Tensor
) -> tuple[Tensor, ...]:
    return model.mix(w_enc.expand(w_rand.shape[0], -1, -1), w_rand, gate_bias)


def _synthesize(model: DiverseInpaintingModel, w_out: Tensor) -> Tensor:
    return model.synthesize(w_out)


def _refine(
    model: DiverseInpaintingModel, w_out: Tensor, stage1: Tensor, erased: Tensor, valid: Tensor
) -> Tensor:
    """Return stage 2, given stage 1: who chooses among variants has it already."""
    assert model.skip_encoder is not None
    V = w_out.shape[0]
    erased, valid = erased.expand(V, -1, -1, -1), valid.expand(V, -1, -1, -1)
    skips = model.skip_encoder(composite(stage1, erased, valid), erased, valid)
    return model.synthesize(w_out, skips)


_GRAPHS: tuple[tuple[str, Compute, str, str, tuple[str, ...]], ...] = (
    ("map", _map, "z truncation_psi", "w_rand", ()),
    ("encode", _encode, "erased valid", "w_enc", ("encoder",)),
    ("mix", _mix, "w_enc w_rand gate_bias", "w_out gate", ("encoder", "mixer")),
    ("synthesize", _synthesize, "w_out", "stage1", ()),
    ("refine", _refine, "w_out stage1 erased valid", "output", ("encoder", "skip_encoder")),
    ("inpaint", complete, "image hole_mask z", "images", ("encoder", "mixer")),
)
"""Name, function, inputs, outputs, and the networks without which there is no such graph."""

GRAPH_NAMES = tuple(name for name, *_ in _GRAPHS)
"""Of all graphs; each takes what those before it return."""


def ports_of(config: GeneratorConfig) -> dict[str, Port]:
    """Return all inputs and outputs of the graphs of a generator, by name."""
    R, L, D = config.resolution, config.num_layers, config.w_dim
    codes, images = (VARIANTS, L, D), (VARIANTS, 3, R, R)
    photo = (HEIGHT, WIDTH)
    ports = (
        Port("z", (VARIANTS, config.z_dim), "random latents, standard normal"),
        Port("truncation_psi", (), "0 (the mean code) to 2; 1 leaves the codes as sampled"),
        Port("w_rand", codes, "codes of the random latents, W_rand"),
        Port("erased", (1, 3, R, R), "M*I: the image in -1 to 1, RGB, 0 in the hole"),
        Port("valid", (1, 1, R, R), "M: 1 where the image is known, 0 in the hole"),
        Port("w_enc", (1, L, D), "codes of the erased image, W_enc"),
        Port("gate_bias", (), "added to g; 0 as trained, above 0 trusts the image more"),
        Port("w_out", codes, "mixed codes, W_out, edited or not; without an encoder, W_rand"),
        Port("gate", codes, "weight of the image's codes, 0 to 1"),
        Port("stage1", images, "whole images of stage 1, RGB, about -1 to 1, not clamped"),
        Port("output", images, "whole images of stage 2, RGB, about -1 to 1, not clamped"),
        Port("image", (1, 3, *photo), "RGB, 0 to 255", torch.uint8),
        Port("hole_mask", (1, 1, *photo), "0 = keep, 255 = fill, from 128 on", torch.uint8),
        Port("images", (VARIANTS, 3, *photo), "completed images, RGB, 0 to 255", torch.uint8),
    )
    return {port.name: port for port in ports}


def graphs_of(model: DiverseInpaintingModel) -> list[Graph]:
    """Return the graphs that the model has the networks for.

    Args:
        model: float32, on the CPU, in eval mode.
    """
    ports = ports_of(model.generator.config)
    return [
        Graph(
            name,
            _Function(model, compute).eval(),
            tuple(ports[port] for port in inputs.split()),
            tuple(ports[port] for port in outputs.split()),
        )
        for name, compute, inputs, outputs, needed in _GRAPHS
        if all(part in model.parts for part in needed)
    ]
