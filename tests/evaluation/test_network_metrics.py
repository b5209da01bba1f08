"""Metrics whose weights are not there are left out with a word on how to get them."""

import sys

import pytest
import torch

from diverse_inpainting.core.errors import CheckpointError
from diverse_inpainting.evaluation import network_metrics as module
from diverse_inpainting.evaluation.network_metrics import network_metrics
from diverse_inpainting.evaluation.types import MetricSuite

CPU = torch.device("cpu")
PACKAGES = ("torch_fidelity", "torchvision", "lpips")


def suites(tmp_path, download=False, **files):
    return network_metrics(files, tmp_path / "features.sqlite", CPU, download)


def left_out(suite):
    ((name, facts),) = suite.facts.items()
    assert not suite.per_set and not suite.per_image
    return name, facts["left_out"]


def test_without_weights_the_options_are_named(tmp_path):
    assert [left_out(suite) for suite in suites(tmp_path)] == [
        ("inception", "give --inception weights-inception-2015-12-05-6726825d.pth, or --download"),
        (
            "inception_imagenet",
            "give --inception-imagenet inception_v3_google-0cc3c7bd.pth, or --download",
        ),
        ("lpips", "give --lpips alexnet-owt-7be5be79.pth, or --download"),
        ("frechet_lite2", "give --lite2"),
    ]


def test_lite2_is_measured_if_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "lite2", lambda device: "network")
    monkeypatch.setattr(module, "frechet_metric", lambda *given: MetricSuite(facts={"of": given}))
    *_, suite = network_metrics({}, tmp_path / "features.sqlite", CPU, False, with_lite2=True)
    network, _, name = suite.facts["of"]
    assert (network, name) == ("network", "frechet_lite2")


def test_a_file_that_was_given_must_be_usable(tmp_path, monkeypatch):
    for package in PACKAGES:
        monkeypatch.setitem(sys.modules, package, None)
    for name in ("inception", "inception_imagenet", "lpips"):
        with pytest.raises(CheckpointError):
            suites(tmp_path, **{name: tmp_path / "absent.pth"})


def test_nothing_is_downloaded_for_a_package_that_is_not_there(tmp_path, monkeypatch):
    for package in PACKAGES:
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(module, "obtain", pytest.fail)
    reasons = [left_out(suite)[1] for suite in suites(tmp_path, download=True)[:-1]]
    assert all("diverse-inpainting[metrics]" in reason for reason in reasons)


def test_a_download_gives_the_metric_or_the_reason(tmp_path, monkeypatch):
    """The networks themselves are tested with features.py."""
    asked = []

    def obtain(published):
        asked.append(published)
        if published is module.INCEPTION:
            raise CheckpointError("a connection", "none", "Try again.")
        return tmp_path / published.filename

    monkeypatch.setattr(module, "obtain", obtain)
    monkeypatch.setattr(module, "import_library", lambda name: None)
    monkeypatch.setattr(module, "imagenet_inception", lambda weights, device: weights.name)
    monkeypatch.setattr(module, "lpips_distance", lambda weights, device: weights.name)
    monkeypatch.setattr(
        module, "inception_metrics", lambda *given: MetricSuite(facts={"of": given[0]})
    )
    monkeypatch.setattr(module, "lpips_diversity", lambda given: MetricSuite(facts={"of": given}))
    failed, imagenet, lpips, _ = suites(tmp_path, download=True)
    assert left_out(failed) == ("inception", "Expected a connection, got none. Try again.")
    assert imagenet.facts == {"of": "inception_v3_google-0cc3c7bd.pth"}
    assert lpips.facts == {"of": "alexnet-owt-7be5be79.pth"}
    assert asked == [module.INCEPTION, module.IMAGENET_INCEPTION, module.ALEXNET]
