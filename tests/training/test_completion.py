"""What the paths of a batch compare, and what D is shown, with and without photographs."""

import pytest
import torch

from diverse_inpainting.training.completion import compared_pairs, composites
from diverse_inpainting.training.losses import reconstruction
from diverse_inpainting.training.sampler import Batch, Substitutes
from tolerances import assert_close

R = 4


class Doubled:
    """A perceptual term of one map, the doubled image: 0.1 of the mean square."""

    def features(self, images):
        return [2 * images]

    def __call__(self, first, second):
        return 0.1 * (first[0] - second[0]).square().mean()


def reconstruct(batch, *outputs):
    return reconstruction(compared_pairs(batch, torch.cat(outputs)), Doubled(), 1.0)


def flat(*values):
    return torch.tensor(values)[:, None, None, None].expand(-1, 3, R, R).clone()


def half_batch(*values, substitutes=None, is_generated=True):
    """Images of one value each, the upper half erased; the codes say which image and path."""
    N, image = len(values), flat(*values)
    valid = torch.ones(N, 1, R, R)
    valid[:, :, : R // 2] = 0
    w_g, w_r = torch.zeros(N, 1, 1), torch.arange(1.0, N + 1)[:, None, None]
    return Batch(image, image * valid, valid, w_g if is_generated else None, w_r, substitutes)


def test_photographs_have_no_path_g():
    batch = half_batch(0.1, 0.2, is_generated=False)
    losses, terms = reconstruct(batch, flat(0.5, 0.6))
    assert set(terms) == {"pixel_r", "perceptual_r"} and set(losses) == {"r"}
    assert losses["r"].item() == pytest.approx(0.08 + 0.4 * 0.08)
    assert len(composites(batch, flat(0.5, 0.6))) == 1
    assert len(batch.inputs()[2]) == 2


def substituted_batch():
    """Of three images, the last one's place on path (r) is taken by a photograph of 0.7."""
    plain = half_batch(0.1, 0.2, 0.3)
    photograph = flat(0.7) * plain.valid[:1]
    return half_batch(0.1, 0.2, 0.3, substitutes=Substitutes(torch.tensor([2]), photograph))


def test_a_substitute_is_completed_with_the_hole_and_the_code_of_its_sample():
    batch = substituted_batch()
    erased, valid, codes, index = batch.inputs()
    assert len(erased) == len(valid) == 4
    assert index.tolist() == [0, 1, 2, 0, 1, 2, 3]
    assert codes.flatten().tolist() == [0, 0, 0, 1, 2, 3, 3]
    assert_close(erased[3], flat(0.7)[0] * valid[3], 0)


def test_a_photograph_is_reconstructed_in_place_of_its_sample():
    """Path (r) is right for two generated images; the third output counts only for D."""
    image = flat(0.1, 0.2, 0.3)
    batch = substituted_batch()
    losses, _ = reconstruct(batch, image, image + flat(0, 0, 9.0), flat(0.7))
    assert losses["g"].item() == losses["r"].item() == pytest.approx(0, abs=1e-9)
    _, terms = reconstruct(batch, image, image, flat(0.1))
    assert terms["pixel_r"].item() == pytest.approx(0.36 / 2 / 3)


def test_final_images_keep_valid_pixels_and_hold_no_photograph():
    batch = substituted_batch()
    outputs = torch.cat([flat(1, 2, 3), flat(4, 5, 6), flat(9)]).float()
    fakes = composites(batch, outputs)
    assert [f[:, 0, 0, 0].tolist() for f in fakes] == [[1, 2, 3], [4, 5, 6]]
    for fake in fakes:
        assert torch.equal(fake * batch.valid, batch.erased)
