"""DI_ExamplePicture: a bundled photograph and a hole, so that a first run needs no file."""

from typing import ClassVar

from torch import Tensor

from . import host
from .declare import IMAGE, MASK, Inputs, Node, choice


class ExamplePicture(Node):
    """DI_ExamplePicture: a cat and a mask that come with the pack."""

    DESCRIPTION = (
        "A photograph of a cat that comes with this pack, and a mask for it: to try everything "
        "before you load an image of your own."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = [
        "example image",
        "sample photo",
        "demo cat",
        "test image",
    ]
    RETURN_TYPES = (IMAGE, MASK)
    RETURN_NAMES = ("image", "mask")
    OUTPUT_TOOLTIPS = (
        "The photograph, 256 x 256 pixels.",
        "A mask that is 1 where the image is to be filled.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        from ..core.examples import EXAMPLE_MASKS, EXAMPLES

        return {
            "required": {
                "picture": choice(EXAMPLES, "Which cat, by the look of its fur."),
                "hole": choice(
                    EXAMPLE_MASKS,
                    "What to fill. strokes: painted over eyes and cheek. box: around nose and "
                    "mouth. half: the right half.",
                ),
            }
        }

    def execute(self, picture: str, hole: str) -> tuple[Tensor, Tensor]:
        """Return the photograph [1, 256, 256, 3] and a mask [1, 256, 256]."""
        from ..core.examples import example_image, example_mask

        image = example_image(picture)
        mask = example_mask(hole, image.shape[1])
        return host.to_output(image), host.to_output(mask)
