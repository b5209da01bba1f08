"""Feature networks: what turns pictures into the vectors that FID and the SVM compare.

Legend: n pictures of side R, features of dimension d.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ..core.pretrained import PublishedWeights, read_state, sha256_of, wrong_network
from .libraries import import_library
from .provenance import Provenance, in_full_batches

INCEPTION = PublishedWeights(
    "the Inception network of the FID",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth",
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
)
IMAGENET_INCEPTION = PublishedWeights(
    "torchvision's ImageNet Inception-v3",
    "https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth",
    "0cc3c7bd",
)

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Extractor:
    """A function of pictures, with all that its values depend on."""

    provenance: Provenance
    """Network, weights, treatment of the pictures."""
    num_features: int
    """d."""
    compute: Callable[[Tensor], Tensor]
    """[n, 3, R, R] uint8 on the CPU to [n, d] of any dtype and device."""

    def features(self, pictures: Tensor) -> Tensor:
        """Return the features of n >= 1 pictures [n, 3, R, R] uint8: [n, d] float32 on the CPU."""
        return in_full_batches(self.compute, pictures)


def fid_inception(weights: Path, device: torch.device) -> Extractor:
    """Return the network that FID is defined with, as torch-fidelity has it.

    Args:
        weights: `INCEPTION`'s file.
        device: where to compute.

    Raises:
        CheckpointError: other weights, or torch-fidelity is not installed.

    Source: Heusel et al. 2017, arXiv:1706.08500; the network of TensorFlow's 2015-12-05 archive.
    """
    library = import_library("torch_fidelity.feature_extractor_inceptionv3")
    # The library unpickles what it is given: it gets tensors that were read without that.
    safe = io.BytesIO()
    torch.save(read_state(weights), safe)
    safe.seek(0)
    try:
        network = library.FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048"], feature_extractor_weights_path=safe
        )
    except RuntimeError as error:
        raise wrong_network(INCEPTION, weights, error) from error
    network.to(device)
    return Extractor(
        Provenance(
            name=f"inception-v3-compat (torch-fidelity {version('torch-fidelity')})",
            weights_sha256=sha256_of(weights),
            treatment="TensorFlow 1 bilinear to 299, (x - 128) / 128",
        ),
        num_features=2048,
        compute=lambda pictures: network(pictures.to(device))[0],
    )


def imagenet_inception(weights: Path, device: torch.device) -> Extractor:
    """Return torchvision's Inception-v3, which the paper's numbers were probably made with.

    Args:
        weights: `IMAGENET_INCEPTION`'s file.
        device: where to compute.

    Raises:
        CheckpointError: other weights, or torchvision is not installed.

    Source: the evaluation of Choi et al. 2020 (StarGAN v2), arXiv:1912.01865.
    """
    models = import_library("torchvision.models")
    network = models.inception_v3(weights=None, init_weights=False, transform_input=False)
    try:
        network.load_state_dict(read_state(weights))
    except RuntimeError as error:
        raise wrong_network(IMAGENET_INCEPTION, weights, error) from error
    network.fc = nn.Identity()
    network.eval().requires_grad_(False).to(device)
    return Extractor(
        Provenance(
            name=f"inception_v3 of ImageNet (torchvision {version('torchvision')})",
            weights_sha256=sha256_of(weights),
            treatment="Pillow bilinear to 256, then to 299, ImageNet normalisation",
        ),
        num_features=2048,
        compute=lambda pictures: network(_imagenet_input(pictures).to(device)),
    )


def _imagenet_input(pictures: Tensor) -> Tensor:
    """[n, 3, R, R] uint8 to [n, 3, 299, 299] float32, normalised."""
    resized = torch.from_numpy(np.stack(list(_resized(pictures))))
    mean, std = (torch.tensor(v)[:, None, None] for v in (_IMAGENET_MEAN, _IMAGENET_STD))
    return (resized.movedim(-1, 1).float() / 255 - mean) / std


def _resized(pictures: Tensor) -> Iterator[np.ndarray]:
    for picture in pictures.movedim(1, -1).numpy():
        image = Image.fromarray(picture).resize((256, 256), Image.Resampling.BILINEAR)
        yield np.asarray(image.resize((299, 299), Image.Resampling.BILINEAR))
