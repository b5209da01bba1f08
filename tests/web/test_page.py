"""The live page in Chromium, with the bundled model: what `diverse-inpainting page` writes."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import front_end
import web_page
from diverse_inpainting.cli.page import page as write_page
from diverse_inpainting.core.code_files import read_codes
from diverse_inpainting.core.editor import Edit
from diverse_inpainting.core.examples import EXAMPLES
from diverse_inpainting.core.inpainter import Inpainter

pytestmark = pytest.mark.browser

MAX_LEVELS = 2  # of 255, between the page and the library
STROKE = [(0.4, 0.4), (0.5, 0.5), (0.6, 0.42)]


@pytest.fixture(scope="module")
def browser():
    with front_end.chromium() as started:
        yield started


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The page's files."""
    out = tmp_path_factory.mktemp("page")
    runtime = Path(web_page.RUNTIME) if web_page.RUNTIME else None
    write_page(
        out=out,
        runtime=runtime,
        download=runtime is None,
    )
    return out


@pytest.fixture(scope="module")
def site(folder):
    server = web_page.Site(folder)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def opened(browser, site):
    """The page, which opens with an example and a mask."""
    live = web_page.LivePage(browser, site.url)
    live.wait_for_picture()
    yield live
    assert [
        address for address in live.addresses if not address.startswith((site.url, "blob:"))
    ] == []


@pytest.fixture
def live(opened):
    """The page after a stroke on an example."""
    opened.page.keyboard.press("Escape")
    opened.page.click("#reset")
    opened.page.locator("#examples button").nth(1).click()
    opened.page.wait_for_timeout(300)
    opened.page.click("#clear")
    opened.paint(*STROKE)
    opened.wait_for_picture()
    yield opened
    assert opened.problems == []


def mask_of(live, width, height):
    """Return the painted mask, [height, width]."""
    script = """async ([width, height]) => {
      const { fromHash } = await import("./share.mjs")
      const { rasterise } = await import("./strokes.mjs")
      const mask = rasterise(fromHash(location.hash, 16).strokes, width, height)
      const changes = []
      for (let i = 1; i < mask.length; i++) if (mask[i] !== mask[i - 1]) changes.push(i)
      return changes
    }"""
    mask = np.zeros(width * height, np.uint8)
    mask[live.page.evaluate(script, [width, height])] = 1  # the first pixel is not erased
    return (np.cumsum(mask) % 2).astype(np.uint8).reshape(height, width)


def test_the_page_is_isolated_and_small(opened, site):
    """Threads need isolation, which the service worker brings about."""
    assert opened.page.evaluate("crossOriginIsolated")
    threads = min(os.cpu_count(), 8)
    assert f"WebAssembly, {threads} thread" in opened.page.text_content("#engine")
    first_visit = sum(size for path, size in site.sent.items() if "asyncify" not in path)
    assert 20e6 < first_visit < 30e6


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
    live.paint(*STROKE)
    live.page.click(".more summary")
    live.page.fill("#seed", "18446744073709551615")
    live.page.press("#seed", "Enter")
    live.page.get_by_label("warmth").fill("1.5")
    live.wait_for_answers()
    live.choose(5)
    live.wait_for_picture()
    live.download(tmp_path / "result.png")
    mask = mask_of(live, *image.size)
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


def test_undo_and_redo(live):
    picture = live.picture()
    live.paint((0.3, 0.7), (0.5, 0.75))
    live.wait_for_picture()
    assert live.picture() != picture
    live.page.keyboard.press("Control+z")
    live.wait_for_picture()
    assert live.picture() == picture
    live.page.keyboard.press("Control+z")
    assert live.page.locator("#grid li.ready").count() == 0
    live.page.keyboard.press("Control+Shift+z")
    live.wait_for_picture()
    assert live.picture() == picture


def test_the_keyboard_paints_and_chooses(live):
    live.page.click("#clear")
    live.page.focus("#stage")
    for key in ("ArrowUp", "Space", "ArrowRight", "Space"):
        live.page.keyboard.press(key)
    live.wait("document.querySelectorAll('#grid li.ready').length > 5")
    assert mask_of(live, 256, 256).any()
    live.page.focus("#grid li > button")
    for key in ("ArrowRight", "ArrowDown", "Enter"):
        live.page.keyboard.press(key)
    live.wait_for_picture()
    chosen = live.page.locator("#grid li").nth(5).locator("button").first
    assert chosen.get_attribute("aria-pressed") == "true"


def test_a_photograph_of_20_megapixels(live, tmp_path):
    cat = Image.open(EXAMPLES["siamese"]).resize((5472, 3648))
    cat.save(tmp_path / "large.jpg", quality=90)
    live.page.set_input_files("#file", tmp_path / "large.jpg")
    live.wait("location.hash.includes('p=') === false")
    live.paint(*STROKE)
    live.wait_for_picture()
    live.download(tmp_path / "result.png")
    result = np.asarray(Image.open(tmp_path / "result.png")).astype(int)
    mask = mask_of(live, 5472, 3648)
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


