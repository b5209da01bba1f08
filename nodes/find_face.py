"""DI_FindFace: the faces in images, aligned, and masks of their parts."""

from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from . import declare, host
from .declare import IMAGE, MASK, Inputs, Node, choice, integer

if TYPE_CHECKING:
    from ..core.faces import Ellipse, Face

_MOST_FACES = 64


class FindFace(Node):
    """DI_FindFace: find a cat's face, show it aligned and mask one of its parts."""

    DESCRIPTION = (
        "Finds cat faces in images of any size. Gives the face turned upright, as the crop mode "
        "face shows it to the model, and a mask of one part, such as the eyes, to fill it anew."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["face detection", "detect cat", "eye mask", "part mask"]
    RETURN_TYPES = (IMAGE, MASK)
    RETURN_NAMES = ("face", "mask")
    OUTPUT_TOOLTIPS = (
        "The square of the face, turned upright; the whole image where no face was found.",
        "The chosen part as a mask for the whole image; empty where no face was found.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        from ..core.cat_faces import CatFaces

        return {
            "required": {
                "image": declare.image(),
                "part": choice(
                    CatFaces.parts,
                    "The part to mask. Left and right are those of the image, not of the cat.",
                ),
                "index": integer(
                    0, 0, _MOST_FACES - 1, "Which face, if there are several: 0 is the surest."
                ),
                "side": integer(512, 16, 4096, "Width and height of the aligned face, in pixels."),
            }
        }

    def execute(self, image: Tensor, part: str, index: int, side: int) -> Any:  # noqa: ANN401
        """Return aligned faces [B, side, side, 3] and masks [B, H, W], and say what is missing."""
        import torch

        from ..core.cat_faces import CatFaces
        from ..core.checks import check_choice, check_int
        from ..core.image import image_to_unit_bchw

        check_choice(part, "part", tuple(CatFaces.parts))
        check_int(index, "index", 0, _MOST_FACES - 1)
        finder, aligned, masks, missing = CatFaces(), [], [], []
        for b, one in enumerate(image_to_unit_bchw(image)):
            faces = finder.find(one)
            if index >= len(faces):
                missing.append(f"Image {b}: {_what_is_missing(index, len(faces))}.")
            face = faces[index] if index < len(faces) else None
            aligned.append(_upright(one, face, side))
            masks.append(_mask(one, face, CatFaces.parts[part]))
        images = torch.cat(aligned).movedim(1, -1).contiguous()
        outputs = host.to_output(images), host.to_output(torch.stack(masks))
        return host.with_warnings(outputs, missing)


def _what_is_missing(index: int, num_faces: int) -> str:
    if num_faces == 0:
        return "no face was found"
    found = "1 face was" if num_faces == 1 else f"{num_faces} faces were"
    return f"there is no face {index}; {found} found, counted from 0"


def _upright(image_chw: Tensor, face: "Face | None", side: int) -> Tensor:
    """Return the aligned face, or the whole image in a square: [1, 3, side, side]."""
    from ..core.crops import fit_crop
    from ..core.faces import aligned_crop
    from ..core.geometry import extract

    height, width = image_chw.shape[1:]
    known = image_chw.new_ones(1, 1, height, width)
    if face is None:
        return extract(image_chw[None], known, (fit_crop(known[0], "picture", 0.0),), side)[0]
    return extract(image_chw[None], known, (aligned_crop(face, height, width),), side)[0]


def _mask(image_chw: Tensor, face: "Face | None", part: "tuple[Ellipse, ...]") -> Tensor:
    """Return the part's mask, [H, W]."""
    import torch

    from ..core.faces import part_mask

    height, width = image_chw.shape[1:]
    return torch.zeros(height, width) if face is None else part_mask(face, part, height, width)
