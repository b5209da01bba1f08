"""The whole method behind one class.

Legend: B pictures, V variants, H x W pixels of a picture, R the model's resolution, L style
layers, D width of one code. Batches are image-major: row b*V + v.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from .checkpoint import Checkpoint, inspect_checkpoint, read_checkpoint, resolve_source
from .checks import check_choice, check_finite, check_int, check_range
from .compositing import composite, composite_at_resolution, valid_l1
from .device import resolve_device
from .directions import (
    Direction,
    apply_direction,
    bundled_directions,
    discover_ganspace,
    discover_sefa,
)
from .errors import CheckpointError, InputError
from .geometry import CROP_MODES, Erased, erase
from .image import image_to_bhwc
from .latents import WPlus, sample_z
from .networks import ModelConfig
from .networks.synthesis import Skips

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""Types of the generator's feature maps; everything else is computed in float32."""

SKIP_SOURCES = ("edited", "unedited", "none")
"""Which stage-1 result the skip encoder sees when codes were edited; `none` leaves it out."""

DISCOVERY_METHODS = ("sefa", "ganspace")
"""From the generator's weights, and from samples of its mapping network."""

_CHUNK = 32
_SEFA_SAMPLES = 512
_GANSPACE_SAMPLES = 10_000
_UNUSUAL = 1.5
"""A valid-pixel error this many times the model's 99th percentile earns a warning."""


@dataclass(frozen=True)
class Edit:
    """A direction and how far to go along it."""

    direction: str | Direction
    """Name of a bundled direction, "sefa:0" and so on, or a direction itself."""
    strength: float
    """In the direction's units; 0 changes nothing."""
    first_layer: int | None = None
    """First style layer changed; None takes the direction's own."""
    last_layer: int | None = None
    """Last style layer changed, inclusive; None takes the direction's own."""


@dataclass(frozen=True, eq=False)
class Inpainting:
    """Completed pictures and what they were made from."""

    images: Tensor
    """[B, V, H, W, 3] float32 in [0, 1]; where the mask is 0, the input bit for bit."""
    codes: WPlus
    """W_out with the edits, [B, V, L, D]."""
    erased: Erased
    """The pictures as the encoder saw them, and the way back."""
    warnings: tuple[str, ...]
    """Sentences for the user; empty when all is well."""


