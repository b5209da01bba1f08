"""Feature networks: what turns images into the vectors that FID and the SVM compare.

torch-fidelity provides the network of the FID. Its own cache is not used: it names whole sets of
images, so buckets would not share features, and it reads its files with pickle.

What builds a network takes its weight file and a device, and raises CheckpointError for the weights
of another network, or if the library is not installed.

Legend: n images of side R, features of dimension d.
"""

import hashlib
import importlib
import io
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ..core.checks import check_finite
from ..core.errors import CheckpointError, InputError
from ..core.image import uint8_to_unit
from ..core.pretrained import PublishedWeights, read_state, sha256_of, wrong_network
from .images import Images

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

_BATCH = 32
_IMAGENET_MEAN = torch.tensor((0.485, 0.456, 0.406))[:, None, None]
_IMAGENET_STD = torch.tensor((0.229, 0.224, 0.225))[:, None, None]
_SCHEMA = """
CREATE TABLE IF NOT EXISTS features (
    extractor TEXT, picture BLOB, value BLOB, PRIMARY KEY (extractor, picture)
) WITHOUT ROWID
"""
_SELECT = "SELECT value FROM features WHERE extractor = ? AND picture = ?"
_INSERT = "INSERT OR REPLACE INTO features VALUES (?, ?, ?)"
_BUSY_S = 60.0  # how long a process waits while another one writes
_COMMIT_EVERY = 256  # images; at most so many are computed again after an interruption


def import_library(name: str) -> ModuleType:
    """Return a module of the `metrics` extra.

    Raises:
        CheckpointError: it is not installed, or cannot be imported.
    """
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchvision for another torch
        package = name.split(".")[0].replace("_", "-")
        raise CheckpointError(
            f"the package {package} for a metric on network features",
            f"{type(error).__name__} ({error})",
            "Run pip install 'diverse-inpainting[metrics]', or leave the metric out.",
            problem=f"The package {package} cannot be imported ({error}).",
        ) from error


@dataclass(frozen=True, kw_only=True)
class FeatureNetwork:
    """A network, and everything that its values depend on besides the images."""

    name: str
    """Network and library, with its version."""
    weights_sha256: str
    """Of the weight file."""
    treatment: str
    """What an image goes through before the network."""
    num_features: int
    """d; 1 for a distance between two images."""
    compute: Callable[..., Tensor]
    """One or two batches [n, 3, R, R] uint8 on the CPU to [n, d] of any dtype and device."""

    @property
    def facts(self) -> dict[str, str]:
        """What the values depend on, for the report."""
        return {fact: getattr(self, fact) for fact in ("name", "weights_sha256", "treatment")}

    @property
    def identity(self) -> str:
        """SHA-256 of the facts."""
        return hashlib.sha256("\n".join(self.facts.values()).encode()).hexdigest()

    @torch.inference_mode()
    def __call__(self, *inputs: Tensor) -> Tensor:
        """Return the values of n >= 1 images, or pairs of images.

        Libraries choose other algorithms, with other rounding, for other batch sizes. Here all
        batches have one size, the last one padded, so that a value depends on its image alone.

        Args:
            inputs: one or two sets [n, 3, R, R] uint8.

        Returns:
            [n, d] float32 on the CPU.

        Raises:
            InputError: the network returns NaN or infinity.
        """
        parts = []
        for chunks in zip(*(images.split(_BATCH) for images in inputs), strict=True):
            size = len(chunks[0])
            full = [torch.cat([c, c[-1:].expand(_BATCH - size, *c.shape[1:])]) for c in chunks]
            parts.append(self.compute(*full)[:size].float().cpu())
        values = torch.cat(parts)
        check_finite(values, f"features of {self.name}")
        return values


