"""Style codes of one generator: sample them, edit them, make images of them.

Legend: B images, V variants, R the model's resolution, L style layers, D width of one code. Batches
are image-major: row b*V + v.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from .checkpoint import Checkpoint
from .checks import check_finite, check_int, check_range, checked_layers
from .directions import DISCOVERY_METHODS, Direction, apply_direction, discover_direction
from .errors import InputError
from .image import image_to_bhwc
from .inference import inference
from .latents import WPlus, expand_codes, sample_z
from .networks import DiverseInpaintingModel, ModelConfig
from .precision import feature_dtype
from .printable import shown
from .progress import OnStep, chunk_size, in_chunks

_DASHES = re.compile("[-_\u2010-\u2015\u2212]")


@dataclass(frozen=True)
class Edit:
    """A direction and how far to move along it."""

    direction: str | Direction
    """Name of a bundled direction, "sefa:0" and so on, or a direction itself."""
    strength: float
    """In the direction's units; 0 changes nothing."""
    first_layer: int | None = None
    """First style layer changed; None takes the direction's own."""
    last_layer: int | None = None
    """Last style layer changed, inclusive; None takes the direction's own."""


def check_edits(edits: object) -> None:
    """Raise InputError unless these are edits: a list or tuple of `Edit`."""
    items = edits if isinstance(edits, list | tuple) else [edits]
    wrong = [item for item in items if not isinstance(item, Edit)]
    if wrong or items is not edits:
        found = (wrong or items)[0]
        raise InputError(
            "edits as a list of Edit(direction, strength)",
            f"{shown(found)} ({type(found).__name__})",
            'Write edits=[Edit("sefa:0", 1.5)], for example.',
        )


def _plain(name: str) -> str:
    """Return a name as it is compared: long-hair, Long_Hair and "long hair" are one."""
    return " ".join(_DASHES.sub(" ", name).casefold().split())


