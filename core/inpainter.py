"""Images in, completed images out: the public interface around `DiverseInpaintingModel`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from .blending import BLENDS
from .checkpoint import inspect_checkpoint, read_checkpoint, resolve_source
from .checks import check_choice, check_int
from .completion_steps import CompletionSteps, check_squares
from .compositing import composites
from .crops import CROP_MODES
from .device import resolve_device
from .directions import bundled_directions
from .editor import Edit, check_edits
from .fitting import MAX_FIT_STEPS, RANDOM_FIT_STEPS
from .image import image_to_bhwc
from .inference import inference
from .inpainting import Inpainting
from .inputs import ImageInput
from .latents import WPlus
from .progress import OnStep, parts_of
from .variants import check_kept, kept_first

SKIP_SOURCES = ("edited", "unedited", "none")
"""Which stage-1 image the skip encoder sees when codes were edited; `none` leaves it out."""

_KEPT_EDITED = (
    "Kept variants bring only their edited codes, so with skip_source unedited they look slightly "
    "different from before.",
)

_SAME_VARIANTS = (
    "All variants are the same, because truncation_psi 0 gives each of them the same code.",
)


class Inpainter(CompletionSteps):
    """Completes erased images in many ways; an `Editor` that has E, Mi and perhaps S as well.

    With a generator alone, random codes are fitted to the image instead of being mixed with its
    codes.

    Raises:
        CheckpointError: the generator is missing, or only one of encoder and mixer.
        InputError: unknown precision.
    """

    @classmethod
    def load(
        cls,
        source: str | Path = "cats",
        *,
        device: torch.device | str | None = None,
        precision: str = "auto",
        download: bool = False,
    ) -> Self:
        """Load a model, without its discriminator.

        Args:
            source: see `resolve_source`.
            device: None takes CUDA if there is one, else the CPU.
            precision: one of `PRECISIONS`; `auto` is the fastest that the device computes natively.
            download: whether a hub id may be downloaded.

        Raises:
            CheckpointError: no such model, or the file is damaged, foreign or incomplete.
            InputError: unknown precision, or a device that this machine does not have.
        """
        path = resolve_source(source, download)
        parts = [part for part in inspect_checkpoint(path).parts if part != "discriminator"]
        inpainter = cls(read_checkpoint(path, parts, resolve_device(device)), precision)
        inpainter.directions = bundled_directions(inpainter.generator_id)
        return inpainter

    @inference
    def inpaint(
        self,
        image: ImageInput,
        hole_mask: ImageInput,
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
        blend: str | None = None,
        fit_steps: int = 0,
        on_step: OnStep | None = None,
        alpha: Tensor | None = None,
        keep: WPlus | None = None,
    ) -> Inpainting:
        """Complete images in num_variants ways: encode, sample, mix, fit, edit, refine, composite.

        With a generator alone, nothing is encoded and mixed.

        Args:
            image: see `encode`.
            hole_mask: see `encode`.
            num_variants: V.
            seed: 0 to 2^64 - 1; variant k depends on (seed, k) alone.
            edits: applied to W_out, in order.
            truncation_psi: see `sample_w`.
            gate_bias: see `mix`.
            crop_mode: one of `CROP_MODES`.
            margin: see `fit_crop`.
            feather_px: see `paste_completions`.
            skip_source: one of `SKIP_SOURCES`; matters with edits only, except `none`.
            blend: see `paste_completions`.
            fit_steps: see `fit`; 0 for none, or with a generator alone for `RANDOM_FIT_STEPS`.
            on_step: called after each step of the work, with steps done and their total; may raise
                to interrupt.
            alpha: [B, H, W] in [0, 1], 1 = opaque; see `encode`.
            keep: W_out of variants to keep, edits included; they come first, as they are, and
                fresh ones fill up to V.

        Raises:
            InputError: unusable input, see the single steps.
        """
        check_choice(skip_source, "skip_source", SKIP_SOURCES)
        if blend is not None:
            check_choice(blend, "blend", BLENDS)
        check_int(fit_steps, "fit_steps", 0, MAX_FIT_STEPS)
        check_edits(edits)
        random = self.sample_w(seed, num_variants, truncation_psi)
        if keep is not None:
            self.check_own(keep)
            check_kept(keep, num_variants)
            # One fresh variant at least: codes are never empty.
            random = random[:, min(keep.num_variants, num_variants - 1) :]
        fit_steps = fit_steps or (0 if self.can_encode else RANDOM_FIT_STEPS)
        on_encode, on_fit, on_refine = parts_of(on_step, 2, fit_steps * num_variants, num_variants)
        if self.can_encode:
            erased, encoded = self.encode(
                image, hole_mask, crop_mode, margin, alpha=alpha, on_step=on_encode
            )
            unfitted, _ = self.mix(encoded, random, gate_bias)
        else:
            erased = self._erase(image, hole_mask, crop_mode, margin, alpha, on_encode)
            unfitted = random
        if keep is not None:
            check_squares(erased, keep)
        mixed = self.fit(erased, unfitted, fit_steps, on_fit) if fit_steps else unfitted
        codes = self.edit(mixed, edits)
        if keep is not None:
            mixed, codes = (kept_first(keep, fresh, num_variants) for fresh in (mixed, codes))
        refines = skip_source != "none" and self.model.skip_encoder is not None
        skip_codes = mixed if refines and edits and skip_source == "unedited" else None
        if refines:
            output = self._refine(erased, codes, skip_codes, on_refine)
        else:
            output = self._synthesize(codes, on_refine)
        is_same = truncation_psi == 0 and num_variants > 1
        return Inpainting(
            composites=composites(erased, image_to_bhwc(output), feather_px, blend=blend),
            codes=codes,
            warnings=self.warnings(erased)
            + (_SAME_VARIANTS if is_same else ())
            + (_KEPT_EDITED if keep is not None and skip_codes is not None else ()),
        )
