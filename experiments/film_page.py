"""Film the live page: docs/page.webp, the moving picture of README.md.

PYTHONPATH=tests/support python experiments/film_page.py PAGE

PAGE is a folder that `diverse-inpainting page` wrote with the bundled model. Chromium paints over
an example, chooses answers and moves a slider; the pointer is drawn into the frames.
"""

import argparse
import io
from collections.abc import Iterable
from pathlib import Path

from PIL import Image, ImageDraw

import front_end
import web_page

OUT = Path(__file__).resolve().parents[1] / "docs" / "page.webp"
WIDTH_PX, HEIGHT_PX = 1120, 720
SHOWN_PX = 800  # width of the film
QUALITY = 55
MAX_BYTES = 600_000
EXAMPLE = "#p=tortoiseshell&s=4"
STROKE = [(0.33, 0.45), (0.68, 0.47), (0.54, 0.68), (0.33, 0.45), (0.52, 0.52)]
"""Over eyes and nose, in fractions of the picture."""
BRUSH = 0.27
"""Of the picture's side."""
CHOSEN = (6, 4)

_REST_MS, _STEP_MS = 1100, 90


class Film:
    """Frames of a page, each with the time that it is shown."""

    def __init__(self, live: web_page.LivePage) -> None:
        self.page = live.page
        self.frames: list[Image.Image] = []
        self.durations: list[int] = []
        self.pointer = (0.0, 0.0)

    def shoot(self, duration_ms: int, *, pressed: bool = False) -> None:
        """Add a frame."""
        self.page.wait_for_timeout(60)
        frame = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        draw = ImageDraw.Draw(frame, "RGBA")
        x, y = self.pointer
        radius = 13 if pressed else 9
        corners = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(corners, fill=(255, 255, 255, 170), outline=(31, 36, 35, 200), width=2)
        size = (SHOWN_PX, round(SHOWN_PX * HEIGHT_PX / WIDTH_PX))
        self.frames.append(frame.resize(size, Image.Resampling.LANCZOS))
        self.durations.append(duration_ms)

    def go(self, x: float, y: float, *, steps: int = 4, pressed: bool = False) -> None:
        """Move the pointer, a frame for each step."""
        start = self.pointer
        for step in range(1, steps + 1):
            part = step / steps
            self.pointer = tuple(a + part * (b - a) for a, b in zip(start, (x, y), strict=True))
            self.page.mouse.move(*self.pointer)
            self.shoot(_STEP_MS, pressed=pressed)

    def go_to(self, selector: str, index: int = 0) -> None:
        """Move the pointer to the middle of an element."""
        box = self.page.locator(selector).nth(index).bounding_box()
        assert box is not None
        self.go(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def save(self) -> None:
        """Write the film; raise if it is too large for README."""
        self.frames[0].save(
            OUT,
            save_all=True,
            append_images=self.frames[1:],
            duration=self.durations,
            loop=0,
            quality=QUALITY,
            method=6,
        )
        size = OUT.stat().st_size
        print(f"{OUT}: {len(self.frames)} frames, {size / 1000:.0f} kB")
        assert size < MAX_BYTES, "use fewer frames or a lower quality"


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("page", type=Path)
    site = web_page.Site(parser.parse_args().page)
    with front_end.chromium() as browser:
        live = web_page.LivePage(browser, site.url + EXAMPLE)
        live.page.set_viewport_size({"width": WIDTH_PX, "height": HEIGHT_PX})
        live.wait_for_answers()
        live.page.click("#clear")
        film = Film(live)
        paint(film)
        answers(live, film)
        choose(live, film, CHOSEN)
        slide(live, film)
        film.save()
    site.stop()


def paint(film: Film) -> None:
    """Erase with the brush."""
    box = film.page.locator("#canvas").bounding_box()
    assert box is not None
    side = min(box["width"], box["height"])
    left, top = box["x"] + (box["width"] - side) / 2, box["y"] + (box["height"] - side) / 2
    film.page.locator("#size").fill(str(round(BRUSH * side)))
    places = [(left + x * side, top + y * side) for x, y in STROKE]
    film.pointer = places[0]
    film.page.mouse.move(*places[0])
    film.page.wait_for_timeout(500)  # the old answers fade out
    film.shoot(_REST_MS)
    film.page.mouse.down()
    for place in places[1:]:
        film.go(*place, steps=3, pressed=True)
    film.page.mouse.up()


def answers(live: web_page.LivePage, film: Film) -> None:
    """Show how the answers appear."""
    for count in (1, 4, 8, 12, 16):
        live.wait(f"document.querySelectorAll('#grid li.ready').length >= {count}")
        film.shoot(2 * _STEP_MS)
    live.wait_for_answers()
    film.shoot(_REST_MS)


def choose(live: web_page.LivePage, film: Film, chosen: Iterable[int]) -> None:
    """Click answers."""
    for k in chosen:
        film.go_to("#grid li", k)
        live.choose(k)
        live.wait_for_picture()
        film.shoot(_REST_MS)


def slide(live: web_page.LivePage, film: Film) -> None:
    """Move a slider to the right, to the left and back."""
    name = "markings" if live.page.get_by_label("markings").count() else "contrast"
    slider = live.page.get_by_label(name)
    film.go_to(f"#sliders input[name={name}]")
    box = slider.bounding_box()
    assert box is not None
    for value in (0.8, 1.6, 2.4, 1.6, 0.8, 0, -0.8, -1.6, -2.4, -1.2, 0):
        slider.fill(str(value))
        live.wait_for_picture()
        middle, reach = box["x"] + box["width"] / 2, box["width"] / 2 - 9
        film.pointer = (middle + reach * value / 3, film.pointer[1])
        film.shoot(2 * _STEP_MS, pressed=True)
    live.wait_for_answers()
    film.shoot(_REST_MS)


if __name__ == "__main__":
    main()
