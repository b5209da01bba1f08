"""The live page in Chromium: pictures of any kind, and how they are opened."""

import numpy as np
import pytest
from PIL import Image

import web_page
from diverse_inpainting.core.examples import EXAMPLES

pytestmark = pytest.mark.browser


def test_a_photograph_of_20_megapixels(live, tmp_path):
    cat = Image.open(EXAMPLES["siamese"]).resize((5472, 3648))
    cat.save(tmp_path / "large.jpg", quality=90)
    live.page.set_input_files("#file", tmp_path / "large.jpg")
    live.wait("location.hash.includes('p=') === false")
    live.paint(*web_page.STROKE)
    live.wait_for_picture()
    live.download(tmp_path / "result.png")
    result = np.asarray(Image.open(tmp_path / "result.png")).astype(int)
    mask = live.mask(5472, 3648)
    differs = np.abs(result - np.asarray(Image.open(tmp_path / "large.jpg"))).max(axis=2) > 3
    assert differs[mask > 0].mean() > 0.5
    assert not differs[mask == 0].any()


def test_a_file_that_is_no_picture_gets_a_sentence(live, tmp_path):
    (tmp_path / "notes.png").write_text("no picture")
    before = live.picture()
    live.page.set_input_files("#file", tmp_path / "notes.png")
    live.wait("document.getElementById('status').classList.contains('bad')")
    assert live.status.startswith("This file is not a picture that this browser can read.")
    assert live.picture() == before


def test_of_two_pictures_opened_at_once_the_later_one_stays(live, tmp_path):
    cat = Image.open(EXAMPLES["siamese"])
    cat.resize((6000, 4000)).save(tmp_path / "large.jpg")
    cat.resize((200, 100)).save(tmp_path / "small.png")
    for name in ("large.jpg", "small.png"):
        live.page.set_input_files("#file", tmp_path / name)
    live.page.wait_for_timeout(3000)  # longer than the large one takes
    live.paint((0.4, 0.5), (0.6, 0.5))
    live.wait_for_picture()
    live.download(tmp_path / "result.png")
    assert Image.open(tmp_path / "result.png").size == (200, 100)


def test_a_link_waits_for_its_picture(live, browser, tmp_path):
    Image.open(EXAMPLES["siamese"]).resize((200, 200)).save(tmp_path / "mine.png")
    (tmp_path / "broken.png").write_text("no picture")
    live.page.set_input_files("#file", tmp_path / "mine.png")
    live.wait("location.hash.includes('p=') === false")
    live.paint(*web_page.STROKE)
    live.wait_for_picture()
    other = web_page.LivePage(browser, live.page.url)
    other.wait_for_answers()
    assert other.status.startswith("This link needs its picture.")
    for name in ("broken.png", "mine.png"):
        other.page.set_input_files("#file", tmp_path / name)
        other.page.wait_for_timeout(500)
    other.wait_for_picture()
    assert other.picture() == live.picture()
    other.context.close()


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_pictures_can_be_dropped_and_pasted(live, kind):
    script = """async (kind) => {
      const blob = await (await fetch("pictures/4.jpg")).blob()
      const data = new DataTransfer()
      data.items.add(new File([blob], "cat.jpg", { type: "image/jpeg" }))
      const event = kind === "drop"
        ? new DragEvent("drop", { dataTransfer: data, cancelable: true })
        : new ClipboardEvent("paste", { clipboardData: data })
      document.dispatchEvent(event)
    }"""
    before = live.picture()
    live.page.evaluate(script, kind)
    live.wait("location.hash.includes('p=') === false")
    assert live.picture() != before
    assert live.page.locator("#grid li.ready").count() == 0
