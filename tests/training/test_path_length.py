"""Path length regularisation: lengths against whole Jacobians, the penalty, and its gradient."""

import dataclasses

import pytest
import torch

import tiny_model
from diverse_inpainting.core.networks import Generator
from diverse_inpainting.training.config import DataConfig
from diverse_inpainting.training.data import Photographs
from diverse_inpainting.training.path_length import PathLength, path_lengths
from diverse_inpainting.training.prior import PriorTrainer
from diverse_inpainting.training.recipe_file import load_recipe
from toy_trainer import assert_same, go, state_of, stop

EXACT = torch.float64


@pytest.fixture
def generator():
    """A random generator whose image depends on its codes beyond the first order."""
    torch.manual_seed(3)
    generator = Generator(tiny_model.config().generator).double()
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return generator


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=EXACT)


def test_lengths_are_those_of_the_jacobian(generator):
    """J^T y by differences of the images along each axis of the codes, all layers added up."""
    L, D = generator.config.num_layers, generator.config.w_dim
    ws, noise = draw(2, L, D), draw(2, 3, 32, 32, seed=1)
    step, axes = 1e-5, torch.eye(L * D, dtype=EXACT).view(L * D, L, D)
    expected = []
    for w, y in zip(ws, noise / 32, strict=True):
        with torch.no_grad():
            sides = [generator.synthesis(w + sign * step * axes, "none") for sign in (1, -1)]
        product = ((sides[0] - sides[1]) / (2 * step) * y).sum((1, 2, 3))
        expected.append((product**2).sum().div(L).sqrt())
    ws.requires_grad_(True)
    lengths = path_lengths(generator.synthesis(ws, "none"), ws, noise)
    torch.testing.assert_close(lengths.detach(), torch.stack(expected), rtol=1e-6, atol=0)


def test_a_linear_generator_has_known_lengths():
    """Images 3 w: y of n pixels has the length sqrt(n), and the root of their number divides it."""
    ws = draw(4, 1, 12).requires_grad_(True)
    noise = torch.ones(4, 3, 2, 2, dtype=EXACT)
    lengths = path_lengths(3 * ws.view(4, 3, 2, 2), ws, noise)
    torch.testing.assert_close(lengths, torch.full((4,), 3 * 12**0.5 / 2, dtype=EXACT))


def test_the_gradient_of_the_penalty_is_right_to_second_order(generator):
    """Against differences of the penalty itself, in each of a few weights of every kind."""
    penalty = PathLength().double()
    penalty.update(torch.tensor(40.0, dtype=EXACT))
    ws, noise = draw(2, generator.config.num_layers, 16), draw(2, 3, 32, 32, seed=1)

    def loss():
        codes = ws.clone().requires_grad_(True)
        return penalty(path_lengths(generator.synthesis(codes, "const"), codes, noise))

    names = ("blocks.1.conv0.weight", "blocks.2.conv1.bias", "blocks.3.to_rgb.affine.weight")
    weights = [generator.synthesis.get_parameter(name) for name in names]
    gradients = torch.autograd.grad(loss(), weights)
    for weight, gradient in zip(weights, gradients, strict=True):
        assert gradient.abs().max() > 0
        index = int(gradient.abs().argmax())
        with torch.no_grad():
            kept, step = weight.view(-1)[index].item(), 1e-5
            sides = []
            for sign in (1, -1):
                weight.view(-1)[index] = kept + sign * step
                with torch.enable_grad():
                    sides.append(loss().item())
            weight.view(-1)[index] = kept
        numeric = (sides[0] - sides[1]) / (2 * step)
        assert numeric == pytest.approx(gradient.view(-1)[index].item(), rel=1e-5)


def test_the_running_mean_follows_slowly():
    penalty = PathLength()
    for _ in range(3):
        penalty.update(torch.tensor(2.0))
    assert penalty.mean.item() == pytest.approx(2 * (1 - 0.99**3))
    lengths = torch.tensor([1.0, 3.0])
    assert penalty(lengths) == pytest.approx((lengths - penalty.mean).square().mean().item())


def trainer(**changes):
    recipe = dataclasses.replace(load_recipe("demo64-cpu"), model=tiny_model.config())
    settings = {
        "batch_size": 4,
        "micro_batch": 2,
        "total_images": 16,
        "projected_network": "none",
        "path_length_weight": 2.0,
        "path_length_every": 2,
        "precision": "float32",
        **changes,
    }
    drawn = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (6, 3, 32, 32), generator=drawn, dtype=torch.uint8)
    photographs = Photographs(images, DataConfig(), 1)
    return PriorTrainer(recipe.with_stage("prior", **settings), photographs, torch.device("cpu"))


def test_it_joins_every_few_steps_and_only_the_generator_learns_from_it():
    plain, regular = trainer(path_length_weight=0.0), trainer()
    assert "path_length" not in plain.modules
    for start in (0, 4, 8):
        assert ("path_penalty" in regular._gradients(start, start).scalars) == (start != 4)
        assert "path_penalty" not in plain._gradients(start, start).scalars
    first, second = plain._gradients(0, 0).by_network, regular._gradients(0, 0).by_network
    assert_same(list(first["discriminator"]), list(second["discriminator"]))
    names = [name for name, _ in plain.generator.named_parameters()]
    for name in ("mapping.layers.0.weight", "synthesis.blocks.3.conv1.weight"):
        index = names.index(name)
        assert not torch.allclose(first["generator"][index], second["generator"][index])


def test_the_term_weighs_as_much_as_the_recipe_says():
    """Lazy: a term every other step counts twice."""
    plain, once, lazy = (
        trainer(path_length_weight=weight, path_length_every=every)._gradients(0, 0)
        for weight, every in ((0.0, 1), (1.0, 1), (3.0, 2))
    )
    for a, b, c in zip(
        *(part.by_network["generator"] for part in (plain, once, lazy)), strict=True
    ):
        torch.testing.assert_close(c - a, 6 * (b - a), rtol=1e-3, atol=1e-4 * float(c.abs().max()))


def test_the_mean_is_over_the_batch_and_belongs_to_the_state(tmp_path):
    whole = trainer()
    lengths = [whole._gradients(start, 0).scalars["path_length"] for start in (0, 2)]
    go(trainer(total_images=4), tmp_path / "one")
    saved = state_of(tmp_path / "one")["modules"]["path_length"]["mean"]
    torch.testing.assert_close(saved, 0.01 * torch.stack(lengths).mean().detach())
    go(whole, tmp_path / "whole")
    first = trainer()
    step = first.step
    first.step = lambda nimg: (stop() if nimg == 8 else None, step(nimg))[1]
    assert go(first, tmp_path / "parts") == 12
    go(trainer(), tmp_path / "parts")
    assert_same(state_of(tmp_path / "parts"), state_of(tmp_path / "whole"))


def test_feature_maps_in_half_precision_give_nearly_the_same_lengths():
    exact, half = (
        trainer(precision=precision)._gradients(0, 0).scalars["path_length"].item()
        for precision in ("float32", "bfloat16")
    )
    assert half == pytest.approx(exact, rel=0.05) and half != exact
