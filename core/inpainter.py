"""Images in, completed images out: the public interface around `DiverseInpaintingModel`.

Legend: B images, V variants, H x W pixels of an image, R the model's resolution, L style layers, D
width of one code. Batches are image-major: row b*V + v.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from .checkpoint import Checkpoint, inspect_checkpoint, read_checkpoint, resolve_source
from .checks import check_choice, check_finite, check_int, check_range
from .compositing import composite, valid_l1
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
from .latents import WPlus, expand_codes, sample_z
from .networks import DiverseInpaintingModel, ModelConfig

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""Types of the generator's feature maps; everything else is computed in float32."""

SKIP_SOURCES = ("edited", "unedited", "none")
"""Which stage-1 image the skip encoder sees when codes were edited; `none` leaves it out."""

DISCOVERY_METHODS = ("sefa", "ganspace")
"""From the generator's weights, and from samples of its mapping network."""

_CHUNK = 32
_DISCOVERY_SAMPLES = {"sefa": 512, "ganspace": 10_000}
_UNUSUAL = 1.5
"""A valid-pixel error this many times the model's 99th percentile earns a warning."""


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


@dataclass(frozen=True, eq=False)
class Inpainting:
    """Completed images and what they were made from."""

    images: Tensor
    """[B, V, H, W, 3] float32 in [0, 1]; outside hole and feather, the input bit for bit."""
    codes: WPlus
    """W_out with the edits, [B, V, L, D]."""
    erased: Erased
    """The images as the encoder saw them, and the way back."""
    warnings: tuple[str, ...]
    """Sentences for the user; empty when all is well."""


