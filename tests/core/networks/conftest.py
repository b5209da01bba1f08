"""The same initial weights in every test."""

import pytest
import torch


@pytest.fixture(autouse=True)
def fixed_weights():
    """Networks draw their start from the global generator, which is then put back."""
    with torch.random.fork_rng():
        torch.manual_seed(20231002)
        yield