def fid_inception(weights: Path, device: torch.device) -> FeatureNetwork:
    """Return the network that FID is defined with, from torch-fidelity; weights of `INCEPTION`.

    Source: Heusel et al. 2017, arXiv:1706.08500; the network of TensorFlow's 2015-12-05 archive.
    """
    library = import_library("torch_fidelity.feature_extractor_inceptionv3")
    # The library unpickles its file, so it gets tensors that were read without pickle.
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
    return FeatureNetwork(
        name=f"inception-v3-compat (torch-fidelity {version('torch-fidelity')})",
        weights_sha256=sha256_of(weights),
        treatment="TensorFlow 1 bilinear to 299, (x - 128) / 128",
        num_features=2048,
        compute=lambda images: network(images.to(device))[0],
    )


def imagenet_inception(weights: Path, device: torch.device) -> FeatureNetwork:
    """Return torchvision's Inception-v3, which the paper's numbers probably come from.

    Its weights are `IMAGENET_INCEPTION`.

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
    return FeatureNetwork(
        name=f"inception_v3 of ImageNet (torchvision {version('torchvision')})",
        weights_sha256=sha256_of(weights),
        treatment="Pillow bilinear to 256, then to 299, ImageNet normalisation",
        num_features=2048,
        compute=lambda images: network(_imagenet_input(images).to(device)),
    )


def _imagenet_input(images: Tensor) -> Tensor:
    """[n, 3, R, R] uint8 to [n, 3, 299, 299] float32, normalised."""
    resized = []
    for image_hwc in images.movedim(1, -1).numpy():
        image = Image.fromarray(image_hwc).resize((256, 256), Image.Resampling.BILINEAR)
        resized.append(np.asarray(image.resize((299, 299), Image.Resampling.BILINEAR)))
    unit = uint8_to_unit(torch.from_numpy(np.stack(resized)).movedim(-1, 1))
    return (unit - _IMAGENET_MEAN) / _IMAGENET_STD


class FeatureCache:
    """Features on disk, so that no image goes through a network twice; processes may share it.

    Keys are the hash of an image's pixels and `FeatureNetwork.identity`.

    Args:
        path: the SQLite file, created if absent.

    Raises:
        InputError: the file cannot be used, at once or later.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._connect() as database:
            database.execute(_SCHEMA)

    def features(self, network: FeatureNetwork, images: Images) -> Tensor:
        """Return the features [n, d] float32 of images [n, 3, R, R] uint8; store the unknown ones.

        n is at least 1.
        """
        with self._connect() as database:
            positions = torch.arange(len(images)).split(_COMMIT_EVERY)
            return torch.cat([self._some(database, network, images[i]) for i in positions])

    def _some(
        self, database: sqlite3.Connection, network: FeatureNetwork, images: Tensor
    ) -> Tensor:
        keys = [_key(image) for image in images.numpy()]
        position = {key: i for i, key in enumerate(keys)}  # equal images have one
        known: dict[bytes, Tensor] = {}
        for key in position:
            row = database.execute(_SELECT, (network.identity, key)).fetchone()
            if row is not None:
                known[key] = torch.from_numpy(np.frombuffer(row[0], "<f4").astype(np.float32))
        missing = [key for key in position if key not in known]
        if missing:
            fresh = network(images[[position[key] for key in missing]])
            known.update(zip(missing, fresh, strict=True))
            blobs = (value.astype("<f4").tobytes() for value in fresh.numpy())
            rows = ((network.identity, *row) for row in zip(missing, blobs, strict=True))
            with database:  # one transaction: after a kill, all rows are there or none
                database.executemany(_INSERT, rows)
        return torch.stack([known[key] for key in keys])

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=_BUSY_S)) as database:
                yield database
        except sqlite3.Error as error:
            raise InputError(
                "a readable and writable feature cache",
                f"{self._path} ({error})",
                "Delete it, or give another path.",
                problem=f"The feature cache {self._path} cannot be used ({error}).",
            ) from error


def _key(image: np.ndarray) -> bytes:
    return hashlib.sha256(f"{image.shape}".encode() + image.tobytes()).digest()
