"""A classifier that learns from known images and outliers, and the threshold that it is given."""

import pytest
import torch

from diverse_inpainting.core.checkpoint import read_checkpoint, write_checkpoint
from diverse_inpainting.core.inpainter import Inpainter
from diverse_inpainting.core.networks import FamiliarityConfig
from diverse_inpainting.training.familiarity import Teaching, add_familiarity, learn

FEW = {"num_outliers": 300, "num_masks": 50, "num_generated": 32}
CONFIG = FamiliarityConfig(widths=(8, 16, 16), features=16)


def discs(num, seed):
    """Bright discs near the centre on a dark ground, [num, 3, 64, 64] uint8."""
    generator = torch.Generator().manual_seed(seed)
    line = torch.linspace(-1, 1, 64)
    centre = 0.2 * torch.rand(num, 2, 1, 1, generator=generator) - 0.1
    distance = torch.hypot(line[:, None] - centre[:, 0], line - centre[:, 1])
    brightness = 150 + 80 * torch.rand(num, 1, 1, generator=generator)
    image = torch.where(distance < 0.6, brightness, 30)
    return image[:, None].expand(-1, 3, -1, -1).to(torch.uint8)


def test_it_tells_what_it_knows_from_what_it_does_not():
    teaching = Teaching(num_steps=120, batch_size=32, seed=1, **FEW)
    classifier, measures = learn(discs(100, 0), discs(60, 1), CONFIG, teaching)
    assert 0 < measures["known_warned"] <= 0.026
    assert measures["outliers_warned"] > 0.4
    known, valid = discs(20, 2).float() / 127.5 - 1, torch.ones(20, 1, 64, 64)
    assert (classifier(known, valid) < 0).float().mean() > 0.9
    assert (classifier(-known, valid) > 0).float().mean() > 0.9
    again, _ = learn(discs(100, 0), discs(60, 1), CONFIG, teaching)
    assert all(map(torch.equal, classifier.state_dict().values(), again.state_dict().values()))


@pytest.mark.parametrize(
    "photographs", [None, (discs(12, 0)[..., ::2, ::2], discs(4, 1)[..., ::2, ::2])]
)
def test_a_checkpoint_gains_the_classifier_and_keeps_the_rest(
    tiny_checkpoint, tmp_path, photographs
):
    before = read_checkpoint(tiny_checkpoint)
    state = torch.random.get_rng_state()
    after = add_familiarity(before, photographs, Teaching(num_steps=2, batch_size=4, **FEW))
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(after.tensors[key], value) for key, value in before.tensors.items())
    assert after.generator_id == before.generator_id and "familiarity" not in before.parts
    assert after.training["diagnostics"]["stage1"] == before.training["diagnostics"]["stage1"]
    assert after.training["diagnostics"]["familiarity"].keys() == {
        "known_warned",
        "outliers_warned",
    }
    path = tmp_path / "model.safetensors"
    write_checkpoint(path, after)
    model = Inpainter.load(path, device="cpu", precision="float32").model
    for name, value in model.familiarity.state_dict().items():
        assert torch.equal(value, after.tensors[f"familiarity.{name}"])
