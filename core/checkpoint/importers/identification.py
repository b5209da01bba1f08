"""Networks that look like StyleGAN2's files and are not: named, with the reason."""

import re
from collections.abc import Callable

from .contents import Contents
from .errors import RefusedFileError

_ONLY = "Only StyleGAN2 can be converted."

_PATTERNS: tuple[tuple[str, str], ...] = (
    (
        r"/StyleMod/|\.apply_noise\.|\.style_mod\.|progression\.\d+\.",
        "It is StyleGAN1, which normalises features where StyleGAN2 demodulates weights.",
    ),
    (
        r"synthesis\.L\d+_\d+_\d+\.|synthesis\.input\.freqs",
        "It is StyleGAN3, whose layers filter features at other rates and have no to-RGB layers.",
    ),
    (
        r"(^|\.)MainLayers\.\d+\.",
        "It is R3GAN, a residual network without styles.",
    ),
    (
        r"(^|\.)(S|SE)\.net\.\d+\.|\.blocks\.\d+\.to_style1\.",
        "It is lucidrains' stylegan2-pytorch, another network: it upsamples bilinearly, has no "
        "equalised learning rates in its blocks and no mean code.",
    ),
    (
        r"backbone\.synthesis\.b4\.",
        "It is EG3D, whose StyleGAN2 makes planes of features instead of images.",
    ),
    (
        r"(^|\.)lod$|ToRGB_lod\d|Grow_lod",
        "It is a progressively grown network (StyleGAN1, or StyleGAN2's config A to D).",
    ),
    (r"\.iwt\.|\.dwt\.", "It is SWAGAN, which makes wavelets instead of colours."),
    (
        r"model\.diffusion_model\.|double_blocks\.|down_blocks\.\d+\.resnets",
        "It is a diffusion model.",
    ),
    (
        r"^(state_dict\.)?encoder\.(input_layer|body)\.",
        "It holds an encoder (pSp or e4e) without the generator that it was trained with.",
    ),
)

_XL_CLASSES = ("SuperresGenerator",)


def find_other_network(contents: Contents) -> str:
    """Return a sentence that names a network which is no StyleGAN2, or "" if none is known."""
    names = contents.arrays
    classes = {str(part.get("class_name")) for part in contents.attributes.values()}
    if classes & {*_XL_CLASSES} or any(".feature_networks." in n and "L0_" in n for n in names):
        return "It is StyleGAN-XL, a StyleGAN3 with layers for superresolution."
    matches: list[Callable[[str], object]] = [re.compile(p).search for p, _ in _PATTERNS]
    for search, (_, sentence) in zip(matches, _PATTERNS, strict=True):
        if any(search(name) for name in names):
            return sentence
    return ""


def refuse_unknown(contents: Contents) -> RefusedFileError:
    """Return the error for a file in which no generator was found."""
    sentence = find_other_network(contents)
    if sentence:
        return RefusedFileError(sentence, _ONLY)
    names = sorted(contents.arrays)
    if names == [""]:
        return RefusedFileError(
            "It is a single tensor, such as a direction.", "Give the generator's checkpoint."
        )
    shown = ", ".join(repr(name[:60]) for name in names[:3])
    found = f"(its {len(names)} tensors: {shown} ...)" if names else "(it has no tensors)"
    return RefusedFileError(f"No StyleGAN2 generator was found in it {found}.", _ONLY)