class Editor:
    """What a generator alone can do, without gradients and without global state.

    Attributes:
        model: the networks.
        config: their configuration.
        generator_id: that of the checkpoint; codes and directions of another one are refused.
        training: facts about the training, plain data.
        title: what the model knows, in a few words.
        license: licence of the weights.
        asked_precision: one of `PRECISIONS`, as given.
        directions: the bundled ones of this generator, by name.

    Raises:
        CheckpointError: there is no generator.
        InputError: unknown precision.
    """

    def __init__(self, checkpoint: Checkpoint, precision: str = "auto") -> None:
        self.model: DiverseInpaintingModel = checkpoint.model().requires_grad_(False).prepare()
        self.asked_precision = precision
        self._choose_format()
        self.config: ModelConfig = checkpoint.config
        self.generator_id = checkpoint.generator_id
        self.training: dict[str, Any] = checkpoint.training
        self.title, self.license = checkpoint.title, checkpoint.license
        self.directions: dict[str, Direction] = {}
        self._discovered: dict[tuple[str, int, tuple[int, int]], Direction] = {}

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.model.generator.w_avg.device

    @property
    def resolution(self) -> int:
        """R, side of the images that the networks see, in pixels."""
        return self.config.generator.resolution

    @property
    def num_layers(self) -> int:
        """L, style layers."""
        return self.config.generator.num_layers

    @property
    def w_dim(self) -> int:
        """D, width of one code."""
        return self.config.generator.w_dim

    def to(self, device: torch.device | str) -> Self:
        """Move the networks; return self. Precision `auto` follows the device."""
        self.model.to(device)
        self._choose_format()
        return self

    def _choose_format(self) -> None:
        self.model.feature_dtype = feature_dtype(self.asked_precision, self.device)

    @property
    def precision(self) -> str:
        """What the networks compute in: float32, bfloat16 or float16."""
        return str(self.model.feature_dtype).removeprefix("torch.")

    def codes(self, codes: Tensor) -> WPlus:
        """Mark a tensor [B, V, L, D] as codes of this model's generator.

        Raises:
            InputError: another shape, or values that are not finite.
        """
        if codes.ndim != 4 or codes.shape[2:] != (self.num_layers, self.w_dim):
            raise InputError(
                f"codes of shape [B, V, {self.num_layers}, {self.w_dim}]",
                f"{tuple(codes.shape)}",
                "Use codes of this model.",
            )
        check_finite(codes, "codes")
        return self._own(codes)

    def _own(self, codes: Tensor, labels: tuple[str, ...] = ()) -> WPlus:
        """Mark codes that the networks made, unchecked: a check would synchronise with the GPU."""
        return WPlus(codes, self.generator_id, labels)

    def check_own(self, codes: WPlus) -> None:
        """Raise unless these are codes of this model's generator.

        Raises:
            GeneratorMismatchError: codes of another generator.
            InputError: codes with other layers, which only a forged file has.
        """
        codes.check_generator(self.generator_id)
        codes.check_shape(self.num_layers, self.w_dim)

    def _flat(self, codes: WPlus, batch: int, num_variants: int, name: str) -> Tensor:
        """Return codes of this model's generator as [B*V, L, D], on its device."""
        self.check_own(codes)
        return expand_codes(codes, batch, num_variants, name).to(self.device, torch.float32)

    @inference
    def sample_w(self, seed: int, num_variants: int, truncation_psi: float = 1.0) -> WPlus:
        """Sample W_rand; variant k depends on (seed, k) alone.

        Args:
            seed: 0 to 2^64 - 1.
            num_variants: V.
            truncation_psi: 0 (the mean code) to 2; 1 leaves the codes as sampled.

        Returns:
            [1, V, L, D], one code repeated over the layers.

        Raises:
            InputError: a number is out of range.
        """
        check_range(truncation_psi, "truncation_psi", 0.0, 2.0)
        z = sample_z(seed, num_variants, self.config.generator.z_dim)
        labels = tuple(f"seed {seed} / #{k}" for k in range(num_variants))
        return self._sample(z, truncation_psi, labels)

    @inference
    def sample_seeds(self, seeds: Sequence[int], truncation_psi: float = 1.0) -> WPlus:
        """Sample variant 0 of each of several seeds: sample k is that of `sample_w(seeds[k], 1)`.

        Args:
            seeds: 0 to 2^64 - 1 each, at least one.
            truncation_psi: see `sample_w`.

        Returns:
            [1, V, L, D] with V = len(seeds).

        Raises:
            InputError: no seeds, or a number is out of range.
        """
        check_range(truncation_psi, "truncation_psi", 0.0, 2.0)
        check_int(len(seeds), "the number of seeds", 1, float("inf"))
        z_dim = self.config.generator.z_dim
        z = torch.cat([sample_z(seed, 1, z_dim) for seed in seeds])
        return self._sample(z, truncation_psi, tuple(f"seed {seed} / #0" for seed in seeds))

    def _sample(self, z: Tensor, truncation_psi: float, labels: tuple[str, ...]) -> WPlus:
        generator = self.model.generator
        w = generator.w_avg.lerp(self.model.map(z.to(self.device)), truncation_psi)
        return self._own(generator.broadcast(w)[None], labels)

    def direction(self, name: str) -> Direction:
        """Return a bundled direction by name, or the K-th discovered one: "sefa:K", "ganspace:K".

        Args:
            name: in any case, with dashes, underscores or spaces.

        Raises:
            InputError: unknown name.
        """
        if not isinstance(name, str):
            raise InputError("a direction or its name", shown(name), "Write 'sefa:0', for example.")
        same = [known for known in self.directions if _plain(known) == _plain(name)]
        if same:
            return self.directions[name if name in same else same[0]]
        method, _, component = _plain(name).partition(":")
        if method in DISCOVERY_METHODS and component.isdecimal() and len(component) < 10:
            return self.discover(method, int(component))
        known = ", ".join(sorted(self.directions)) or "none bundled"
        raise InputError(
            f"a direction of this model ({known}), sefa:K or ganspace:K",
            shown(name),
            "Correct the name.",
        )

    def discover(
        self,
        method: str,
        component: int,
        first_layer: int = 0,
        last_layer: int | None = None,
        *,
        on_step: OnStep | None = None,
    ) -> Direction:
        """Return a direction found in the generator itself; its unit is one deviation of w.

        Args:
            method: one of `DISCOVERY_METHODS`.
            component: from 0, the one that changes most.
            first_layer: first style layer that it moves.
            last_layer: last style layer that it moves (inclusive); None takes the model's last.
            on_step: see `discover_direction`; not called for one that was found before.

        Raises:
            InputError: unknown method, or a number out of range.
        """
        key = (method, component, checked_layers(first_layer, last_layer, self.num_layers))
        if key not in self._discovered:
            found = discover_direction(self.model.generator, self.generator_id, *key, on_step)
            self._discovered[key] = found
        return self._discovered[key]

    def edit(self, codes: WPlus, edits: Sequence[Edit]) -> WPlus:
        """Move codes along directions, one after the other.

        Raises:
            GeneratorMismatchError: codes or a direction of another generator.
            InputError: no edits, unknown direction, or layers or strength out of range.
        """
        check_edits(edits)
        for edit in edits:
            named = edit.direction
            direction = named if isinstance(named, Direction) else self.direction(named)
            layers = edit.first_layer, edit.last_layer
            codes = apply_direction(codes, direction, edit.strength, *layers)
        return codes

    @inference
    def synthesize(self, codes: WPlus, on_step: OnStep | None = None) -> Tensor:
        """Generate images from codes (G, stage 1).

        Args:
            codes: [B, V, L, D].
            on_step: called after a few images, with their number and B*V; may raise to interrupt.

        Returns:
            [B*V, R, R, 3] float32 in [0, 1]. How many there are affects each by rounding only.

        Raises:
            GeneratorMismatchError: codes of another generator.
        """
        return image_to_bhwc(self._synthesize(codes, on_step))

    def _synthesize(self, codes: WPlus, on_step: OnStep | None) -> Tensor:
        ws = self._flat(codes, codes.batch, codes.num_variants, "codes")
        return self._in_chunks(self.model.synthesize, [ws], on_step)

    def _in_chunks(
        self, network: Callable[..., Tensor], inputs: Sequence[Tensor], on_step: OnStep | None
    ) -> Tensor:
        """Return what a network makes of inputs with N rows each, a few rows at once."""
        size = chunk_size(self.resolution, self.device)

        def compute(rows: slice) -> Tensor:
            return network(*(tensor[rows] for tensor in inputs))

        return in_chunks(compute, len(inputs[0]), size, on_step)
