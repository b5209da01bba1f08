"""GANSpace against NumPy, and a case by hand."""

import numpy as np
import pytest
import torch

from diverse_inpainting.core.directions import (
    STANDARD_DEVIATION,
    deviation_along,
    discover_ganspace,
    principal_components,
)
from diverse_inpainting.core.errors import InputError

ID = "ab" * 32


def samples(num, *deviations):
    generator = torch.Generator().manual_seed(3)
    return torch.randn(num, len(deviations), generator=generator) * torch.tensor(deviations) + 7


def test_components_are_the_eigenvectors_of_the_covariance():
    w = samples(50, 3.0, 1.0, 2.0) @ samples(3, 1.0, 1.0, 1.0)
    values, columns = np.linalg.eigh(np.cov(w.double().numpy().T))
    found = principal_components(w).numpy()
    for k, vector in enumerate(found):
        wanted = columns[:, ::-1][:, k]
        np.testing.assert_allclose(
            vector, wanted * np.sign(wanted[np.abs(wanted).argmax()]), atol=1e-9
        )
        assert deviation_along(w, torch.from_numpy(vector)) == pytest.approx(values[::-1][k] ** 0.5)


def test_a_direction_by_hand():
    """Four codes on two axes, squares 8 and 2 in sum, over N - 1 = 3."""
    w = torch.tensor([[2.0, 5.0], [-2.0, 5.0], [0.0, 6.0], [0.0, 4.0]])
    first, second = (discover_ganspace(w, k, 1, 3, ID) for k in (0, 1))
    torch.testing.assert_close(first.vector, torch.tensor([(8 / 3) ** 0.5, 0.0]))
    torch.testing.assert_close(second.vector, torch.tensor([0.0, (2 / 3) ** 0.5]))
    assert (first.name, first.unit) == ("ganspace:0", STANDARD_DEVIATION)
    assert (first.first_layer, first.last_layer, first.generator_id) == (1, 3, ID)
    assert "4 samples" in first.source


@pytest.mark.parametrize(
    ("w", "component", "message"),
    [
        (torch.zeros(1, 4), 0, "at least two samples"),
        (torch.zeros(3), 0, "at least two samples"),
        (torch.full((3, 4), float("nan")), 0, "values of the samples of w"),
        (torch.ones(3, 4), 0, "samples of w do not vary"),
        (samples(3, 1.0, 1.0), 2, "component"),
    ],
)
def test_what_cannot_be_used_is_refused(w, component, message):
    with pytest.raises(InputError, match=message):
        discover_ganspace(w, component, 0, 1, ID)


def test_a_deviation_needs_samples_of_its_width():
    with pytest.raises(InputError, match=r"shape \[N, 3\], got \[5, 2\]"):
        deviation_along(samples(5, 1.0, 1.0), torch.tensor([1.0, 0.0, 0.0]))