class Inpainter:
    """Completes erased pictures in many ways: E, Mi, G, S and Eq. 4.

    Source: the paper, Fig. 9. Computes on `device`, without gradients, and changes no global
    state.
    """

    def __init__(self, checkpoint: Checkpoint, precision: str = "float32") -> None:
        check_choice(precision, "precision", PRECISIONS)
        missing = {"generator", "encoder", "mixer"} - set(checkpoint.parts)
        if missing:
            raise CheckpointError(
                "a model with generator, encoder and mixer",
                f"{checkpoint.title or 'one'} without {', '.join(sorted(missing))}",
                "Train stage 1 on it, or choose another file.",
            )
        networks = checkpoint.networks()
        for network in networks.values():
            network.requires_grad_(False)
        self._generator: Any = networks["generator"]
        self._encoder: nn.Module = networks["encoder"]
        self._mixer: nn.Module = networks["mixer"]
        self._skip_encoder: nn.Module | None = networks.get("skip_encoder")
        self._dtype = PRECISIONS[precision]
        self.config: ModelConfig = checkpoint.config
        self.generator_id = checkpoint.generator_id
        self.training: dict[str, Any] = checkpoint.training
        self.title, self.license = checkpoint.title, checkpoint.license
        self.directions: dict[str, Direction] = {}
        self._discovered: dict[tuple[str, int, int, int], Direction] = {}

    @classmethod
    def load(
        cls,
        source: str | Path = "cats",
        *,
        device: torch.device | str | None = None,
        precision: str = "float32",
        download: bool = False,
    ) -> Self:
        """Load a model.

        Args:
            source: bundled name, file path, or hub id.
            device: where to compute; None takes CUDA if there is one, else the CPU.
            precision: a key of `PRECISIONS`.
            download: whether a hub id may be downloaded.

        Raises:
            CheckpointError: no such model, or the file is damaged, foreign or incomplete.
            InputError: unknown precision.
        """
        path = resolve_source(source, download)
        parts = [part for part in inspect_checkpoint(path).parts if part != "discriminator"]
        device = resolve_device() if device is None else device
        model = cls(read_checkpoint(path, parts, device), precision)
        model.directions = bundled_directions(model.generator_id)
        return model

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self._generator.w_avg.device

    @property
    def resolution(self) -> int:
        """R, side of the pictures that the networks see, in pixels."""
        return self.config.generator.resolution

    @property
    def num_layers(self) -> int:
        """L, style layers."""
        return self.config.generator.num_layers

    @property
    def w_dim(self) -> int:
        """D, width of one code."""
        return self.config.generator.w_dim

    @property
    def num_parameters(self) -> dict[str, int]:
        """Learned numbers by part."""
        parts = {
            "generator": self._generator,
            "encoder": self._encoder,
            "mixer": self._mixer,
            "skip_encoder": self._skip_encoder,
        }
        return {k: sum(p.numel() for p in part.parameters()) for k, part in parts.items() if part}

    def to(self, device: torch.device | str) -> Self:
        """Move the networks; return self."""
        for network in (self._generator, self._encoder, self._mixer, self._skip_encoder):
            if network is not None:
                network.to(device)
        return self

    def codes(self, codes: Tensor) -> WPlus:
        """Mark a tensor [B, V, L, D] as codes of this model's generator."""
        return WPlus(codes, self.generator_id)

    @torch.no_grad()
    def encode(
        self, image: Tensor, hole_mask: Tensor, crop_mode: str = "picture", margin: float = 0.25
    ) -> tuple[Erased, WPlus]:
        """Erase the hole and encode what is left (E).

        Args:
            image: [B, H, W, C] in [0, 1], or another layout of `image_to_unit_bchw`.
            hole_mask: [B, H, W] in [0, 1], 1 = fill, or another layout of `hole_mask_to_b1hw`.
            crop_mode: one of `CROP_MODES`.
            margin: see `fit_crop`.

        Returns:
            The erased pictures, and W_enc [B, 1, L, D].

        Raises:
            InputError: unusable picture, mask, mode or margin.
        """
        erased = erase(image, hole_mask, self.resolution, crop_mode=crop_mode, margin=margin)
        erased = erased.to(self.device)
        offsets = self._encoder(torch.cat([erased.erased, erased.valid], dim=1))
        return erased, self.codes((offsets + self._generator.w_avg)[:, None])

    @torch.no_grad()
    def sample_w(self, seed: int, num_variants: int, truncation_psi: float = 1.0) -> WPlus:
        """Draw W_rand: variant k depends on (seed, k) alone.

        Args:
            seed: 0 to 2^64 - 1.
            num_variants: V.
            truncation_psi: 0 (the mean code) to 2; 1 leaves the codes as drawn.

        Returns:
            [1, V, L, D], one code repeated over the layers.

        Raises:
            InputError: a number out of range.
        """
        check_range(truncation_psi, "truncation_psi", 0.0, 2.0)
        z = sample_z(seed, num_variants, self.config.generator.z_dim).to(self.device)
        w = self._generator.w_avg.lerp(self._generator.mapping(z), truncation_psi)
        return self.codes(self._generator.broadcast(w)[None])

    @torch.no_grad()
    def mix(self, encoded: WPlus, random: WPlus, gate_bias: float = 0.0) -> tuple[WPlus, Tensor]:
        """Join the picture's codes with random ones (Mi, Eq. 1).

        Args:
            encoded: [B, 1, L, D] or [B, V, L, D].
            random: [1, V, L, D] or [B, V, L, D].
            gate_bias: added to g; 0 as trained, above it trusts the picture more.

        Returns:
            W_out [B, V, L, D], and the gate of the same shape in [0, 1].

        Raises:
            GeneratorMismatchError: codes of another generator.
            InputError: numbers of pictures or variants that do not fit.
        """
        check_range(gate_bias, "gate_bias", -1000.0, 1000.0)
        enc, rand = self._accept(encoded), self._accept(random)
        # torch.broadcast_shapes would import sympy, most of a second.
        sizes = [(1, 1), enc.shape[:2], rand.shape[:2]]
        B, V = (max(size[axis] for size in sizes) for axis in (0, 1))
        if any(size[0] not in (1, B) or size[1] not in (1, V) for size in sizes):
            raise InputError(
                "encoded and random codes with equal numbers of pictures and variants, or one",
                f"{tuple(enc.shape[:2])} and {tuple(rand.shape[:2])}",
                "Sample as many variants as there are, or one.",
            )
        pair = [codes.expand(B, V, -1, -1).flatten(0, 1) for codes in (enc, rand)]
        w_out, gate = self._mixer(*pair, gate_bias)
        return self.codes(w_out.unflatten(0, (B, V))), gate.unflatten(0, (B, V))

    def direction(self, name: str) -> Direction:
        """Return a bundled direction by name, or the K-th discovered one: "sefa:K", "ganspace:K".

        Raises:
            InputError: unknown name.
        """
        if name in self.directions:
            return self.directions[name]
        method, _, component = name.partition(":")
        if method in DISCOVERY_METHODS and component.isdecimal():
            return self.discover(method, int(component))
        known = ", ".join(sorted(self.directions)) or "none bundled"
        raise InputError(
            f"a direction of this model ({known}), sefa:K or ganspace:K",
            repr(name),
            "Correct the name.",
        )

    def discover(
        self, method: str, component: int, first_layer: int = 0, last_layer: int | None = None
    ) -> Direction:
        """Return a direction found in the generator itself; its unit is one deviation of w.

        Args:
            method: one of `DISCOVERY_METHODS`.
            component: from 0, the one that changes most.
            first_layer: first style layer that it moves.
            last_layer: last style layer that it moves (inclusive); the model's last when None.

        Raises:
            InputError: unknown method, or a number out of range.
        """
        check_choice(method, "method", DISCOVERY_METHODS)
        last = self.num_layers - 1 if last_layer is None else last_layer
        key = (method, component, first_layer, last)
        if key not in self._discovered:
            self._discovered[key] = self._discover(*key)
        return self._discovered[key]

    def _discover(self, method: str, component: int, first: int, last: int) -> Direction:
        if method == "sefa":
            w_samples = self.sample_w(0, _SEFA_SAMPLES).codes[0, :, 0]
            affines = self._generator.synthesis.style_affines()
            return discover_sefa(
                affines, component, first, last, self.generator_id, w_samples=w_samples
            )
        check_int(first, "first_layer", 0, self.num_layers - 1)
        check_int(last, "last_layer", first, self.num_layers - 1)
        w_samples = self.sample_w(0, _GANSPACE_SAMPLES).codes[0, :, 0]
        return discover_ganspace(w_samples, component, first, last, self.generator_id)

    def edit(self, codes: WPlus, edits: Iterable[Edit]) -> WPlus:
        """Move codes along directions, one after the other.

        Raises:
            GeneratorMismatchError: codes or a direction of another generator.
            InputError: unknown direction, or layers or strength out of range.
        """
        for edit in edits:
            direction = edit.direction
            if isinstance(direction, str):
                direction = self.direction(direction)
            codes = apply_direction(
                codes, direction, edit.strength, edit.first_layer, edit.last_layer
            )
        return codes

    @torch.no_grad()
    def synthesize(self, codes: WPlus) -> Tensor:
        """Generate pictures from codes (G, stage 1): [B*V, R, R, 3] float32 in [0, 1].

        Raises:
            GeneratorMismatchError: codes of another generator.
        """
        flat = self._accept(codes).flatten(0, 1)
        return image_to_bhwc(torch.cat([self._synthesize(part) for part in flat.split(_CHUNK)]))

    @torch.no_grad()
    def refine(self, erased: Erased, codes: WPlus, skip_codes: WPlus | None = None) -> Tensor:
        """Generate pictures whose features S corrects (stage 2, Eq. 7).

        1. Stage 1 from skip_codes (the codes themselves if None), pasted into the picture (Eq. 4).
        2. S sees that, the erased picture and the mask.
        3. Stage 2 from the codes, with S's maps.

        Returns:
            [B*V, R, R, 3] float32 in [0, 1], whole pictures: not yet composited.

        Raises:
            GeneratorMismatchError: codes of another generator.
            InputError: codes for another number of pictures.
            CheckpointError: the model has no skip encoder.
        """
        if self._skip_encoder is None:
            raise CheckpointError(
                "a model with a skip encoder",
                self.title or "one that was trained in stage 1 only",
                "Use the stage-1 picture, or train stage 2.",
            )
        flat = self._accept(codes)
        if len(flat) != len(erased.erased):
            raise InputError(
                f"codes for {len(erased.erased)} pictures",
                f"codes for {len(flat)}",
                "Connect the codes that were encoded from these pictures.",
            )
        V = codes.num_variants
        source = flat if skip_codes is None else self._accept(skip_codes)
        if source.shape[0] not in (1, len(flat)) or source.shape[1] not in (1, V):
            raise InputError(
                f"skip codes for {len(flat)} pictures and {V} variants, or one",
                f"{tuple(source.shape[:2])}",
                "Connect the codes from before the edit.",
            )
        source = source.expand_as(flat)
        pictures = zip(
            flat.flatten(0, 1).split(_CHUNK),
            source.flatten(0, 1).split(_CHUNK),
            erased.erased.repeat_interleave(V, dim=0).split(_CHUNK),
            erased.valid.repeat_interleave(V, dim=0).split(_CHUNK),
            strict=True,
        )
        return image_to_bhwc(torch.cat([self._refine(*part) for part in pictures]))

    def _refine(self, codes: Tensor, source: Tensor, erased: Tensor, valid: Tensor) -> Tensor:
        assert self._skip_encoder is not None
        composite = composite_at_resolution(self._synthesize(source), erased, valid)
        return self._synthesize(codes, self._skip_encoder(composite, erased, valid))

    def inpaint(
        self,
        image: Tensor,
        hole_mask: Tensor,
        num_variants: int = 8,
        seed: int = 0,
        *,
        edits: Sequence[Edit] = (),
        truncation_psi: float = 1.0,
        gate_bias: float = 0.0,
        crop_mode: str = CROP_MODES[0],
        margin: float = 0.25,
        feather_px: int = 0,
        skip_source: str = SKIP_SOURCES[0],
    ) -> Inpainting:
        """Complete pictures in num_variants ways: encode, sample, mix, edit, refine, composite.

        Args:
            image: [B, H, W, C] in [0, 1].
            hole_mask: [B, H, W] in [0, 1], 1 = fill.
            num_variants: V.
            seed: 0 to 2^64 - 1; variant k depends on (seed, k) alone.
            edits: applied to W_out, in order.
            truncation_psi: see `sample_w`.
            gate_bias: see `mix`.
            crop_mode: one of `CROP_MODES`.
            margin: see `fit_crop`.
            feather_px: see `composite`.
            skip_source: one of `SKIP_SOURCES`; matters with edits only, except `none`.

        Raises:
            InputError: unusable input, see the single steps.
        """
        check_choice(skip_source, "skip_source", SKIP_SOURCES)
        erased, encoded = self.encode(image, hole_mask, crop_mode, margin)
        mixed, _ = self.mix(encoded, self.sample_w(seed, num_variants, truncation_psi), gate_bias)
        codes = self.edit(mixed, edits)
        if skip_source == "none" or self._skip_encoder is None:
            completed = self.synthesize(codes)
        else:
            completed = self.refine(erased, codes, mixed if skip_source == "unedited" else None)
        images, _ = composite(erased, completed, feather_px)
        return Inpainting(
            images=images.unflatten(0, (len(erased.original), num_variants)),
            codes=codes,
            erased=erased,
            warnings=self._warnings(erased, mixed),
        )

    def _warnings(self, erased: Erased, mixed: WPlus) -> tuple[str, ...]:
        """Name the pictures that stage 1 reproduces far worse than the model's usual ones."""
        usual = self.training.get("alarms", {}).get("stage1", {}).get("valid_l1_p99")
        if usual is None:
            return ()
        first = self.synthesize(mixed.pick(0)).movedim(-1, 1) * 2 - 1
        errors = valid_l1(first, erased.erased, erased.valid)
        return tuple(
            f"Picture {b} does not look like what this model knows ({self.title}): the visible "
            f"part is reproduced with an error of {float(error):.2f}, usual is up to {usual:.2f}. "
            "Expect a completion that does not fit; crop to the subject or use another model."
            for b, error in enumerate(errors)
            if float(error) > _UNUSUAL * float(usual)
        )

    def _accept(self, codes: WPlus) -> Tensor:
        codes.check_generator(self.generator_id)
        check_finite(codes.codes, "codes")
        return codes.codes.to(self.device, torch.float32)

    def _synthesize(self, flat: Tensor, skips: Skips | None = None) -> Tensor:
        return self._generator.synthesis(
            flat, skips=skips, dtype=self._dtype, memory_format=torch.channels_last
        )
