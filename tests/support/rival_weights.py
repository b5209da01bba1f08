"""Write random weights of a rival of Table 1 in the form that its public code saves.

    python rival_weights.py NAME CHECKOUT OUT.pt

`test_table1.py` runs it in a process of its own: the checkouts' modules have the same names.
"""

import pickle
import sys
from argparse import Namespace
from pathlib import Path

import torch

SIDE = 256
SMALL = 64  # of CoModGAN's port, which takes any size


def prefixed(**networks):
    """Return the states of several networks in one."""
    return {
        f"{name}.{key}": value
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }


def psp(path, rival, checkout):
    rival.use_checkout(checkout, ops="models.stylegan2.op")
    from models.encoders.psp_encoders import GradualStyleEncoder
    from models.stylegan2.model import Generator

    options = {
        "encoder_type": "GradualStyleEncoder",
        "input_nc": 4,
        "n_styles": 14,
        "output_size": SIDE,
        "start_from_latent_avg": True,
    }
    encoder = GradualStyleEncoder(50, "ir_se", Namespace(**options))
    state = prefixed(encoder=encoder, decoder=Generator(SIDE, 512, 8))
    torch.save({"opts": options, "state_dict": state, "latent_avg": torch.randn(14, 512)}, path)


def hfgi(path, rival, checkout):
    rival.use_checkout(checkout, ops="models.stylegan2.op")
    from models.encoders.psp_encoders import (
        GradualStyleEncoder,
        ResidualAligner,
        ResidualEncoder,
    )
    from models.stylegan2.model import Generator

    options = {
        "encoder_type": "GradualStyleEncoder",  # its other one takes 1024 px alone
        "dataset_type": "cats_encode",  # 256 px
        "input_nc": 4,
        "stylegan_size": SIDE,
        "start_from_latent_avg": True,
        "distortion_scale": 0.15,
        "aug_rate": 0.9,
    }
    state = prefixed(
        encoder=GradualStyleEncoder(50, "ir_se", Namespace(**options)),
        decoder=Generator(SIDE, 512, 8, channel_multiplier=2),
        residue=ResidualEncoder(),
        grid_align=ResidualAligner(),
    )
    torch.save({"opts": options, "state_dict": state, "latent_avg": torch.randn(14, 512)}, path)


def hyperstyle(path, rival, checkout):
    rival.use_checkout(checkout, ops="models.stylegan2.op")
    import torchvision.models

    plain = torchvision.models.resnet34
    torchvision.models.resnet34 = lambda pretrained: plain(weights=None)
    torch.Tensor.cuda = lambda self: self
    from models.encoders.w_encoder import WEncoder
    from models.hypernetworks.hypernetwork import SharedWeightsHyperNetResNet
    from models.stylegan2.model import Generator

    options = {
        "encoder_type": "SharedWeightsHyperNetResNet",
        "dataset_type": "ffhq_hypernet",
        "input_nc": 6,
        "layers_to_tune": "0,2,3,5,6,8,9,11",
        "n_hypernet_outputs": 20,
        "output_size": SIDE,
    }
    decoder = Generator(SIDE, 512, 8, channel_multiplier=2)
    w_avg = torch.randn(14, 512)
    hypernet = SharedWeightsHyperNetResNet(Namespace(**options))
    state = prefixed(hypernet=hypernet, decoder=decoder)
    torch.save({"opts": options, "state_dict": state, "latent_avg": w_avg}, path)
    encoder = WEncoder(50, "ir_se", Namespace(**options | {"input_nc": 3, "n_styles": 14}))
    state = prefixed(encoder=encoder, decoder=Generator(SIDE, 512, 8))
    torch.save({"state_dict": state, "latent_avg": w_avg}, path.with_suffix(".encoder"))


def mat(path, rival, checkout):
    rival.use_checkout(checkout)
    from networks.mat import Generator

    network = Generator(z_dim=512, c_dim=0, w_dim=512, img_resolution=SIDE, img_channels=3)
    saved = {"G": network, "D": torch.nn.Identity(), "G_ema": network}
    path.write_bytes(pickle.dumps(saved))


def comodgan(path, rival, checkout):
    rival.use_checkout(checkout, "models", "models.networks", ops="models.networks.op")
    import argparse

    from models.networks.co_mod_gan import Generator

    defaults = Generator.modify_commandline_options(argparse.ArgumentParser(), is_train=False)
    network = Generator(defaults.parse_args([], Namespace(crop_size=SMALL)))
    torch.save(network.state_dict(), path)


if __name__ == "__main__":
    name, checkout, path = sys.argv[1:]
    sys.path.insert(0, str(Path(__file__).parents[2] / "experiments" / "table1"))
    import rival

    torch.manual_seed(1)
    globals()[name](Path(path), rival, Path(checkout))
