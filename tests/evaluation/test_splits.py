"""Which images a model has learned from."""

import pytest
from PIL import Image

from diverse_inpainting.core.errors import ConfigError, InputError
from diverse_inpainting.core.image_digests import digest
from diverse_inpainting.evaluation.images import Storage
from diverse_inpainting.evaluation.splits import (
    known_images,
    refuse_trained,
    require_known,
    trained_names,
)
from evaluation_samples import in_threads


@pytest.fixture
def data(tmp_path):
    """Five images of different colours."""
    for k in range(5):
        path = tmp_path / "data" / f"{k}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (50 * k, 0, 0)).save(path)
    return tmp_path / "data"


def digests(data, *names):
    return frozenset(digest((data / name).read_bytes()) for name in names)


def test_images_are_known_by_their_bytes_under_any_name(data, tmp_path):
    known = digests(data, "1.png", "3.png", "4.png")
    (data / "1.png").rename(data / "renamed.png")
    Image.new("RGB", (9, 9), (150, 0, 0)).save(data / "3.png")
    names = ["0.png", "2.png", "3.png", "4.png", "renamed.png"]
    expected = {"4.png", "renamed.png"}
    assert trained_names(data, names, known, Storage(tmp_path)) == expected
    assert trained_names(data, names[:3], known, Storage(tmp_path)) == set()

    def work(processes):
        return trained_names(data, names, known, Storage(tmp_path / "out", processes))

    assert in_threads(2, work) == [expected] * 2


def test_a_generator_from_elsewhere_knows_nothing(tiny_checkpoint):
    assert known_images(None) is None and known_images(tiny_checkpoint) is None
    with pytest.raises(ConfigError, match="not known which images"):
        require_known(None)
    assert require_known(frozenset()) == frozenset()


def test_trained_images_are_refused_by_name():
    refuse_trained([], 9)
    with pytest.raises(
        InputError, match=r"from 2 of the 9 images, the first being a\.png.*--split"
    ):
        refuse_trained({"b.png", "a.png"}, 9)
