"""The page in Debian's Chromium, before a real server with the bundle that ships.

Playwright's synchronous form keeps an event loop running in its thread, so no browser outlives its module:
tests with loops of their own come after.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

START_LIMIT = 60  # s
# Chromium gives up what it loads when an interface comes or goes, as when another process starts a container.
NETWORK_CHANGED = "ERR_NETWORK_CHANGED"
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP elsewhere.test 127.0.0.1",  # this machine by another's name
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    process: subprocess.Popen[str]


@contextmanager
def running(folder: Path, **environment: str) -> Iterator[Server]:
    """A server on a free port, as an operator starts it; it serves the bundle that ships."""
    log = folder / "server.log"
    told = {name: value for name, value in os.environ.items() if not name.startswith("API_")}
    told |= {"API_HOST": "127.0.0.1", "API_PORT": "0", "MODELS_PATH": str(folder / "models"), **environment}
    command = [sys.executable, "-m", "energy_dissagregation_mlops.api"]
    with log.open("w") as output:
        process = subprocess.Popen(command, env=told, stdout=output, stderr=output, text=True)
    try:
        yield Server(address_in(log, process), process)
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def address_in(log: Path, process: subprocess.Popen[str]) -> str:
    """Where the server listens, once it answers."""
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline and process.poll() is None:
        text = log.read_text()
        found = re.search(r"http://127\.0\.0\.1:\d+", text)
        if found and "startup complete" in text:
            return found.group()
        time.sleep(0.05)
    raise AssertionError(f"the server did not start:\n{log.read_text()}")


RunServer = Callable[..., AbstractContextManager[Server]]


@pytest.fixture(scope="session")
def run_server(tmp_path_factory: pytest.TempPathFactory) -> RunServer:
    """``with run_server(API_KEY="secret") as server``."""
    return lambda **environment: running(tmp_path_factory.mktemp("server"), **environment)


@pytest.fixture(scope="session")
def server(run_server: RunServer) -> Iterator[Server]:
    with run_server() as one:
        yield one


def missing_browser() -> str | None:
    """Why the page can't be tested here."""
    if shutil.which("chromium") is None:
        return "chromium is not installed (Debian: apt install chromium)"
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed (`make test` does)"
    return None


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if (reason := missing_browser()) is not None:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(f"{reason}, and REQUIRE_BROWSER is set")
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(QUIET))
        yield chromium
        chromium.close()


OpenPage = Callable[..., "Page"]


@contextmanager
def visits(browser: Browser, home: str) -> Iterator[OpenPage]:
    """Fresh visitors' pages; whatever one complains of, or asks of another host, fails the test in the end."""
    complaints: list[str] = []
    contexts = []

    def visit(url: str = home, *, expected: str = "", **visitor: object) -> Page:
        settings = {"locale": "en-GB", "timezone_id": "Europe/London", **visitor}
        context = browser.new_context(**settings)  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(60_000)  # ms: a busy machine is no failure
        page = context.new_page()

        def complain(text: str) -> None:
            if not (expected and re.search(expected, text)):
                complaints.append(text)

        page.on("console", lambda said: said.type in ("error", "warning") and complain(said.text))
        page.on("pageerror", lambda error: complain(str(error)))
        page.on("request", lambda asked: asked.url.startswith((url, "blob:")) or complain(asked.url))
        for _ in range(5):
            page.goto(url)
            if not any(NETWORK_CHANGED in text for text in complaints):
                break
            complaints[:] = [text for text in complaints if NETWORK_CHANGED not in text]
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def open_page(browser: Browser, server: Server) -> Iterator[OpenPage]:
    """A fresh visitor's page: ``open_page(color_scheme="dark")``; ``expected``: what it may complain of."""
    with visits(browser, server.url) as visit:
        yield visit


@pytest.fixture(scope="module")
def shared_sample(browser: Browser, server: Server) -> Iterator[Page]:
    """A page with the sample home, for all tests of a module that change nothing but the view."""
    with visits(browser, server.url) as visit:
        yield show_sample(visit())


@pytest.fixture
def sample(shared_sample: Page) -> Page:
    """The page with the sample home, looking at the whole of it."""
    shared_sample.locator("#whole").click()
    shared_sample.select_option("#uses-of", "")
    return shared_sample


def show_sample(page: Page) -> Page:
    page.get_by_role("button", name="Try a sample home").click()
    page.get_by_text("Sample home is read.").wait_for()
    return page


Show = Callable[..., "Page"]


@pytest.fixture
def show(meter_csv: Path) -> Show:
    """Three hours of a home on a page: ``show(open_page())``."""

    def show(page: Page, path: Path = meter_csv) -> Page:
        page.set_input_files("#file", path)
        page.get_by_text(f"{path.name} is read.").wait_for()
        return page

    return show


@pytest.fixture
def meter_csv(tmp_path: Path) -> Path:
    """Three hours of a home: 100 W, and a kettle's 2.5 kW for three minutes of each hour."""
    rows = [f"2024-03-01T{m // 60:02}:{m % 60:02}Z,{2600 if m % 60 < 3 else 100}" for m in range(180)]
    path = tmp_path / "my_home.csv"
    path.write_text("\n".join(["time,power (W)", *rows, ""]))
    return path
