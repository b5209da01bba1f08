"""The live page in Chromium: its answers, edits, blends, downloads and links."""

import numpy as np
import pytest
import torch
from PIL import Image

import web_page
from diverse_inpainting.core.code_files import read_codes
from diverse_inpainting.core.editor import Edit
from diverse_inpainting.core.examples import EXAMPLES
from diverse_inpainting.core.inpainter import Inpainter

pytestmark = pytest.mark.browser

MAX_LEVELS = 2  # of 255, between the page and the library


def test_a_stroke_gives_sixteen_different_answers(live):
    live.wait_for_answers()
    assert len(set(live.thumbnails())) == 16


def test_a_slider_changes_picture_and_answers(live):
    live.wait_for_answers()
    picture, answers = live.picture(), live.thumbnails()
    slider = live.page.get_by_label("warmth")
    slider.fill("3")
    live.wait_for_answers()
    changed = live.picture()
    assert changed != picture
    assert all(old != new for old, new in zip(answers, live.thumbnails(), strict=True))
    slider.fill("0")
    live.wait_for_picture()
    assert live.picture() == picture


def test_a_download_is_what_the_library_makes(live, tmp_path):
    image = (
        Image.open(EXAMPLES["tabby and white"])
        .convert("RGB")
        .resize((300, 300))
        .crop((0, 20, 300, 260))
    )
    image.save(tmp_path / "cat.png")
    live.page.set_input_files("#file", tmp_path / "cat.png")
    live.wait("location.hash.includes('p=') === false")
    live.paint(*web_page.STROKE)
    live.page.click(".more summary")
    live.page.fill("#seed", "18446744073709551615")
    live.page.press("#seed", "Enter")
    live.page.get_by_label("warmth").fill("1.5")
    live.wait_for_answers()
    live.choose(5)
    live.wait_for_picture()
    live.download(tmp_path / "result.png")
    mask = live.mask(*image.size)
    assert 0.01 < mask.mean() < 0.5
    made = Inpainter.load("cats", precision="float32").inpaint(
        image,
        torch.from_numpy(255 * mask),
        num_variants=6,
        seed=2**64 - 1,
        edits=[Edit("warmth", 1.5)],
    )
    stored = read_codes(tmp_path / "result.png")
    assert stored.labels == (f"seed {2**64 - 1} / #5",)
    assert (stored.codes - made.codes.codes[:, 5:]).abs().max() < 0.05  # weights of float16
    result = np.asarray(Image.open(tmp_path / "result.png")).astype(int)
    difference = np.abs(result - np.asarray(made.to_pil()[0][5]))
    assert difference.max() <= MAX_LEVELS
    assert (difference[mask == 0] == 0).all()


def test_a_download_waits_for_the_answer_that_was_chosen(live, tmp_path):
    live.wait_for_answers()
    live.choose(9)
    live.download(tmp_path / "result.png")
    assert read_codes(tmp_path / "result.png").labels[0].endswith("#9")


def test_locked_answers_stay(live):
    live.wait_for_answers()
    live.page.locator("#grid li > button:last-child").nth(2).click()
    before = live.thumbnails()
    live.page.click("#new")
    live.wait_for_answers()
    after = live.thumbnails()
    assert [k for k in range(16) if before[k] == after[k]] == [2]


def test_dragging_one_answer_onto_another_blends_them(live):
    cells = live.page.locator("#grid li > button:first-child")
    live.wait("document.querySelectorAll('#grid li.ready').length > 2")
    live.choose(1)
    live.wait_for_picture()
    first = live.picture()
    cells.nth(1).drag_to(cells.nth(2))
    live.wait_for_picture()
    assert live.picture() != first
    live.page.locator("#blend input").fill("0")
    live.wait_for_picture()
    assert live.picture() == first


def test_a_link_shows_the_same_to_others(live, browser):
    live.page.get_by_label("contrast").fill("-2")
    live.wait_for_answers()
    live.choose(4)
    live.wait_for_picture()
    other = web_page.LivePage(browser, live.page.url)
    other.wait_for_answers()
    assert other.picture() == live.picture()
    assert other.thumbnails() == live.thumbnails()
    other.context.close()
