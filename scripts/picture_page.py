"""Takes the pictures of the page that the README shows: docs/images/page_light.png, page_dark.png, page_phone.png.

    python scripts/picture_page.py URL

URL is a running server's, as `make serve` starts one. Wants Debian's chromium, and Playwright from the dev environment.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

PLACE = Path(__file__).parents[1] / "docs/images"
DAY = 26  # of the sample home, which the chart shows: one with a little of everything
WIDE, PHONE = {"width": 1200, "height": 1500}, {"width": 375, "height": 812}


def main() -> None:
    """Take all three."""
    if len(sys.argv) != 2:
        sys.exit("usage: python scripts/picture_page.py URL")
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        for name, scheme in (("page_light", "light"), ("page_dark", "dark")):
            sample(browser, color_scheme=scheme, viewport=WIDE).screenshot(path=PLACE / f"{name}.png")
        phone = sample(browser, viewport=PHONE, device_scale_factor=2, has_touch=True, is_mobile=True)
        phone.evaluate("document.querySelector('#home').scrollIntoView()")
        phone.screenshot(path=PLACE / "page_phone.png")
        browser.close()


def sample(browser: Browser, **visitor: object) -> Page:
    """The page with the sample home, the chart at one day of it."""
    settings = {"locale": "en-GB", "timezone_id": "Europe/London", "reduced_motion": "reduce", **visitor}
    page = browser.new_page(**settings)  # type: ignore[arg-type]
    page.goto(sys.argv[1])
    page.get_by_role("button", name="Try a sample home").click()
    page.get_by_text("Sample home is read.").wait_for()
    page.fill("#price", "0.28")
    page.locator("#days svg g").nth(DAY).dispatch_event("click")
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.wait_for_timeout(300)
    return page


if __name__ == "__main__":
    main()
