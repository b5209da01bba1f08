"""Complete the pairs of an evaluation with CoModGAN's port, twice each.

The port is github.com/zengxianyu/co-mod-gan-pytorch. Other options: see rival.py.
"""

# pyright: reportMissingImports=false
# The checkout and an editable install are invisible to a type checker.
import argparse

import rival
import torch
from torch import Tensor

_PACKAGE = "models.networks"


def load(options: argparse.Namespace, device: torch.device) -> rival.Rival:
    """Return the generator as its own `test.py` makes it; the weights tell its resolution."""
    # Its packages import losses for training, and with them VGG19.
    rival.use_checkout(options.checkout, "models", _PACKAGE, ops=f"{_PACKAGE}.op")
    from models.networks.co_mod_gan import Generator

    weights = rival.read_weights(options.weights)
    blocks = [name.split(".")[1] for name in weights if name.startswith("G_synthesis.G_")]
    side = max(int(name.rpartition("x")[2]) for name in blocks)
    defaults = Generator.modify_commandline_options(argparse.ArgumentParser(), is_train=False)
    network = Generator(defaults.parse_args([], argparse.Namespace(crop_size=side)))
    network.load_state_dict(weights)
    network = network.eval().to(device)
    width = weights["G_mapping.G_mapping.Dense0.weight"].shape[1]

    def complete(erased: Tensor, valid: Tensor, seed: int) -> Tensor:
        z = torch.randn(1, width, generator=torch.Generator().manual_seed(seed)).to(device)
        return network(erased, 1 - valid, [z])[1]

    return rival.Rival(complete, side=side, num_results=2)


if __name__ == "__main__":
    rival.main(load)
