"""Directions found in a generator itself, against samples that the search has not seen."""

import numpy as np
import pytest
import torch

import tiny_model
from diverse_inpainting.core.directions import (
    DISCOVERY_METHODS,
    STANDARD_DEVIATION,
    discover_direction,
)
from diverse_inpainting.core.errors import InputError

ID = "ab" * 32
LAYERS = (2, 5)


@pytest.fixture(scope="module")
def generator():
    return tiny_model.build_lively().generator


@pytest.mark.parametrize("method", DISCOVERY_METHODS)
def test_strength_1_is_one_standard_deviation_of_w(generator, method):
    z = torch.randn(20_000, 16, generator=torch.Generator().manual_seed(77))
    w = generator.mapping(z).detach().double().numpy()
    for component in (0, 1):
        found = discover_direction(generator, ID, method, component, LAYERS)
        vector = found.vector.double().numpy()
        length = np.linalg.norm(vector)
        # 512 samples know a deviation to 3 %.
        assert length == pytest.approx((w @ (vector / length)).std(), rel=0.1)
        assert (found.name, found.unit) == (f"{method}:{component}", STANDARD_DEVIATION)
        assert (found.first_layer, found.last_layer, found.generator_id) == (*LAYERS, ID)


def test_sefa_reads_the_weights_of_its_layers_and_ganspace_no_weights_of_synthesis(generator):
    def along(method, layers):
        return torch.nn.functional.normalize(
            discover_direction(generator, ID, method, 0, layers).vector, dim=0
        )

    assert torch.equal(along("ganspace", (0, 1)), along("ganspace", LAYERS))
    assert (along("sefa", (0, 1)) - along("sefa", LAYERS)).abs().max() > 0.01


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "pca"}, "method"),
        ({"component": 16}, "component"),
        ({"layers": (-1, 5)}, "first_layer"),
        ({"layers": (0, 8)}, "last_layer"),
        ({"layers": (3, 2)}, "last_layer"),
    ],
)
@pytest.mark.parametrize("method", DISCOVERY_METHODS)
def test_what_does_not_exist_is_refused(generator, method, change, message):
    arguments = {"method": method, "component": 0, "layers": LAYERS, **change}
    with pytest.raises(InputError, match=message):
        discover_direction(generator, ID, **arguments)
