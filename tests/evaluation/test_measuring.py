"""What metrics get: a few images at a time in every process, whole sets in one."""

import dataclasses

import pytest
import torch

from diverse_inpainting.evaluation import images as module
from diverse_inpainting.evaluation import measuring
from diverse_inpainting.evaluation.images import Storage
from diverse_inpainting.evaluation.measuring import measure_images, measure_sets
from diverse_inpainting.evaluation.types import Estimate, ImageValues, MetricSuite
from evaluation_samples import in_threads, method, noise_output


def brightness(output):
    return {"brightness": ImageValues.of(output.results[:, 0].double().mean(dim=(1, 2, 3)))}


def methods(n):
    made = method(noise_output(n))
    other = dataclasses.replace(made, method="whole", is_paired=False)
    return [dataclasses.replace(made, method="m"), other]


@pytest.fixture
def returned(monkeypatch):
    """The times that freed memory went back to the system."""
    times = []
    monkeypatch.setattr(measuring, "return_freed_memory", lambda: times.append(1))
    return times


def test_each_image_is_measured_once_whatever_the_processes(tmp_path, monkeypatch, returned):
    monkeypatch.setattr(module, "CHUNK", 2)
    asked = []

    def measure(output):
        asked.append(len(output.names))
        return brightness(output)

    suites = (MetricSuite(per_image=(measure,)),)

    def work(processes):
        storage = Storage(tmp_path / f"{processes.world_size}", processes)
        return measure_images(methods(5), suites, storage, lambda fraction, step: None)

    expected = brightness(noise_output(5))["brightness"].values
    for count in (1, 2, 3):
        asked.clear()
        returned.clear()
        for found in in_threads(count, work):
            assert torch.equal(found["m"]["brightness"].values, expected)
            assert found["whole"] == {}, "unpaired"
        assert sorted(asked) == [1, 2, 2] and len(returned) == 3, "else the heap grows"


def test_sets_are_measured_by_bucket_and_method(tmp_path, returned):
    seen = []

    def rank(made):
        return {"rank": ImageValues.of(torch.arange(len(made.names)).double())}

    def count(parts):
        seen.append([part.method for part in parts])
        return [{"count": Estimate(len(part.names))} for part in parts]

    suites = (MetricSuite(per_method=(rank,), per_set=(count,)),)
    steps, per_image = [], {"m": {}, "whole": {}}
    found = measure_sets(methods(4), suites, per_image, lambda *step: steps.append(step))
    assert set(found["m"]) == {"(0,1]", "(0.4,1]", "(0.4,0.6]"}, "half of each image is erased"
    assert found["m"]["(0,1]"]["count"].value == found["whole"]["(0.4,1]"]["count"].value == 4
    assert found["m"]["(0,1]"]["rank"].value == 1.5 and "rank" not in found["whole"]["(0,1]"]
    assert ["m", "whole"] in seen and [] in seen
    assert len(returned) == len(seen) + 2, "after each metric; two methods have one"
    assert steps[0] == (0, "measuring m") and steps[-1][0] < 1
