"""The live page in Chromium: how it loads, without a connection and with broken files."""

import os
import shutil

import pytest

import web_page

pytestmark = pytest.mark.browser


def test_the_page_is_isolated_and_small(opened, site):
    """Threads need isolation, which the service worker brings about."""
    assert opened.page.evaluate("crossOriginIsolated")
    threads = min(os.cpu_count(), 8)
    assert f"WebAssembly, {threads} thread" in opened.page.text_content("#engine")
    first_visit = sum(size for path, size in site.sent.items() if "asyncify" not in path)
    assert 20e6 < first_visit < 30e6


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
