"""The live page as `diverse-inpainting page` writes it with the bundled model, in Chromium."""

from pathlib import Path

import pytest

import front_end
import web_page
from diverse_inpainting.cli.page import page as write_page


@pytest.fixture(scope="module")  # only one may run in a process at a time
def browser():
    with front_end.chromium() as started:
        yield started


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The page's files."""
    out = tmp_path_factory.mktemp("page")
    runtime = Path(web_page.RUNTIME) if web_page.RUNTIME else None
    write_page(out=out, runtime=runtime, download=runtime is None)
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
    opened.paint(*web_page.STROKE)
    opened.wait_for_picture()
    yield opened
    assert opened.problems == []
