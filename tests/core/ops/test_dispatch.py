"""Which backend runs: the one asked for, else the best that can."""

import logging
import sys
import threading
from types import SimpleNamespace

import pytest
import torch

from diverse_inpainting.core.errors import BackendError
from diverse_inpainting.core.ops import (
    bias_act,
    dispatch,
    list_backends,
    setup_filter,
    upsample2d,
    use_backend,
)


@pytest.fixture(autouse=True)
def backend():
    """No wish but those that the tests make."""


@pytest.fixture
def absent(monkeypatch):
    """A backend that is preferred to all others and cannot be imported."""
    monkeypatch.setattr(dispatch, "BACKENDS", ("absent", *dispatch.BACKENDS))
    monkeypatch.setattr(dispatch, "_loaded", {})
    monkeypatch.setattr(dispatch, "_reasons", {})
    return "absent"


def provide(monkeypatch, name, why_not, functions):
    """Put a backend beside the real ones."""
    package = SimpleNamespace(why_not=why_not)
    monkeypatch.setitem(sys.modules, f"{dispatch.__package__}.{name}", package)
    monkeypatch.setattr(dispatch, "_loaded", dispatch._loaded | {name: functions})
    monkeypatch.setattr(dispatch, "_reasons", {})


@pytest.fixture
def marked(monkeypatch):
    """A backend that can run and whose bias_act is told by its result."""
    functions = {"bias_act": lambda x, *_: torch.full_like(x, 42.0)}
    provide(
        monkeypatch,
        "marked",
        lambda device: None if device.type == "cpu" else "requires a CPU",
        functions,
    )
    monkeypatch.setattr(dispatch, "BACKENDS", (*dispatch.BACKENDS, "marked"))
    return "marked"


def is_marked():
    return bool((bias_act(torch.zeros(1, 1)) == 42.0).all())


def test_the_reference_runs_everywhere():
    assert list_backends()["reference"] is None
    assert list(list_backends()) == list(dispatch.BACKENDS)


def test_the_list_tells_why_a_backend_cannot_run(absent):
    reasons = list_backends()
    assert next(iter(reasons)) == absent
    assert "absent" in reasons[absent]
    assert reasons["reference"] is None


def test_without_a_wish_the_best_that_can_run_is_taken(absent):
    assert torch.equal(bias_act(torch.ones(1, 1)), torch.ones(1, 1))


def test_a_backend_that_cannot_run_is_refused_with_the_reason(absent):
    with pytest.raises(BackendError) as caught, use_backend(absent):
        pytest.fail("the block ran")
    reason = list_backends()[absent]
    assert reason in str(caught.value)
    assert "reference" in caught.value.expected


def test_an_unknown_backend_is_refused():
    with (
        pytest.raises(BackendError, match=r"'cuda13'.*there is no such backend"),
        use_backend("cuda13"),
    ):
        pytest.fail("the block ran")


def test_availability_is_decided_once(absent, caplog):
    with caplog.at_level(logging.INFO, logger=dispatch.__name__):
        for _ in range(3):
            list_backends(torch.device("cpu"))
            bias_act(torch.zeros(1, 1))
    assert caplog.text.count("ops backend absent is not used on") == 1


def test_a_wish_holds_inside_the_block_only(marked):
    assert not is_marked()
    with use_backend(marked):
        assert is_marked()
        with use_backend("reference"):
            assert not is_marked()
        assert is_marked()
    assert not is_marked()


def test_a_wish_ends_with_an_exception(marked):
    with pytest.raises(KeyError), use_backend(marked):
        raise KeyError
    assert not is_marked()


def test_a_wish_of_one_thread_is_none_of_another(marked):
    seen = []
    with use_backend(marked):
        thread = threading.Thread(target=lambda: seen.append(is_marked()))
        thread.start()
        thread.join()
        assert is_marked()
    assert seen == [False]


def test_what_a_backend_lacks_runs_on_the_reference(marked):
    with use_backend(marked):
        doubled = upsample2d(torch.ones(1, 1, 2, 2), setup_filter())
    assert torch.equal(doubled, upsample2d(torch.ones(1, 1, 2, 2), setup_filter()))


def test_a_backend_that_does_not_run_on_the_tensors_is_refused(marked):
    with (
        use_backend(marked),
        pytest.raises(BackendError, match=r"'marked' cannot run on meta \(requires a CPU\)"),
    ):
        bias_act(torch.zeros(1, 1, device="meta"))


def test_without_a_wish_a_backend_that_does_not_run_there_is_passed_over(monkeypatch, marked):
    monkeypatch.setattr(dispatch, "BACKENDS", (marked, "reference"))
    assert is_marked()
    assert bias_act(torch.zeros(1, 1, device="meta")).device.type == "meta"


def test_gradients_run_on_the_backend_of_the_forward_pass(marked):
    """Autograd runs them in other threads, outside the block."""
    x = torch.ones(1, 1, requires_grad=True)
    with use_backend(marked):
        y = bias_act(x)
    with use_backend("reference"):
        (gradient,) = torch.autograd.grad(y, x, create_graph=True)
    assert y.grad_fn.settings[-1] == marked
    assert gradient.item() == 1


def test_on_a_cpu_nobody_waits_for_triton(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(dispatch, "_loaded", {})
    monkeypatch.setattr(dispatch, "_reasons", {})
    bias_act(torch.zeros(1, 1))
    assert set(dispatch._loaded) == {"reference"}
    assert list_backends(torch.device("cpu"))["triton"] == "requires CUDA"


def test_a_backend_whose_kernels_cannot_be_launched_is_passed_over(monkeypatch, caplog):
    """Triton imports wherever CUDA's torch is, and then finds no C compiler."""
    provide(monkeypatch, "bare", lambda device: "no C compiler", {})
    monkeypatch.setattr(dispatch, "BACKENDS", ("bare", *dispatch.BACKENDS))
    with caplog.at_level(logging.INFO, logger=dispatch.__name__):
        assert torch.equal(bias_act(torch.ones(1, 1)), torch.ones(1, 1))
    assert "bare is not used on cpu: no C compiler" in caplog.text
