"""Batches of stages 1 and 2: what they depend on, and where photographs come in."""

import pytest
import torch

import tiny_model
from diverse_inpainting.core.errors import ConfigError
from diverse_inpainting.training.config import DataConfig
from diverse_inpainting.training.data import Photographs
from diverse_inpainting.training.recipe_file import load_recipe
from diverse_inpainting.training.sampler import Batch, BatchSampler, Inputs, Substitutes
from tolerances import assert_close

R = 4


def sampler(photographs=None, stage="stage1", **settings) -> BatchSampler:
    config = load_recipe("demo64-cpu").with_stage("stage1", **settings).stages["stage1"]
    return BatchSampler(config, stage, tiny_model.build_lively(), photographs)


def noise() -> Photographs:
    images = torch.randint(0, 256, (3, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    return Photographs(images.to(torch.uint8), DataConfig(mirror=False), seed=0)


def substituted_batch() -> Batch:
    """Images 0.1, 0.2, 0.3 with erased upper halves; a photograph of 0.7 substitutes the last."""
    image = torch.tensor([0.1, 0.2, 0.3])[:, None, None, None].expand(-1, 3, R, R)
    valid = torch.ones(3, 1, R, R)
    valid[:, :, : R // 2] = 0
    w_g, w_r = torch.zeros(3, 1, 1), torch.arange(1.0, 4)[:, None, None]
    substitutes = Substitutes(torch.tensor([2]), 0.7 * valid[:1].expand(-1, 3, -1, -1))
    return Batch(image, image * valid, valid, w_g, w_r, substitutes)


def test_a_batch_depends_on_seed_stage_and_position_alone():
    batch = sampler().generated(8, 2)
    again = sampler().generated(8, 2)
    assert all(torch.equal(a, b) for a, b in zip(batch.inputs(), again.inputs(), strict=True))
    for other in (
        sampler().generated(10, 2),
        sampler(seed=1).generated(8, 2),
        sampler(stage="stage2").generated(8, 2),
    ):
        assert not torch.equal(batch.image, other.image)
    assert torch.equal(batch.erased, batch.image * batch.valid)
    assert set(batch.valid.unique().tolist()) == {0.0, 1.0}


def test_real_fraction_spaces_photographs_evenly():
    batches = sampler(noise(), real_fraction=0.3)
    chosen = []
    for nimg in range(0, 20, 4):
        batch = batches.training(nimg, 4)
        if batch.substitutes is not None:
            index, erased = batch.substitutes
            chosen += (index + nimg).tolist()
            expected = noise().batch(nimg, 4) * batch.valid
            assert torch.equal(erased, expected[index])
    assert chosen == [3, 6, 9, 13, 16, 19]


@pytest.mark.parametrize("settings", [{"train_on": "photographs"}, {"real_fraction": 0.1}], ids=str)
def test_training_on_photographs_needs_some(settings):
    with pytest.raises(ConfigError, match=r"photographs.*\[stage1\]"):
        sampler(**settings)


def test_a_substitute_is_completed_with_the_hole_and_the_code_of_its_sample():
    batch = substituted_batch()
    erased, valid, w_rand, index = batch.inputs()
    assert len(erased) == len(valid) == 4
    assert index.tolist() == [0, 1, 2, 0, 1, 2, 3]
    assert w_rand.flatten().tolist() == [0, 0, 0, 1, 2, 3, 3]
    assert_close(erased[3], 0.7 * valid[3].expand(3, -1, -1), 0)
    assert torch.equal(valid[3], batch.valid[2])


def test_outputs_are_split_by_path():
    (g, r), substituted = substituted_batch().by_path(torch.arange(7))
    assert (g.tolist(), r.tolist(), substituted.tolist()) == ([0, 1, 2], [3, 4, 5], [6])


def test_one_code_each_pairs_codes_with_images_in_order():
    erased, valid, codes = torch.rand(3, 3, R, R), torch.ones(3, 1, R, R), torch.rand(3, 1, 1)
    inputs = Inputs.one_code_each(erased, valid, codes)
    assert inputs.index.tolist() == [0, 1, 2]
    assert inputs.w_rand is codes
