"""What `Inpainter.inpaint` returns: completed images, to look at, to save and to edit further.

Legend: B images, S squares of them, V variants, H x W pixels of an image, L style layers, D width
of one code.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from .compositing import Composites
from .files import prepare_folder
from .geometry import Erased
from .image_files import to_pil, write_png
from .latents import WPlus
from .png_files import PngEncoder


@dataclass(frozen=True, eq=False)
class Inpainting:
    """Completed images and what they were made from."""

    composites: Composites
    """The images one at a time; large ones take less memory than `images` do."""
    codes: WPlus
    """W_out with the edits, [S, V, L, D]: one row for each image, or one for each of its squares
    where the crop mode chose several. Variant k of an image shows variant k of all of them."""
    warnings: tuple[str, ...]
    """Sentences for the user; empty when all is well."""

    @functools.cached_property
    def images(self) -> Tensor:
        """[B, V, H, W, 3] float32 in [0, 1], computed when first asked for.

        Outside hole and feather, the input bit for bit.
        """
        return self.composites.all().unflatten(0, (-1, self.composites.num_variants))

    @property
    def weight(self) -> Tensor:
        """[B, H, W] float32 in [0, 1], weight of the completion at each pixel.

        0 outside hole and feather.
        """
        return self.composites.weight

    @property
    def erased(self) -> Erased:
        """The images as the encoder saw them, and the way back."""
        return self.composites.erased

    def to_pil(self) -> list[list[Image.Image]]:
        """Return the variants of each image as 8-bit Pillow images."""
        return [
            [to_pil(variant) for variant in self.composites.variants(b, torch.uint8)]
            for b in range(len(self.weight))
        ]

    def save(self, folder: str | Path, stem: str = "result") -> list[Path]:
        """Write STEM-0.png, STEM-1.png ..., all variants of the first image, then of the next.

        Args:
            folder: is created if it does not exist; files of these names are replaced.
            stem: beginning of the file names.

        Raises:
            InputError: the folder cannot be written to.
        """
        folder = Path(folder)
        prepare_folder(folder)
        paths = []
        for b in range(len(self.weight)):
            encoder = PngEncoder()
            for variant in self.composites.variants(b, torch.uint8):
                paths.append(folder / f"{stem}-{len(paths)}.png")
                write_png(paths[-1], variant, encoder=encoder)
        return paths
