"""Complete the pairs of an evaluation with pSp (github.com/eladrich/pixel2style2pixel).

The paper trains it for inpainting, with the mask as a fourth channel (`input_nc` 4). Other options:
see rival.py.
"""

# pyright: reportMissingImports=false
# The checkout and an editable install are invisible to a type checker.
import argparse

import rival
import torch
from torch import Tensor


def load(options: argparse.Namespace, device: torch.device) -> rival.Rival:
    """Return pSp as its own `scripts/inference.py` makes it."""
    rival.use_checkout(options.checkout, ops="models.stylegan2.op")
    from models.psp import pSp

    saved = {
        "learn_in_w": False,
        "output_size": 1024,
        **rival.read_weights(options.weights)["opts"],
    }
    named = {"checkpoint_path": str(options.weights), "device": device}
    network = pSp(argparse.Namespace(**saved | named)).eval().to(device)
    channels = rival.channels_of(network.encoder)

    def complete(erased: Tensor, valid: Tensor, seed: int) -> Tensor:
        image = torch.cat([erased, valid], dim=1)[:, :channels]
        return network(image, randomize_noise=False, resize=False)

    return rival.Rival(complete, side=256)


if __name__ == "__main__":
    rival.main(load)
