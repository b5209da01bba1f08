"""Stand-ins for the nodes of ComfyUI that our workflows use, for the executor."""

import torch
import torch.nn.functional as F

from core_nodes import CORE_NODES


class Sink:
    """Stands for SaveImage, PreviewImage and the like: keeps the images that it was given."""

    OUTPUT_NODE = True
    FUNCTION = "keep"

    def __init__(self):
        self.images = None

    def keep(self, images=None, source=None, **settings):
        self.images = images
        return ()


class ImageBatch:
    FUNCTION = "batch"

    def batch(self, image1, image2):
        return (torch.cat([image1, image2]),)


class ImageScaleBy:
    FUNCTION = "scale"

    def scale(self, image, upscale_method, scale_by):
        larger = F.interpolate(image.movedim(-1, 1), scale_factor=scale_by, mode="bicubic")
        return (larger.movedim(1, -1).clamp(0, 1),)


class ImageStitch:
    FUNCTION = "stitch"

    def stitch(self, image1, image2, **settings):
        return (torch.cat([image1, image2], dim=2),)


class SolidMask:
    FUNCTION = "fill"

    def fill(self, value, width, height):
        return (torch.full((1, height, width), value),)


def _declared(node_type, implementation):
    """Return a class that declares what ComfyUI's does."""
    declaration, outputs = CORE_NODES[node_type]
    members = {
        "INPUT_TYPES": classmethod(lambda cls: declaration),
        "RETURN_TYPES": tuple(outputs),
    }
    return type(node_type, (implementation,), members)


CORE_CLASSES = {
    "ImageBatch": _declared("ImageBatch", ImageBatch),
    "ImageScaleBy": _declared("ImageScaleBy", ImageScaleBy),
    "ImageStitch": _declared("ImageStitch", ImageStitch),
    "SolidMask": _declared("SolidMask", SolidMask),
    **{
        name: _declared(name, Sink)
        for name in ("PreviewAny", "PreviewImage", "SaveAnimatedWEBP", "SaveImage")
    },
}
