"""Stage 2: where it starts, the statistics of its batch norm, and the size of its skips."""

import pytest
import torch

from completion_trainer import trainer_of
from diverse_inpainting.core.checkpoint import Checkpoint, read_checkpoint


@pytest.fixture(scope="module")
def inputs(tiny_checkpoint) -> dict[str, Checkpoint]:
    parts = ("generator", "discriminator", "encoder", "mixer")
    return {"stage2": read_checkpoint(tiny_checkpoint, parts)}


def test_stage2_starts_from_stage1(inputs):
    first = trainer_of("stage1", inputs["stage2"])
    for name in ("encoder", "mixer"):
        first.averages[name].load_state_dict(inputs["stage2"].state_dict_of(name))
    second = trainer_of("stage2", inputs["stage2"])
    batch = second.batches.generated(0, 4)
    stage1, _ = first.complete(first.averaged, batch.inputs())
    stage2, _ = second.complete(second.averaged, batch.inputs())
    assert (stage1 - stage2).std() < 0.1 * stage1.std()


def test_skip_ratio_is_relative_to_features(inputs):
    trainer = trainer_of("stage2", inputs["stage2"])
    assert trainer.diagnostics()["skip_ratio"] == 0

    def ratio(bias):
        for head in trainer.averages["skip_encoder"].heads:
            torch.nn.init.constant_(head.add[-1].bias, bias)
        return trainer._skip_ratio()

    small = ratio(1.0)
    assert ratio(100.0) == pytest.approx(100 * small, rel=1e-3)
    for block in trainer.generator.synthesis.blocks_by_side.values():
        block.conv1.register_forward_pre_hook(lambda module, args: (2 * args[0], *args[1:]))
    assert ratio(1.0) < 0.75 * small, "features are at least about twice as large"


def norms_of(network):
    return [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]


def test_averaged_weights_get_the_mean_statistics_of_the_batches(inputs):
    trainer = trainer_of("stage2", inputs["stage2"])
    average = trainer.averages["skip_encoder"]
    first, batches = norms_of(average)[0], trainer.config.recalibration_batches
    seen = []
    handle = first.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    trainer.step(0)  # updates the averages, and nothing of their statistics
    assert not seen and not first.running_mean.any()
    trainer.grid()
    handle.remove()
    means = torch.stack([x.mean(dim=(0, 2, 3)) for x in seen[:batches]])
    variances = torch.stack([x.var(dim=(0, 2, 3)) for x in seen[:batches]])
    torch.testing.assert_close(first.running_mean, means.mean(dim=0))
    torch.testing.assert_close(first.running_var, variances.mean(dim=0))
    assert not average.training and first.num_batches_tracked == batches


def test_statistics_are_made_once_after_each_step(inputs):
    trainer = trainer_of("stage2", inputs["stage2"])
    trainer.grid()
    norms = norms_of(trainer.averages["skip_encoder"])
    for norm in norms:
        norm.running_mean.fill_(7)
    trainer.diagnostics()
    assert all(bool((norm.running_mean == 7).all()) for norm in norms), "they were not out of date"
    trainer.step(0)
    trainer.grid()
    for norm in norms:
        assert not bool((norm.running_mean == 7).any())
        assert norm.num_batches_tracked == trainer.config.recalibration_batches
