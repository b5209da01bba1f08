"""What stages 1 and 2 train on: batches that depend on (seed, images seen) alone.

Legend: N images of a batch, k substitutes among them, R side, L style layers, D width of a code.
Path (g) mixes with the code that made the image, path (r) with another one.
"""

from collections.abc import Mapping
from typing import NamedTuple, Self

import torch
from torch import Tensor

from ..core.distributed import WHOLE, Draws, Shard
from ..core.errors import ConfigError
from ..core.masks import sample_hole_masks
from ..core.networks import DiverseInpaintingModel
from ..core.rng import rng_for
from .config import CompletionConfig
from .data import Photographs
from .hardware import send


class Inputs(NamedTuple):
    """What the networks complete: all paths of a batch, and its substitutes, at once."""

    erased: Tensor
    """M * I [N + k, 3, R, R]."""
    valid: Tensor
    """M [N + k, 1, R, R]."""
    w_rand: Tensor
    """[n, L, D], path by path; those for substitutes are the last."""
    index: Tensor
    """[n] int64, the image that each code completes."""

    @classmethod
    def one_code_each(cls, erased: Tensor, valid: Tensor, w_rand: Tensor) -> Self:
        """Return each image with one code: [N, 3, R, R], [N, 1, R, R] and [N, L, D]."""
        return cls(erased, valid, w_rand, torch.arange(len(erased), device=erased.device))


class Substitutes(NamedTuple):
    """Photographs that replace some generated images in what path (r) reconstructs."""

    index: Tensor
    """[k] int64, positions of the samples in the batch."""
    erased: Tensor
    """M * photograph [k, 3, R, R], with the holes of those samples."""


class Batch(NamedTuple):
    """Images with holes and the codes of the paths."""

    image: Tensor
    """I [N, 3, R, R] about [-1, 1], detached: I_g, or photographs."""
    erased: Tensor
    """M * I [N, 3, R, R]."""
    valid: Tensor
    """M [N, 1, R, R]."""
    w_g: Tensor | None
    """Codes of path (g), those that made the images, [N, L, D]; None for photographs, which no
    codes made: they have no path (g)."""
    w_r: Tensor
    """Codes of path (r), [N, L, D]."""
    substitutes: Substitutes | None = None
    """Of generated images only."""

    @property
    def codes(self) -> list[Tensor]:
        """The codes of each path."""
        return [self.w_r] if self.w_g is None else [self.w_g, self.w_r]

    def inputs(self) -> Inputs:
        """Return what the networks complete."""
        erased, valid, codes = self.erased, self.valid, self.codes
        index = torch.arange(len(erased), device=erased.device).repeat(len(codes))
        if self.substitutes is not None:
            chosen, photographs = self.substitutes
            extra = torch.arange(len(chosen), device=erased.device) + len(erased)
            erased, valid = torch.cat([erased, photographs]), torch.cat([valid, valid[chosen]])
            codes, index = [*codes, self.w_r[chosen]], torch.cat([index, extra])
        return Inputs(erased, valid, torch.cat(codes), index)

    def by_path(self, outputs: Tensor) -> tuple[list[Tensor], Tensor]:
        """Split the outputs for `inputs`: each path's outputs [N, ...], of substitutes [k, ...]."""
        num = len(self.image) * len(self.codes)
        return list(outputs[:num].chunk(len(self.codes))), outputs[num:]


class BatchSampler:
    """Samples generated images or photographs with holes, and the codes of the paths."""

    def __init__(
        self,
        config: CompletionConfig,
        stage: str,
        model: DiverseInpaintingModel,
        photographs: Photographs | None,
    ) -> None:
        """Prepare.

        Args:
            config: what to sample.
            stage: each stage draws other numbers.
            model: its generator makes the images, on its device.
            photographs: for recipes that train on them; moved to the device then.

        Raises:
            ConfigError: the recipe trains on photographs, and there are none.
        """
        self._config, self._stage, self._model = config, stage, model
        self._generator = model.generator
        self._device = model.generator.w_avg.device
        self._photographs = photographs
        if config.uses_photographs:
            if photographs is None:
                raise ConfigError(
                    f"photographs: the recipe's [{stage}] trains on them",
                    "none",
                    "Give a folder or zip with --data.",
                )
            photographs.to(self._device)

    def generated(self, nimg: int, size: int, shard: Shard = WHOLE) -> Batch:
        """Generate the shard of images nimg to nimg + size - 1."""
        return self.make(self._draw(nimg, size, shard))

    def training(self, nimg: int, size: int, shard: Shard = WHOLE) -> Batch:
        """Return what the recipe trains on: generated images, photographs, or some of both."""
        return self.make(self.draw(nimg, size, shard))

    def draw(self, nimg: int, size: int, shard: Shard = WHOLE) -> dict[str, Tensor]:
        """Return all that is particular to the images of `training`, on the device, for `make`."""
        drawn = self._draw(nimg, size, shard)
        if self._config.train_on == "photographs":
            assert self._photographs is not None
            return {**drawn, "image": self._photographs.batch(nimg, size, shard)}
        return {**drawn, **self._substitutes(nimg, size, shard)}

    @torch.no_grad()
    def make(self, drawn: Mapping[str, Tensor]) -> Batch:
        """Return the batch of what was drawn; waits for nothing, a CUDA graph may hold it."""
        w = self._generator.mapping(drawn["z"].flatten(0, 1))
        w_g, w_r = (self._generator.broadcast(code) for code in (w[::2], w[1::2]))
        valid = 1 - drawn["holes"].float()
        if "image" in drawn:
            image = drawn["image"]
            return Batch(image, image * valid, valid, None, w_r)
        image = self._model.synthesize(w_g)
        substitutes = None
        if "substituted" in drawn:
            index = drawn["substituted"]
            substitutes = Substitutes(index, drawn["photographs"] * valid[index])
        return Batch(image, image * valid, valid, w_g, w_r, substitutes)

    def _draw(self, nimg: int, size: int, shard: Shard) -> dict[str, Tensor]:
        """Return the latents of both paths [n, 2, Z], and the holes [n, 1, R, R] uint8."""
        drawn = rng_for(self._config.seed, f"{self._stage}/latents", nimg)
        z = Draws(drawn, shard).normal(size // shard.count, 2, self._generator.config.z_dim)
        holes = self._holes(shard.take(torch.arange(nimg, nimg + size)))
        return {"z": send(z, self._device), "holes": send(holes, self._device)}

    def _holes(self, indices: Tensor) -> Tensor:
        """Return the masks of images, [n, 1, R, R]; the host makes them while the device works."""
        kind, R, seed = self._config.masks, self._generator.config.resolution, self._config.seed
        masks = [sample_hole_masks(kind, 1, R, seed, first=i) for i in indices.tolist()]
        return torch.cat(masks).to(torch.uint8)

    def _substitutes(self, nimg: int, size: int, shard: Shard) -> dict[str, Tensor]:
        """Return photographs for some images, evenly spaced; nothing where there are none."""
        fraction = self._config.real_fraction
        images = shard.take(torch.arange(nimg, nimg + size)).tolist()
        is_chosen = [int((image + 1) * fraction) > int(image * fraction) for image in images]
        if not any(is_chosen):
            return {}
        assert self._photographs is not None
        index = send(torch.tensor(is_chosen).nonzero()[:, 0], self._device)
        photographs = self._photographs.batch(nimg, size, shard)[index]
        return {"substituted": index, "photographs": photographs}