class Inpainter:
    """Completes erased images in many ways, without gradients and without global state.

    Attributes:
        model: the networks.
        config: their configuration.
        generator_id: that of the checkpoint; codes and directions of another one are refused.
        training: facts about the training, plain data.
        title: what the model knows, in a few words.
        license: licence of the weights.
        directions: the bundled ones of this generator, by name.

    Raises:
        CheckpointError: generator, encoder or mixer is missing.
        InputError: unknown precision.

    Source: the paper, Fig. 9.
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
        self.model: DiverseInpaintingModel = checkpoint.model().requires_grad_(False)
        self.model.feature_dtype = PRECISIONS[precision]
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
        inpainter = cls(read_checkpoint(path, parts, device), precision)
        inpainter.directions = bundled_directions(inpainter.generator_id)
        return inpainter

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

    @property
    def num_parameters(self) -> dict[str, int]:
        """Number of parameters by part."""
        parts = self.model.parts.items()
        return {name: sum(p.numel() for p in part.parameters()) for name, part in parts}

    def to(self, device: torch.device | str) -> Self:
        """Move the networks; return self."""
        self.model.to(device)
        return self

    def codes(self, codes: Tensor) -> WPlus:
        """Mark a tensor [B, V, L, D] as codes of this model's generator.

        Raises:
            InputError: another shape, or values that are not finite.
        """
        check_finite(codes, "codes")
        return self._own(codes)

    def _own(self, codes: Tensor) -> WPlus:
        """Mark codes that the networks made: finite, and to look would be to wait for a GPU."""
        return WPlus(codes, self.generator_id)

    def _check_own(self, *codes: WPlus | None) -> None:
        for some in codes:
            if some is not None:
                some.check_generator(self.generator_id)

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
            The erased images, and W_enc [B, 1, L, D].

        Raises:
            InputError: unusable image, mask, mode or margin.
        """
        erased = erase(image, hole_mask, self.resolution, crop_mode=crop_mode, margin=margin)
        erased = erased.to(self.device)
        return erased, self._own(self.model.encode(erased.erased, erased.valid)[:, None])

    @torch.no_grad()
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
        generator = self.model.generator
        z = sample_z(seed, num_variants, self.config.generator.z_dim).to(self.device)
        w = generator.w_avg.lerp(generator.mapping(z), truncation_psi)
        return self._own(generator.broadcast(w)[None])

    @torch.no_grad()
    def mix(self, encoded: WPlus, random: WPlus, gate_bias: float = 0.0) -> tuple[WPlus, Tensor]:
        """Mix the image's codes with random ones (Mi, Eq. 1).

        Args:
            encoded: [B, 1, L, D] or [B, V, L, D].
            random: [1, V, L, D] or [B, V, L, D].
            gate_bias: added to g; 0 as trained, more trusts the image more.

        Returns:
            W_out [B, V, L, D], and the gate of the same shape in [0, 1].

        Raises:
            GeneratorMismatchError: codes of another generator.
            InputError: numbers of images or variants that do not fit.
        """
        check_range(gate_bias, "gate_bias", -1000.0, 1000.0)
        self._check_own(encoded, random)
        B = max(encoded.batch, random.batch)
        V = max(encoded.num_variants, random.num_variants)
        w_enc = self._flat(encoded, B, V, "encoded codes")
        w_out, gate = self.model.mix(w_enc, self._flat(random, B, V, "random codes"), gate_bias)
        return self._own(w_out.unflatten(0, (B, V))), gate.unflatten(0, (B, V))

    def _flat(self, codes: WPlus, batch: int, num_variants: int, name: str) -> Tensor:
        return expand_codes(codes, batch, num_variants, name).to(self.device, torch.float32)

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
            last_layer: last style layer that it moves (inclusive); None takes the model's last.

        Raises:
            InputError: unknown method, or a number out of range.
        """
        check_choice(method, "method", DISCOVERY_METHODS)
        last = self.num_layers - 1 if last_layer is None else last_layer
        check_int(first_layer, "first_layer", 0, self.num_layers - 1)
        check_int(last, "last_layer", first_layer, self.num_layers - 1)
        key = (method, component, first_layer, last)
        if key not in self._discovered:
            w = self.sample_w(0, _DISCOVERY_SAMPLES[method]).codes[0, :, 0]
            if method == "ganspace":
                found = discover_ganspace(w, component, first_layer, last, self.generator_id)
            else:
                affines = self.model.generator.synthesis.style_affines()
                found = discover_sefa(affines, *key[1:], self.generator_id, w_samples=w)
            self._discovered[key] = found
        return self._discovered[key]

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
        """Generate images from codes (G, stage 1): [B*V, R, R, 3] float32 in [0, 1].

        Raises:
            GeneratorMismatchError: codes of another generator.
        """
        return image_to_bhwc(self._synthesize(codes))

    def _synthesize(self, codes: WPlus) -> Tensor:
        self._check_own(codes)
        ws = self._flat(codes, codes.batch, codes.num_variants, "codes")
        return torch.cat([self.model.synthesize(chunk) for chunk in ws.split(_CHUNK)])

    @torch.no_grad()
    def refine(self, erased: Erased, codes: WPlus, skip_codes: WPlus | None = None) -> Tensor:
        """Generate images whose features S corrects (stage 2, Eq. 7).

        1. Stage 1 from skip_codes (None takes the codes themselves), composited (Eq. 4).
        2. S sees that, the erased image and the mask.
        3. Stage 2 from the codes, with S's maps.

        Returns:
            [B*V, R, R, 3] float32 in [0, 1], whole images: not yet composited.

        Raises:
            GeneratorMismatchError: codes of another generator.
            InputError: codes for another number of images.
            CheckpointError: the model has no skip encoder.
        """
        return image_to_bhwc(self._refine(erased, codes, skip_codes)[1])

    def _refine(
        self, erased: Erased, codes: WPlus, skip_codes: WPlus | None
    ) -> tuple[Tensor, Tensor]:
        """Return the outputs of stages 1 and 2, both [B*V, 3, R, R] in about [-1, 1]."""
        if self.model.skip_encoder is None:
            raise CheckpointError(
                "a model with a skip encoder",
                self.title or "one that was trained in stage 1 only",
                "Use the stage-1 image, or train stage 2.",
            )
        self._check_own(codes, skip_codes)
        B, V = len(erased.erased), codes.num_variants
        if codes.batch != B:
            raise InputError(
                f"codes for {B} images",
                f"codes for {codes.batch}",
                "Connect the codes that were encoded from these images.",
            )
        inputs = [
            self._flat(codes, B, V, "codes"),
            erased.erased.repeat_interleave(V, dim=0),
            erased.valid.repeat_interleave(V, dim=0),
        ]
        if skip_codes is not None:
            inputs.append(self._flat(skip_codes, B, V, "skip codes"))
        chunks = zip(*(x.split(_CHUNK) for x in inputs), strict=True)
        refined = [self.model.refine(*chunk) for chunk in chunks]
        return torch.cat([r.stage1 for r in refined]), torch.cat([r.output for r in refined])

    @torch.no_grad()
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
        """Complete images in num_variants ways: encode, sample, mix, edit, refine, composite.

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
        shows_edits = bool(edits) and skip_source != "unedited"
        if skip_source == "none" or self.model.skip_encoder is None:
            stage1 = output = self._synthesize(codes)
            shows_edits = bool(edits)
        else:
            skip_codes = mixed if edits and skip_source == "unedited" else None
            stage1, output = self._refine(erased, codes, skip_codes)
        images, _ = composite(erased, image_to_bhwc(output), feather_px)
        return Inpainting(
            images=images.unflatten(0, (len(erased.original), num_variants)),
            codes=codes,
            erased=erased,
            warnings=self._warnings(erased, mixed, None if shows_edits else stage1),
        )

    def _warnings(self, erased: Erased, mixed: WPlus, stage1: Tensor | None) -> tuple[str, ...]:
        """Name the images that stage 1 reproduces far worse than the model's usual ones.

        Args:
            erased: the images.
            mixed: W_out before edits.
            stage1: [B*V, 3, R, R] of these codes; None where only edits were synthesised.
        """
        usual = self.training.get("diagnostics", {}).get("stage1", {}).get("valid_l1_p99")
        if usual is None:
            return ()
        first = self._synthesize(mixed.pick(0)) if stage1 is None else stage1[:: mixed.num_variants]
        errors = valid_l1(first.clamp(-1, 1), erased.erased, erased.valid).tolist()
        return tuple(
            f"Image {b} does not look like what this model knows ({self.title}): its visible part "
            f"is reproduced with an error of {error:.2f}, usual is up to {usual:.2f}. Expect a "
            "completion that does not fit; crop to the subject or use another model."
            for b, error in enumerate(errors)
            if error > _UNUSUAL * usual
        )
