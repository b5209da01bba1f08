"""SeFa against NumPy's singular value decomposition and cases solved by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from diverse_inpainting.core.directions import (
    apply_direction,
    discover_sefa,
    factorise,
    select_affines,
)
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.latents import WPlus
from diverse_inpainting.core.networks import GeneratorConfig, ModelConfig, build

ID = "ab" * 32


def _weights(*shapes: tuple[int, int]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def _affines(weights: list[Tensor]) -> list[tuple[int, Tensor]]:
    """Give layers 1, 2, ... one weight each."""
    return list(enumerate(weights, 1))


def test_factors_are_those_of_the_svd() -> None:
    weights = _weights((20, 7), (9, 7), (3, 7))
    rows = torch.cat(weights).double().numpy()
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    _, singular, oracle = np.linalg.svd(rows, full_matrices=False)
    values, vectors = factorise(weights)
    np.testing.assert_allclose(values, singular**2, rtol=1e-10)
    for vector, wanted in zip(vectors.numpy(), oracle, strict=True):
        sign = np.sign(wanted[np.abs(wanted).argmax()])
        np.testing.assert_allclose(vector, sign * wanted, atol=1e-10)


def test_a_case_by_hand() -> None:
    # Three channels follow the second coordinate, one the first: loudness does not count.
    loud_first = torch.tensor([[100.0, 0.0], [0.0, -1.0], [0.0, 2.0], [0.0, 0.1]])
    values, vectors = factorise([loud_first])
    np.testing.assert_allclose(values, [3.0, 1.0])
    np.testing.assert_allclose(vectors, [[0.0, 1.0], [1.0, 0.0]], atol=1e-12)


def test_a_dead_channel_does_no_harm() -> None:
    weights = _weights((20, 7))
    with_dead = torch.cat([weights[0], torch.zeros(2, 7)])
    for first, second in zip(factorise(weights), factorise([with_dead]), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-10)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    scales=st.lists(st.floats(1e-3, 1e3), min_size=12, max_size=12),
    signs=st.lists(st.sampled_from([-1.0, 1.0]), min_size=12, max_size=12),
    order=st.permutations(range(12)),
)
def test_neither_scale_nor_sign_nor_order_of_the_channels_counts(
    scales: list[float], signs: list[float], order: list[int]
) -> None:
    rows = _weights((12, 4))[0].double()
    factors = torch.tensor(scales, dtype=torch.float64) * torch.tensor(signs, dtype=torch.float64)
    changed = (rows * factors[:, None])[list(order)]
    for first, second in zip(factorise([rows]), factorise([changed]), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-8)


def test_a_direction_has_length_one_without_samples() -> None:
    weights = _weights((20, 7), (9, 7), (6, 7), (30, 7))
    direction = discover_sefa(_affines(weights), 2, 1, 3, ID)
    assert direction.vector.dtype == torch.float32
    assert abs(float(direction.vector.norm()) - 1) < 1e-6
    assert (direction.name, direction.generator_id) == ("sefa:2", ID)
    assert (direction.first_layer, direction.last_layer) == (1, 3)
    assert direction.unit == "a step of length 1 in w"
    assert "component 2, layers 1-3" in direction.source
    assert torch.equal(direction.vector, factorise(weights[:3])[1][2].float())


def test_strength_1_is_one_standard_deviation_of_the_samples() -> None:
    weights = _weights((20, 3))
    plain = discover_sefa(_affines(weights), 0, 1, 1, ID).vector
    scale = torch.tensor([0.5, 2.0, 3.0])
    # Correlated on purpose: deviations of the coordinates alone would give another number.
    samples = _weights((4000, 3))[0] * scale + _weights((4000, 1))[0] + 5
    direction = discover_sefa(_affines(weights), 0, 1, 1, ID, w_samples=samples)
    covariance = np.cov(samples.double().numpy().T)
    wanted = float(np.sqrt(plain.double().numpy() @ covariance @ plain.double().numpy()))
    np.testing.assert_allclose(direction.vector, wanted * plain, rtol=1e-5)
    assert direction.unit == "one standard deviation of w"


@pytest.mark.parametrize("component", [-1, 7, 1.0])
def test_components_outside_are_refused(component: int) -> None:
    with pytest.raises(InputError, match="component"):
        discover_sefa(_affines(_weights((20, 7))), component, 1, 1, ID)


@pytest.mark.parametrize(
    "weights", [[], [torch.ones(3)], [torch.ones(2, 3), torch.ones(2, 4)], [torch.ones(1, 2, 3)]]
)
def test_other_shapes_are_refused(weights: list[Tensor]) -> None:
    with pytest.raises(InputError, match=r"affine weights of shape \[C, D\]"):
        factorise(weights)


def test_weights_must_be_finite() -> None:
    with pytest.raises(InputError, match="values of the affine weights are NaN"):
        factorise([torch.full((2, 3), float("nan"))])


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (torch.ones(1, 7), "at least two samples"),
        (torch.ones(9, 6), r"shape \[N, 7\], got \[9, 6\]"),
        (torch.ones(7), "at least two samples"),
        (torch.ones(9, 7), "samples of w do not vary"),
        (torch.full((9, 7), float("nan")), "values of the samples of w are NaN"),
    ],
)
def test_samples_are_checked(samples: Tensor, words: str) -> None:
    with pytest.raises(InputError, match=words):
        discover_sefa(_affines(_weights((20, 7))), 0, 1, 1, ID, w_samples=samples)


def test_layers_outside_the_generator_are_refused() -> None:
    with pytest.raises(InputError, match="last_layer"):
        discover_sefa(_affines(_weights((20, 7))), 0, 1, 2, ID)


def test_layers_are_selected_with_all_their_affines() -> None:
    weights = _weights((2, 3), (3, 3), (4, 3), (5, 3))
    affines = list(zip([0, 1, 1, 2], weights, strict=True))
    assert [len(weight) for weight in select_affines(affines, 1, 1)] == [3, 4]
    assert [len(weight) for weight in select_affines(affines, 0, 2)] == [2, 3, 4, 5]
    for first, last in ((-1, 0), (0, 3), (2, 1)):
        with pytest.raises(InputError, match="_layer"):
            select_affines(affines, first, last)


def test_the_first_component_moves_the_styles_of_a_generator_most() -> None:
    torch.manual_seed(2)
    config = GeneratorConfig(
        resolution=32, z_dim=8, w_dim=8, channel_base=256, channel_max=16, mapping_depth=2
    )
    synthesis = build(ModelConfig(generator=config)).generator.synthesis
    affines = list(synthesis.style_affines())
    assert {layer for layer, _ in affines} == set(range(config.num_layers))
    chosen = select_affines(affines, 2, 5)
    rows = torch.cat(chosen).detach()
    rows = rows / rows.norm(dim=1, keepdim=True)
    w = WPlus(torch.zeros(1, 1, config.num_layers, 8), ID)

    def style_change(component: int) -> float:
        direction = discover_sefa(affines, component, 2, 5, ID)
        moved = apply_direction(w, direction, 1.0)
        assert not bool(moved.codes[:, :, :2].any()) and not bool(moved.codes[:, :, 6:].any())
        return float((rows @ moved.codes[0, 0, 3]).norm())

    changes = [style_change(component) for component in range(8)]
    assert changes == sorted(changes, reverse=True)
    assert changes[0] > 1.2 * changes[-1]
