"""Time the live page in Chromium.

PYTHONPATH=tests/support python benchmarks/live_page.py PAGE [--rounds N]

PAGE is a folder that `diverse-inpainting page` wrote. Each round draws a stroke and takes it back,
asks for sixteen new answers, chooses another one and moves a slider. The fastest of all rounds is
printed, since a browser shares the machine with others; `16 answers` is sixteen times one answer.
"""

import argparse
from pathlib import Path

import front_end
import web_page

LINES = {
    "load": "load and start the model",
    "encode": "E, once for each stroke",
    "answer": "one answer",
    "result": "refine and composite one",
    "draft": "slider to picture",
}
SLIDER = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    site = web_page.Site(arguments.page)
    with front_end.chromium() as browser:
        live = web_page.LivePage(browser, site.url)
        live.wait_for_answers()
        for number in range(arguments.rounds):
            run_round(live, number)
        best = live.page.evaluate(_BEST)
        print(live.page.text_content("#engine"))
    site.stop()
    for step, title in LINES.items():
        print(f"{title:26} {best[step]:8.0f} ms")
    print(f"{'16 answers':26} {16 * best['answer']:8.0f} ms")
    loaded = sum(size for path, size in site.sent.items() if "/webgpu/" not in path)
    print(f"{'first visit':26} {loaded / 1e6:8.1f} MB")


def run_round(live: web_page.LivePage, number: int) -> None:
    """Do what a visitor does."""
    live.paint((0.4, 0.8), (0.6, 0.8))
    live.wait_for_picture()
    live.page.click("#undo")
    live.wait_for_picture()
    live.page.click("#new")
    live.wait_for_answers()
    live.choose(number % 15 + 1)
    live.wait_for_picture()
    live.page.evaluate(_SLIDE, SLIDER)
    live.page.wait_for_timeout(1000)
    live.page.click("#reset")
    live.wait_for_answers()


_BEST = """() => {
  const best = {}
  for (const { name, duration } of performance.getEntriesByType("measure"))
    best[name] = Math.min(best[name] ?? Infinity, duration)
  return best
}"""

_SLIDE = """async (values) => {
  const slider = document.querySelector("#sliders input")
  for (const value of values) {
    slider.value = value
    slider.dispatchEvent(new Event("input"))
    await new Promise((done) => setTimeout(done, 200))
  }
}"""


if __name__ == "__main__":
    main()
