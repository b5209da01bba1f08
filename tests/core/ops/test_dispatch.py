"""Which backend runs: the one asked for, else the best that can."""

import logging
import threading

import pytest
import torch

from diverse_inpainting.core.errors import BackendError
from diverse_inpainting.core.ops import bias_act, dispatch, list_backends, use_backend


@pytest.fixture
def absent(monkeypatch):
    """A backend that is preferred to all others and cannot be imported."""
    monkeypatch.setattr(dispatch, "BACKENDS", ("absent", *dispatch.BACKENDS))
    monkeypatch.setattr(dispatch, "_loaded", {})
    return "absent"


@pytest.fixture
def marked(monkeypatch):
    """A backend that can run and whose bias_act is told by its result."""
    functions = {op: dispatch._load("reference")[op] for op in dispatch.OPS}
    functions["bias_act"] = lambda x, bias, slope, gain: torch.full_like(x, 42.0)
    monkeypatch.setattr(dispatch, "BACKENDS", (*dispatch.BACKENDS, "marked"))
    monkeypatch.setattr(dispatch, "_loaded", dispatch._loaded | {"marked": functions})
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
            list_backends()
            bias_act(torch.zeros(1, 1))
    assert len(caplog.records) == 1
    assert absent in caplog.text


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
