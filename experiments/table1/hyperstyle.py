"""Complete the pairs of an evaluation with HyperStyle (github.com/yuval-alaluf/hyperstyle).

The paper trains it for inpainting, with the mask as a fourth channel of its encoder's input. Other
options: see rival.py.
"""

# pyright: reportMissingImports=false
# The checkout and an editable install are invisible to a type checker.
import argparse
import functools
from pathlib import Path

import rival
import torch
from torch import Tensor


def load(options: argparse.Namespace, device: torch.device) -> rival.Rival:
    """Return HyperStyle as its own `scripts/inference.py` makes it, on any device."""
    rival.use_checkout(options.checkout, ops="models.stylegan2.op")
    import torchvision.models

    if device.type == "cpu":  # its hypernetwork draws initial values on a GPU
        torch.Tensor.cuda = lambda self: self
    # It asks for ImageNet's weights, which those of the file replace.
    plain = functools.partial(torchvision.models.resnet34, weights=None)
    torchvision.models.resnet34 = lambda pretrained: plain()
    from models.encoders.psp import pSp
    from models.hyperstyle import HyperStyle
    from utils.inference_utils import run_inversion

    named = {"checkpoint_path": str(options.weights), "device": device, "resize_outputs": False}
    named |= {"n_iters_per_batch": options.iterations, "load_w_encoder": False}
    saved = rival.read_weights(options.weights)["opts"] | named
    network = HyperStyle(argparse.Namespace(**saved))
    of_encoder = {"checkpoint_path": str(options.encoder), "encoder_type": "WEncoder"}
    network.w_encoder = pSp(argparse.Namespace(**saved | of_encoder | {"input_nc": 3})).encoder
    network.opts.load_w_encoder = True  # it may be used; loading it would need CUDA
    network = network.eval().to(device)
    channels = rival.channels_of(network.w_encoder)

    def complete(erased: Tensor, valid: Tensor, seed: int) -> Tensor:
        image = torch.cat([erased, valid], dim=1)[:, :channels]
        return run_inversion(image, network, network.opts)[0]

    return rival.Rival(complete, side=256)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what HyperStyle needs beside its weights."""
    parser.add_argument("--encoder", type=Path, required=True, help="weights of its W encoder")
    parser.add_argument("--iterations", type=int, default=5, help="passes of the hypernetwork")


if __name__ == "__main__":
    rival.main(load, add_options)