def test_strokes_beside_the_picture_erase_nothing(live):
    live.page.click("#clear")
    live.paint((0.02, 0.5), (0.05, 0.5))
    live.wait("document.getElementById('status').textContent.startsWith('Nothing is erased.')")
    live.paint(*STROKE)
    live.wait_for_picture()


def test_a_download_waits_for_the_answer_that_was_chosen(live, tmp_path):
    live.wait_for_answers()
    live.choose(9)
    live.download(tmp_path / "result.png")
    assert read_codes(tmp_path / "result.png").labels[0].endswith("#9")


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
    live.paint(*STROKE)
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


def test_one_finger_paints_and_two_zoom(live):
    fingers = live.context.new_cdp_session(live.page)
    box = live.page.locator("#canvas").bounding_box()

    def touch(kind, *places):
        points = [
            {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"], "id": number}
            for number, (x, y) in enumerate(places)
        ]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})
    strokes, picture = live.page.url, live.picture()
    touch("touchStart", (0.4, 0.6))
    touch("touchStart", (0.4, 0.6), (0.6, 0.6))
    touch("touchMove", (0.2, 0.6), (0.8, 0.6))
    touch("touchEnd")
    assert live.page.url == strokes, "two fingers do not paint"
    assert live.picture() != picture
    live.page.click("#fit")
    assert live.picture() == picture
    touch("touchStart", (0.4, 0.7))
    touch("touchMove", (0.6, 0.7))
    touch("touchEnd")
    live.wait_for_picture()
    assert live.page.url != strokes
    fingers.send("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_everything_has_a_name(live):
    unnamed = """() => [...document.querySelectorAll("button, input:not([hidden]), select")]
      .filter((it) => !it.getAttribute("aria-label") && !it.innerText.trim()
        && !it.querySelector("img[alt]") && !it.labels?.length)
      .map((it) => it.outerHTML)"""
    assert live.page.evaluate(unnamed) == []


@pytest.mark.parametrize("width", [1280, 390, 360])
def test_nothing_is_cut_off(live, width):
    live.page.set_viewport_size({"width": width, "height": 800})
    live.page.wait_for_timeout(200)
    assert live.page.evaluate("document.documentElement.scrollWidth") <= width
    outside = """(width) => [...document.querySelectorAll("button, input:not([hidden])")]
      .filter((it) => {
        const { left, right } = it.getBoundingClientRect()
        return left < 0 || right > width
      })
      .map((it) => it.outerHTML)"""
    assert live.page.evaluate(outside, width) == []
    live.page.set_viewport_size({"width": 1280, "height": 800})


def test_the_second_visit_needs_no_connection(folder, browser):
    server = web_page.Site(folder)
    live = web_page.LivePage(browser, server.url)
    live.wait_for_picture()
    before = live.picture()
    server.stop()
    live.page.close()
    live.open(server.url)
    live.wait_for_picture()
    assert live.picture() == before
    live.context.close()


def test_without_a_service_worker_it_has_one_thread(site, browser):
    live = web_page.LivePage(browser, site.url, service_workers="block")
    live.wait_for_picture()
    assert "WebAssembly, 1 thread." in live.page.text_content("#engine")
    live.context.close()


def test_a_connection_lost_while_loading_gets_a_sentence(folder, browser):
    server = web_page.Site(folder)
    context = browser.new_context(service_workers="block")
    page = context.new_page()
    page.route("**/model/**", lambda route: route.abort("connectionreset"))
    page.goto(server.url)
    bad = page.locator("#status.bad")
    bad.wait_for()
    assert "could not be loaded. Check the connection and reload the page." in bad.inner_text()
    page.locator("#examples button").nth(1).click()
    page.wait_for_timeout(500)
    assert "could not be loaded" in bad.inner_text(), "it stays: nothing else can be done"
    context.close()
    server.stop()


def damaged(folder, tmp_path, name, change):
    """Return a copy of the page with one file changed."""
    shutil.copytree(folder, tmp_path / "page")
    path = tmp_path / "page" / name
    path.write_bytes(change(path.read_bytes()))
    return web_page.Site(tmp_path / "page")


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("model/encode.onnx.gz", lambda data: data[:-100], "model/encode.onnx.gz is damaged"),
        ("model/weights.bin.gz", lambda data: b"another", "model/weights.bin.gz is damaged"),
        ("page.json", lambda data: data[:50], "This page is incomplete."),
    ],
)
def test_a_broken_file_gets_a_sentence(folder, tmp_path, browser, name, change, sentence):
    server = damaged(folder, tmp_path, name, change)
    live = web_page.LivePage(browser, server.url)
    live.wait("document.getElementById('status').classList.contains('bad')")
    assert live.status.startswith(sentence)
    shutil.copy(folder / name, tmp_path / "page" / name)
    live.page.reload()  # once the file is mended, the cache does not keep the broken one
    live.wait_for_picture()
    live.context.close()
    server.stop()
