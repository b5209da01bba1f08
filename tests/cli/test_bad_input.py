"""`inpaint` on bad input: the right result or one clear sentence, and the others go on."""

import io

import numpy as np
import pytest
from PIL import Image

from answers import box, noise, pixels, refused, save


def truncated():
    file = io.BytesIO()
    Image.fromarray(noise(64, 64)).save(file, "PNG")
    return file.getvalue()[:2000]


@pytest.mark.parametrize("content", [b"a text, not an image\n", b"", truncated()])
def test_bad_files_are_named_and_the_others_go_on(inpaint, tmp_path, content):
    save(tmp_path / "photos" / "a.png", noise(32, 32))
    (tmp_path / "photos" / "bad.png").write_bytes(content)
    mask = save(tmp_path / "m.png", box(32, 32))
    answer = inpaint("photos", "--mask", mask, "--out", "out")
    assert answer.code == 1
    assert answer.out == "1 done, 0 skipped, 1 failed; results in out\n"
    (line,) = [line for line in answer.err.splitlines() if line.startswith("failed: ")]
    assert line.startswith("failed: photos/bad.png is damaged or not an image"), "named once"


def greyscale_16_bit():
    return (np.arange(40 * 40, dtype=np.uint16) * 40).reshape(40, 40)


@pytest.mark.parametrize(
    "image", [noise(1, 1), noise(40, 40, 1), greyscale_16_bit(), noise(40, 40, 4), noise(3, 90)]
)
def test_unusual_images_work_and_keep_their_size(inpaint, tmp_path, image):
    save(tmp_path / "a.png", image)
    save(tmp_path / "m.png", np.full(image.shape[:2], 255, np.uint8))
    answer = inpaint("a.png", "--mask", "m.png", "--out", "out")
    assert answer.code == 0, answer.err
    assert pixels(tmp_path / "out" / "a-1.png").shape == (*image.shape[:2], 3)


def test_a_mask_of_another_size_is_resized_when_the_aspect_fits(inpaint, tmp_path):
    save(tmp_path / "a.png", noise(40, 60)), save(tmp_path / "m.png", box(80, 120))
    assert inpaint("a.png", "--mask", "m.png", "--out", "out").code == 0
    save(tmp_path / "m.png", box(60, 40))
    answer = inpaint("a.png", "--mask", "m.png", "--out", "other")
    assert answer.code == 1 and "failed: a.png: Expected" in answer.err


@pytest.mark.parametrize("masked", [True, False])
def test_nothing_to_fill_is_explained(inpaint, tmp_path, masked):
    opaque = noise(32, 32, 4)
    opaque[:, :, 3] = 255
    save(tmp_path / "a.png", opaque), save(tmp_path / "m.png", np.zeros((32, 32), np.uint8))
    answer = inpaint("a.png", "--out", "out", *(("--mask", "m.png") if masked else ()))
    assert answer.code == 1 and "failed: a.png: The hole mask" in answer.err
    assert not list((tmp_path / "out").iterdir())


def test_images_of_one_stem_are_refused_and_the_others_go_on(inpaint, tmp_path):
    for name in ("a.png", "a.jpg", "b.png"):
        save(tmp_path / "photos" / name, noise(32, 32))
    mask = save(tmp_path / "m.png", box(32, 32))
    answer = inpaint("photos", "--mask", mask, "--out", "out")
    assert answer.code == 1 and answer.out.startswith("1 done, 0 skipped, 2 failed")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("b-0.png", "b-1.png", "b-sheet.png")
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("absent.png", "--out", "out"), "does not exist"),
        (("photos", "--mask", "absent", "--out", "out"), "does not exist"),
        (("empty", "--out", "out"), "No images"),
        (("photos", "--out", "photos"), "The folder for the results"),
        (("photos", "--out", "photos/a.png"), "Cannot write to photos/a.png"),
        (("photos", "--out", "photos/a.png/below"), "Cannot write to photos/a.png"),
        (("photos", "--out", "out", "--seed", 2**64), "seed"),
        (("photos", "--out", "out", "--seed", -1), "seed"),
        (("photos", "--out", "out", "--edit", "smile=1"), "smile"),
        (("photos", "--out", "out", "--edit", "smile"), "NAME=STRENGTH"),
        (("photos", "--out", "out", "--edit", "sefa:99=1"), "component"),
        (("photos", "--out", "out", "--crop", "hat"), "hat"),
        (("photos", "--out", "out", "--truncation", "nan"), "truncation"),
        (("photos", "--out", "out", "--skip-source", "x"), "skip_source"),
        (("photos", "--out", "out", "--blend", "x"), "blend"),
        (("photos", "--out", "out", "--device", "toaster"), "toaster"),
        (("photos", "--out", "out", "--model", "dogs"), "dogs"),
        (("photos", "--out", "out", "--model", "somebody/dogs"), "no permission to download"),
        (("photos", "--out", "out", "--model", "photos/a.png"), "a.png"),
    ],
)
def test_wrong_use_is_one_sentence(inpaint, tmp_path, arguments, words):
    save(tmp_path / "photos" / "a.png", noise(32, 32, 4))
    (tmp_path / "empty").mkdir()
    answer = inpaint(*arguments)
    assert refused(answer), answer
    assert words in answer.err
    assert {path.name for path in (tmp_path / "photos").iterdir()} == {"a.png"}
    assert not list(tmp_path.glob("out/*"))
