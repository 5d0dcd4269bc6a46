"""A real browser, and a box for it: Debian's Chromium, driven by Playwright, with no network but this machine's."""

import shutil

import pytest

from tests.scenarios.running import Box, Workbench, short_folder, warnings_in

ARGUMENTS = [
    "--no-sandbox",  # tests run as root in CI's containers, where the sandbox cannot
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 15_000  # milliseconds that Playwright waits for one thing


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def bench():
    with Workbench() as running:
        yield running


@pytest.fixture(scope="module")
def folder():
    with short_folder() as path:
        yield path


@pytest.fixture(scope="module")
def box(folder):
    with Box(folder / "data") as running:
        yield running
        assert not warnings_in(running.complained)
        assert "Traceback" not in running.complained, running.words()


@pytest.fixture(scope="module")
def operator(chromium, box):
    """The cookies of an operator who has signed in by a link."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(box.url + box.login_path())
    page.get_by_role("main").get_by_role("button").click()
    page.wait_for_url(f"{box.url}/")
    cookies = context.storage_state()
    context.close()
    return cookies


@pytest.fixture
def complaints():
    """What the browser complains of: scripts that fail, files that are missing, policies that are broken."""
    return []


@pytest.fixture
def open_page(chromium, complaints, box):
    """Open a page of a browser that knows nothing of any other; what it complains of is the test's failure."""
    contexts = []

    def note(message):
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def open_(width=1280, height=900, **more):
        context = chromium.new_context(viewport={"width": width, "height": height}, **more)
        context.set_default_timeout(PATIENCE)
        context.on("console", note)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        contexts.append(context)
        return context.new_page()

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def signed_in(open_page, operator, box):
    """Open the live page as an operator who has signed in before."""

    def open_(**size):
        page = open_page(storage_state=operator, **size)
        page.goto(box.url)
        return page

    return open_
