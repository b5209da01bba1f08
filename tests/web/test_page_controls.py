"""The live page in Chromium: brush, keys, fingers, and what screen readers and phones need."""

import pytest

import web_page

pytestmark = pytest.mark.browser


def test_strokes_beside_the_picture_erase_nothing(live):
    live.page.click("#clear")
    live.paint((0.02, 0.5), (0.05, 0.5))
    live.wait("document.getElementById('status').textContent.startsWith('Nothing is erased.')")
    live.paint(*web_page.STROKE)
    live.wait_for_picture()


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
    assert live.mask(256, 256).any()
    live.page.focus("#grid li > button")
    for key in ("ArrowRight", "ArrowDown", "Enter"):
        live.page.keyboard.press(key)
    live.wait_for_picture()
    chosen = live.page.locator("#grid li").nth(5).locator("button").first
    assert chosen.get_attribute("aria-pressed") == "true"


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
