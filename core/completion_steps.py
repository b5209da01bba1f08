"""The steps of a completion, each on its own: encode (E), mix (Mi), fit, refine (S).

Legend: B images, S squares of them (one of each, unless a crop mode chooses several), V variants,
R the model's resolution, L style layers, D width of one code. Batches are square-major: row
s*V + v.
"""

from torch import Tensor

from .cat_faces import CatFaces
from .checkpoint import Checkpoint
from .checks import check_int, check_range
from .editor import Editor
from .errors import CheckpointError, InputError
from .faces import FaceFinder
from .fitting import FIT_STEPS, MAX_FIT_STEPS, fit_codes
from .geometry import Erased, erase
from .image import image_to_bhwc
from .inference import inference
from .inputs import ImageInput, image_and_alpha, mask_tensor
from .latents import WPlus, expand_labels
from .progress import OnStep, parts_of

_FITTED_ONLY = (
    "This model has no encoder: each completion was fitted to the image from a random code, which "
    "takes longer."
)


def check_squares(erased: Erased, codes: WPlus) -> None:
    """Raise InputError unless there are codes for each square of the erased images, or for one."""
    S = len(erased.crops)
    if codes.batch not in (1, S):
        raise InputError(
            f"codes for {S} images, or for one" if S > 1 else "codes for one image",
            f"codes for {codes.batch}",
            "Connect the codes that were encoded from these images.",
        )


class CompletionSteps(Editor):
    """What a model that completes images can do beyond an `Editor`, step by step.

    Raises:
        CheckpointError: the generator is missing, or only one of encoder and mixer.
        InputError: unknown precision.

    Source: the paper, Fig. 9.
    """

    def __init__(self, checkpoint: Checkpoint, precision: str = "auto") -> None:
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
        fitted = fit_codes(self.model, *self._rows(erased, codes), steps, on_step=on_step)
        return self._own(fitted.unflatten(0, (S, V)), expand_labels(codes, S, V))

    def _rows(self, erased: Erased, codes: WPlus) -> tuple[Tensor, Tensor, Tensor]:
        """Return codes, erased squares and valid masks, S*V rows each."""
        S, V = len(erased.crops), codes.num_variants
        return (
            self._flat(codes, S, V, "codes"),
            erased.erased.repeat_interleave(V, dim=0),
            erased.valid.repeat_interleave(V, dim=0),
        )

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
            codes: [S, V, L, D], or of one square for all.
            skip_codes: as codes, or of one variant for all.
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
        inputs = [*self._rows(erased, codes)]
        if skip_codes is not None:
            S, V = len(erased.crops), codes.num_variants
            inputs.append(self._flat(skip_codes, S, V, "skip codes"))
        return self._in_chunks(lambda *rows: self.model.refine(*rows).output, inputs, on_step)

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
