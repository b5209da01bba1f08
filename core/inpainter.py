"""Images in, completed images out: the public interface around `DiverseInpaintingModel`.

Legend: B images, S squares of them (one of each, unless a crop mode chooses several), V variants,
H x W pixels of an image, R the model's resolution, L style layers, D width of one code. Batches are
square-major: row s*V + v.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from .blending import BLENDS
from .cat_faces import CatFaces
from .checkpoint import Checkpoint, inspect_checkpoint, read_checkpoint, resolve_source
from .checks import check_choice, check_int, check_range
from .compositing import composites
from .crops import CROP_MODES
from .device import resolve_device
from .directions import bundled_directions
from .editor import Edit, Editor, check_edits
from .errors import CheckpointError, InputError
from .faces import FaceFinder
from .fitting import FIT_STEPS, RANDOM_FIT_STEPS, fit_codes
from .geometry import Erased, erase
from .image import image_to_bhwc
from .inference import inference
from .inpainting import Inpainting
from .inputs import ImageInput, image_and_alpha, mask_tensor
from .latents import WPlus, expand_labels
from .progress import OnStep, parts_of
from .variants import check_kept, kept_first

SKIP_SOURCES = ("edited", "unedited", "none")
"""Which stage-1 image the skip encoder sees when codes were edited; `none` leaves it out."""

MAX_FIT_STEPS = 1000

_FITTED_ONLY = (
    "This model has no encoder: each completion was fitted to the image from a random code, which "
    "takes longer."
)

_KEPT_EDITED = (
    "Kept variants bring only their edited codes, so with skip_source unedited they look slightly "
    "different from before.",
)

_SAME_VARIANTS = (
    "All variants are the same, because truncation_psi 0 gives each of them the same code.",
)


def check_squares(erased: Erased, codes: WPlus) -> None:
    """Raise InputError unless there are codes for each square of the erased images, or for one."""
    S = len(erased.crops)
    if codes.batch not in (1, S):
        raise InputError(
            f"codes for {S} images, or for one",
            f"codes for {codes.batch}",
            "Connect the codes that were encoded from these images.",
        )


class Inpainter(Editor):
    """Completes erased images in many ways; an `Editor` that has E, Mi and perhaps S as well.

    With a generator alone, random codes are fitted to the image instead of being mixed with its
    codes.

    Raises:
        CheckpointError: the generator is missing, or only one of encoder and mixer.
        InputError: unknown precision.

    Source: the paper, Fig. 9.
    """

    def __init__(self, checkpoint: Checkpoint, precision: str = "float32") -> None:
        missing = {"generator", "encoder", "mixer"} - set(checkpoint.parts)
        if missing and missing != {"encoder", "mixer"}:
            raise CheckpointError(
                "a model with generator, encoder and mixer, or with a generator alone",
                f"{checkpoint.title or 'one'} without {', '.join(sorted(missing))}",
                "Choose the file that has its generator."
                if "generator" in missing
                else "Train stage 1 on it, or choose another file.",
            )
        super().__init__(checkpoint, precision)
        self.face_finder: FaceFinder = CatFaces()
        """For the crop modes `face` and `auto`; set another one for a model of other faces."""

    @classmethod
    def load(
        cls,
        source: str | Path = "cats",
        *,
        device: torch.device | str | None = None,
        precision: str = "float32",
        download: bool = False,
    ) -> Self:
        """Load a model, without its discriminator.

        Args:
            source: see `resolve_source`.
            device: None takes CUDA if there is one, else the CPU.
            precision: a key of `PRECISIONS`.
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

    @property
    def num_parameters(self) -> dict[str, int]:
        """Number of parameters by part."""
        parts = self.model.parts.items()
        return {name: sum(p.numel() for p in part.parameters()) for name, part in parts}

    @property
    def can_encode(self) -> bool:
        """Whether E and Mi are there; if not, completions are fitted from random codes."""
        return self.model.encoder is not None

    def _require_encoder(self) -> None:
        if not self.can_encode:
            raise CheckpointError(
                "a model with encoder and mixer",
                f"{self.title or 'one'} without them",
                "Use inpaint (in ComfyUI, Diverse Inpaint), which fits random codes to the image.",
            )

    @inference
    def encode(
        self,
        image: ImageInput,
        hole_mask: ImageInput,
        crop_mode: str = "picture",
        margin: float = 0.25,
        *,
        alpha: Tensor | None = None,
        may_be_empty: bool = False,
        on_step: OnStep | None = None,
    ) -> tuple[Erased, WPlus]:
        """Erase the hole and encode what is left (E).

        Args:
            image: [B, H, W, C] in [0, 1], or another kind of `ImageInput`.
            hole_mask: [B, H, W] in [0, 1], 1 = fill, or another kind of `ImageInput`.
            crop_mode: one of `CROP_MODES`.
            margin: see `fit_crop`.
            alpha: see `erase`; None takes that of a Pillow image or file.
            may_be_empty: whether an image without a hole is encoded, to edit all of it.
            on_step: called after each image and a few squares, with steps done and their total; may
                raise to interrupt.

        Returns:
            The erased images, and W_enc [S, 1, L, D].

        Raises:
            InputError: unusable image, mask, mode or margin.
            CheckpointError: the model has no encoder.
        """
        self._require_encoder()
        on_erase, on_encode = parts_of(on_step, 1, 1)
        erased = self._erase(
            image, hole_mask, crop_mode, margin, alpha, on_erase, may_be_empty=may_be_empty
        )
        inputs = [erased.erased, erased.valid]
        return erased, self._own(self._in_chunks(self.model.encode, inputs, on_encode)[:, None])

    def _erase(
        self,
        image: ImageInput,
        hole_mask: ImageInput,
        crop_mode: str,
        margin: float,
        alpha: Tensor | None,
        on_step: OnStep | None,
        *,
        may_be_empty: bool = False,
    ) -> Erased:
        tensor, own_alpha = image_and_alpha(image)
        erased = erase(
            tensor,
            mask_tensor(hole_mask),
            self.resolution,
            crop_mode=crop_mode,
            margin=margin,
            face_finder=self.face_finder,
            alpha=own_alpha if alpha is None else alpha,
            may_be_empty=may_be_empty,
            on_step=on_step,
        )
        return erased.to(self.device)

    @inference
    def mix(self, encoded: WPlus, random: WPlus, gate_bias: float = 0.0) -> tuple[WPlus, Tensor]:
        """Mix the image's codes with random ones (Mi, Eq. 1).

        Args:
            encoded: [S, 1, L, D] or [S, V, L, D].
            random: [1, V, L, D] or [S, V, L, D].
            gate_bias: added to g; 0 as trained, more trusts the image more.

        Returns:
            W_out [S, V, L, D], and the gate of the same shape in [0, 1].

        Raises:
            GeneratorMismatchError: codes of another generator.
            InputError: numbers of images or variants that do not fit.
            CheckpointError: the model has no mixer.
        """
        self._require_encoder()
        check_range(gate_bias, "gate_bias", -1000.0, 1000.0)
        S = max(encoded.batch, random.batch)
        V = max(encoded.num_variants, random.num_variants)
        w_enc = self._flat(encoded, S, V, "encoded codes")
        w_out, gate = self.model.mix(w_enc, self._flat(random, S, V, "random codes"), gate_bias)
        labels = expand_labels(random, S, V)
        return self._own(w_out.unflatten(0, (S, V)), labels), gate.unflatten(0, (S, V))

    @inference
    def fit(
        self,
        erased: Erased,
        codes: WPlus,
        steps: int = FIT_STEPS,
        on_step: OnStep | None = None,
    ) -> WPlus:
        """Fit codes to the colours of the images' valid pixels; see `fit_codes`.

        Args:
            erased: the images and their S squares.
            codes: [S, V, L, D], or [1, V, L, D] for all squares; before edits.
            steps: 0 (leaves the codes as they are) to 1000.
            on_step: see `fit_codes`; may raise to interrupt.

        Returns:
            [S, V, L, D].

        Raises:
            GeneratorMismatchError: codes of another generator.
            InputError: codes for another number of squares, or steps out of range.
        """
        check_int(steps, "steps", 0, MAX_FIT_STEPS)
        S, V = len(erased.crops), codes.num_variants
        fitted = fit_codes(
            self.model,
            self._flat(codes, S, V, "codes"),
            erased.erased.repeat_interleave(V, dim=0),
            erased.valid.repeat_interleave(V, dim=0),
            steps,
            on_step=on_step,
        )
        return self._own(fitted.unflatten(0, (S, V)), expand_labels(codes, S, V))

    @inference
    def refine(
        self,
        erased: Erased,
        codes: WPlus,
        skip_codes: WPlus | None = None,
        on_step: OnStep | None = None,
    ) -> Tensor:
        """Generate images whose features S corrects (stage 2, Eq. 7).

        1. Stage 1 from skip_codes (None takes the codes themselves), composited (Eq. 4).
        2. S sees that, the erased image and the mask.
        3. Stage 2 from the codes, with S's maps.

        Args:
            erased: the images and their S squares.
            codes: [S, V, L, D].
            skip_codes: as codes, or of one square or variant for all.
            on_step: called after a few squares, with their number and S*V; may raise to interrupt.

        Returns:
            [S*V, R, R, 3] float32 in [0, 1], whole squares: not yet composited.

        Raises:
            GeneratorMismatchError: codes of another generator.
            InputError: codes for another number of squares.
            CheckpointError: the model has no skip encoder.
        """
        return image_to_bhwc(self._refine(erased, codes, skip_codes, on_step))

    def _refine(
        self, erased: Erased, codes: WPlus, skip_codes: WPlus | None, on_step: OnStep | None
    ) -> Tensor:
        """Return the output of stage 2, [S*V, 3, R, R] in about [-1, 1]."""
        if self.model.skip_encoder is None:
            raise CheckpointError(
                "a model with a skip encoder",
                self.title or "one that was trained in stage 1 only",
                "Use the stage-1 image, or train stage 2.",
            )
        check_squares(erased, codes)
        S, V = len(erased.crops), codes.num_variants
        inputs = [
            self._flat(codes, S, V, "codes"),
            erased.erased.repeat_interleave(V, dim=0),
            erased.valid.repeat_interleave(V, dim=0),
        ]
        if skip_codes is not None:
            inputs.append(self._flat(skip_codes, S, V, "skip codes"))
        return self._in_chunks(lambda *rows: self.model.refine(*rows).output, inputs, on_step)

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
        lengths = 2, fit_steps * num_variants, num_variants
        on_encode, on_fit, on_refine = parts_of(on_step, *lengths)
        if self.can_encode:
            erased, encoded = self.encode(
                image, hole_mask, crop_mode, margin, alpha=alpha, on_step=on_encode
            )
            unfitted, _ = self.mix(encoded, random, gate_bias)
        else:
            erased = self._erase(image, hole_mask, crop_mode, margin, alpha, on_encode)
            unfitted = random
        if keep is not None and keep.batch > 1:  # one serves all
            check_squares(erased, keep)
        mixed = self.fit(erased, unfitted, fit_steps, on_fit) if fit_steps else unfitted
        codes = self.edit(mixed, edits)
        if keep is not None:
            mixed, codes = (kept_first(keep, fresh, num_variants) for fresh in (mixed, codes))
        is_same = truncation_psi == 0 and num_variants > 1
        refines = skip_source != "none" and self.model.skip_encoder is not None
        skip_codes = mixed if refines and edits and skip_source == "unedited" else None
        if refines:
            output = self._refine(erased, codes, skip_codes, on_refine)
        else:
            output = self._synthesize(codes, on_refine)
        return Inpainting(
            composites=composites(erased, image_to_bhwc(output), feather_px, blend=blend),
            codes=codes,
            warnings=self.warnings(erased)
            + (_SAME_VARIANTS if is_same else ())
            + (_KEPT_EDITED if keep is not None and skip_codes is not None else ()),
        )

    @inference
    def warnings(self, erased: Erased) -> tuple[str, ...]:
        """Say how the squares were chosen, and which visible parts the model does not know.

        Each square is judged by itself; a model without `familiarity` judges none. A model without
        an encoder also says how it completes.
        """
        said = erased.notes if self.can_encode else (*erased.notes, _FITTED_ONLY)
        classifier = self.model.familiarity
        if classifier is None:
            return said
        unlike = classifier(erased.erased, erased.valid) > 0
        return said + tuple(
            f"{erased.name(square)} does not look like what this model knows ({self.title}), so "
            "its completion may not fit. Crop to the subject, turn it upright, or use another "
            "model."
            for square in unlike.nonzero()[:, 0].tolist()
        )
