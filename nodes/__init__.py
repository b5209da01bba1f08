"""The nodes by id. Ids are permanent, because saved workflows store them; display names are not."""

from . import host
from .blend import BlendW, WalkW
from .codes import EncodeErased, FitCodes, GatedMix, SampleW
from .declare import Node
from .edits import ApplyEdit, DiscoverDirection, LoadDirection
from .example import ExamplePicture
from .find_face import FindFace
from .images import Composite, SkipRefine, Synthesize
from .inpaint import Inpaint
from .model import LoadModel
from .pick import PickVariant
from .random_mask import RandomMask
from .saved_codes import LoadW, SaveW
from .sliders import EditSliders

NODE_CLASS_MAPPINGS: dict[str, type[Node]] = {
    "DI_LoadModel": LoadModel,
    "DI_Inpaint": Inpaint,
    "DI_EncodeErased": EncodeErased,
    "DI_SampleW": SampleW,
    "DI_GatedMix": GatedMix,
    "DI_FitCodes": FitCodes,
    "DI_LoadDirection": LoadDirection,
    "DI_DiscoverDirection": DiscoverDirection,
    "DI_ApplyEdit": ApplyEdit,
    "DI_Synthesize": Synthesize,
    "DI_SkipRefine": SkipRefine,
    "DI_Composite": Composite,
    "DI_RandomMask": RandomMask,
    "DI_FindFace": FindFace,
    "DI_PickVariant": PickVariant,
    "DI_EditSliders": EditSliders,
    "DI_ExamplePicture": ExamplePicture,
    "DI_BlendW": BlendW,
    "DI_WalkW": WalkW,
    "DI_SaveW": SaveW,
    "DI_LoadW": LoadW,
}

TITLES = {
    "DI_LoadModel": "Load Diverse Inpainting Model",
    "DI_Inpaint": "Diverse Inpaint",
    "DI_EncodeErased": "Encode Erased Image",
    "DI_SampleW": "Sample Style Codes",
    "DI_GatedMix": "Gated Mix",
    "DI_FitCodes": "Fit Codes",
    "DI_LoadDirection": "Load Edit Direction",
    "DI_DiscoverDirection": "Discover Edit Direction",
    "DI_ApplyEdit": "Apply Edit",
    "DI_Synthesize": "Synthesize",
    "DI_SkipRefine": "Refine with Skip Encoder",
    "DI_Composite": "Composite Completions",
    "DI_RandomMask": "Random Mask",
    "DI_FindFace": "Find Cat Face",
    "DI_PickVariant": "Pick Variants",
    "DI_EditSliders": "Edit Sliders",
    "DI_ExamplePicture": "Example Picture",
    "DI_BlendW": "Blend Codes",
    "DI_WalkW": "Walk between Variants",
    "DI_SaveW": "Save Codes",
    "DI_LoadW": "Load Codes",
}
"""What texts call the nodes."""

# Before January 2026, ComfyUI searches display names only, and only their first 30 characters.
NODE_DISPLAY_NAME_MAPPINGS = {
    node_id: f"{title} (Diverse)" for node_id, title in TITLES.items()
} | {
    "DI_LoadModel": "Load Diverse Inpainting Model",
    "DI_Inpaint": "Diverse Inpaint (Fill)",
    "DI_DiscoverDirection": "Discover Edit (Diverse, SeFa, GANSpace)",
}

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "TITLES"]

host.register_model_folder()
