"""Complete the pairs of an evaluation with MAT (github.com/fenglinglwb/MAT), twice each.

Its weights are a pickle, which runs code when it is read. Needs timm. Other options: see rival.py.
"""

# pyright: reportMissingImports=false
# The checkout and an editable install are invisible to a type checker.
import argparse

import rival
import torch
from torch import Tensor

_LARGE = 512  # pixels; its code draws noise at other sizes


def load(options: argparse.Namespace, device: torch.device) -> rival.Rival:
    """Return MAT as its own `generate_image.py` makes it."""
    rival.use_checkout(options.checkout)
    import legacy
    from networks.mat import Generator

    with options.weights.open("rb") as file:
        saved = legacy.load_network_pkl(file)["G_ema"]
    side, width = saved.img_resolution, saved.z_dim
    network = Generator(z_dim=width, c_dim=0, w_dim=512, img_resolution=side, img_channels=3)
    network.load_state_dict(saved.state_dict())
    network = network.eval().to(device)
    label, noise = torch.zeros(1, 0, device=device), "const" if side == _LARGE else "random"

    def complete(erased: Tensor, valid: Tensor, seed: int) -> Tensor:
        z = torch.randn(1, width, generator=torch.Generator().manual_seed(seed)).to(device)
        return network(erased, valid, z, label, noise_mode=noise)

    return rival.Rival(complete, side=side, num_results=2)


if __name__ == "__main__":
    rival.main(load)
