"""A model of a few thousand numbers with random values, on disk."""

import pytest
import torch

from diverse_inpainting.core import networks
from diverse_inpainting.core.checkpoint import (
    Checkpoint,
    generator_id_of,
    write_checkpoint,
)

RESOLUTION = 32
TRAINING = {
    "stage": "stage2",
    "images": {"prior": 3000, "stage1": 200},
    "diagnostics": {"stage1": {"rho": 0.25}},
}

SMALL_MEASUREMENTS = (
    *(
        f"{s}.{size}"
        for s in ("stage1", "stage2")
        for size in ("diagnostics_images=8", "grid_images=2")
    ),
    "stage2.recalibration_batches=2",
    "prior.diversity_images=4",
    "perceptual.calibration_pairs=16",
)
"""Overrides for `load_recipe`: the usual sizes take most of a tiny training."""


def config():
    generator = networks.GeneratorConfig(
        resolution=RESOLUTION, z_dim=16, w_dim=16, channel_base=256, channel_max=16, mapping_depth=2
    )
    return networks.ModelConfig(
        generator=generator,
        discriminator=networks.DiscriminatorConfig(
            resolution=RESOLUTION, channel_base=256, channel_max=16
        ),
        encoder=networks.EncoderConfig(
            kind="small",
            resolution=RESOLUTION,
            w_dim=16,
            width=8,
            max_width=16,
            depths=(1, 1, 1, 1),
        ),
        mixer=networks.MixerConfig(num_layers=generator.num_layers, w_dim=16),
        skip_encoder=networks.SkipEncoderConfig(
            resolution=RESOLUTION, stem_width=8, widths=(8, 8, 8), layers_per_block=1
        ),
    )


def build_lively(model=None):
    """A model moved away from their start, where S and parts of Mi have no effect."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        lively = networks.build(model or config())
        with torch.no_grad():
            for parameter in lively.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    lively.generator.set_w_avg()
    return lively


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory):
    """Path of a model with all parts, the discriminator included."""
    tensors = dict(build_lively().state_dict())
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    write_checkpoint(
        path,
        Checkpoint(
            config=config(),
            tensors=tensors,
            generator_id=generator_id_of(tensors),
            training=TRAINING,
            license="CC0",
            title="nothing, 32x32",
        ),
    )
    return path
