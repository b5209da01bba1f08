"""The content of a job's image and mask files, each read once."""

import functools
import io
from dataclasses import dataclass
from typing import Self

from PIL import Image
from torch import Tensor

from ..core.errors import InputError
from ..core.image_files import ImageFile, read_image
from ..core.mask_files import read_mask
from .pairing import Job
from .result_files import MADE_BY, Record
from .settings import Settings, short_digest


@dataclass(frozen=True)
class JobInputs:
    """An image and its mask, not yet decoded."""

    job: Job
    image: bytes
    mask: bytes | None

    @classmethod
    def read(cls, job: Job) -> Self:
        """Read the files of a job.

        Raises:
            InputError: the job has a problem.
            OSError: a file cannot be read.
        """
        if job.problem is not None:
            raise job.problem
        mask = None if job.mask is None else job.mask.read_bytes()
        return cls(job, job.image.read_bytes(), mask)

    def digests(self) -> Record:
        """Return what tells images and masks apart, for records of results."""
        mask = None if self.mask is None else short_digest(self.mask)
        return {"picture": short_digest(self.image), "mask": mask}

    def record(self, run: Record) -> Record:
        """Return the record of a run's results of these files."""
        mask = None if self.job.mask is None else self.job.mask.name
        names = {**run[MADE_BY], "picture": self.job.image.name, "mask": mask}
        return {**run, **self.digests(), MADE_BY: names}

    @functools.cached_property
    def num_pixels(self) -> int:
        """Size of the image as its file declares it; 0 if that cannot be read."""
        try:
            with Image.open(io.BytesIO(self.image)) as image:
                return image.width * image.height
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return 0  # decode says what is wrong

    def decode(self, settings: Settings) -> tuple[ImageFile, Tensor]:
        """Return the image and its hole mask [1, h, w], edited.

        Raises:
            InputError: a file is unusable, the image too large, or there is no mask.
        """
        self._check_size(settings.max_megapixels)
        file = read_image(self.job.image, self.image)
        hole_mask = file.hole_mask
        if self.job.mask is not None:
            hole_mask = read_mask(self.job.mask, self.mask)
        if hole_mask is None:
            raise InputError(
                "a mask, or an image with transparent parts to fill",
                "neither",
                "Provide a mask.",
                problem="There is no mask, and the image has no transparent part to fill.",
            )
        return file, settings.mask_edits.apply(hole_mask)

    def _check_size(self, max_megapixels: float) -> None:
        """Refuse an image that would take too much memory, before it is decoded."""
        path, megapixels = self.job.image, self.num_pixels / 1e6
        if megapixels > max_megapixels:
            raise InputError(
                f"an image of at most {max_megapixels:g} megapixels in {path}",
                f"one of {megapixels:.0f}",
                "Scale it down, or raise --max-megapixels; it takes about 40 MB of memory for "
                "each.",
                problem=f"{path} has {megapixels:.0f} megapixels, more than {max_megapixels:g}.",
            )
