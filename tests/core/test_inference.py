"""Public methods compute in their own precision, whatever the caller has set."""

import pytest
import torch

from diverse_inpainting.core.inference import inference


@inference
def multiply(a, b):
    return a @ b


def test_no_gradients_and_no_autocast():
    a = torch.rand(3, 3, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        assert (a @ a).dtype == torch.bfloat16
        assert multiply(a, a).dtype == torch.float32
        assert torch.is_autocast_enabled("cpu")
    assert torch.equal(multiply(a, a), a @ a)
    assert not multiply(a, b=a).requires_grad and (a @ a).requires_grad


def test_errors_pass_and_nothing_stays_switched_off():
    with torch.autocast("cpu", torch.bfloat16):
        with pytest.raises(RuntimeError):
            multiply(torch.rand(2, 3), torch.rand(2, 3))
        assert torch.is_autocast_enabled("cpu")
    assert torch.is_grad_enabled()
