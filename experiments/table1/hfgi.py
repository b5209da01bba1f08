"""Complete the pairs of an evaluation with HFGI (github.com/Tengfei-Wang/HFGI).

The paper trains it for inpainting, with the mask as a fourth channel. The distortion map, which the
public code takes of whole images, is that of the valid pixels here. Other options: see rival.py.
"""

# pyright: reportMissingImports=false
# The checkout and an editable install are invisible to a type checker.
import argparse

import rival
import torch
import torch.nn.functional as F
from torch import Tensor

_SIDE = 256


def load(options: argparse.Namespace, device: torch.device) -> rival.Rival:
    """Return HFGI as its own `scripts/inference.py` inverts."""
    rival.use_checkout(options.checkout, ops="models.stylegan2.op")
    from utils.model_utils import setup_model

    network, _ = setup_model(str(options.weights), device)
    channels = rival.channels_of(network.encoder)

    def complete(erased: Tensor, valid: Tensor, seed: int) -> Tensor:
        codes = network.encoder(torch.cat([erased, valid], dim=1)[:, :channels])
        if network.opts.start_from_latent_avg:
            codes = codes + network.latent_avg
        first = shrink(generate(codes, None).clamp(-1, 1))
        aligned = network.grid_align(torch.cat([valid * (erased - first), first], dim=1))
        return generate(codes, network.residue(aligned))

    def generate(codes: Tensor, conditions: object) -> Tensor:
        known = {"input_is_latent": True, "randomize_noise": False, "return_latents": True}
        return network.decoder([codes], conditions, **known)[0]

    return rival.Rival(complete, side=_SIDE)


def shrink(image: Tensor) -> Tensor:
    """Return an image at the side of the distortion map."""
    return F.interpolate(image, size=(_SIDE, _SIDE), mode="bilinear")


if __name__ == "__main__":
    rival.main(load)
