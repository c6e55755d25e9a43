"""Who can use the page: keys only, a screen reader, a phone, the dark; and what keeps its code honest."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "node_modules"
AXE = MODULES / "axe-core" / "axe.min.js"
NEEDS_NODE_MODULES = "node_modules is absent: run `python scripts/fetch_web.py --dev`"
PHONE = {"width": 375, "height": 812}


@pytest.fixture
def required() -> Callable[[Path], None]:
    def check(path: Path) -> None:
        if not path.exists():
            (pytest.fail if os.environ.get("REQUIRE_BROWSER") else pytest.skip)(NEEDS_NODE_MODULES)

    return check


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_complain_of(open_page, show, required, scheme: str) -> None:
    required(AXE)
    page = show(open_page(color_scheme=scheme, viewport=PHONE if scheme == "dark" else None))
    page.fill("#price", "0.3")
    for summary in page.locator("summary").all():
        summary.click()
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    told = [
        (each["id"], node["target"], node["failureSummary"][:200])
        for each in found["violations"]
        for node in each["nodes"][:3]
    ]
    assert told == []


def test_from_the_sample_home_to_one_use_with_keys_alone(open_page) -> None:
    page = open_page()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "sample":
            break
    page.keyboard.press("Enter")
    page.get_by_text("Sample home is read.").wait_for()
    assert page.evaluate("document.activeElement.id") == "home"  # what is new is where one goes on
    before = page.locator("#view").inner_text()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('#uses') !== null"):
            break
    page.keyboard.press("Enter")
    page.wait_for_function("before => document.querySelector('#view').textContent !== before", arg=before)
    assert page.evaluate("document.activeElement.id") == "chart"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_what_happens_is_told_to_a_screen_reader(open_page, show) -> None:
    page = open_page()
    tree = page.locator("body").aria_snapshot()
    for part in (
        "- banner",
        "- main",
        "- contentinfo",
        '- heading "What used the electricity?" [level=1]',
        "- status",
    ):
        assert part in tree
    assert "or drop the file anywhere on this page" in tree
    show(page)
    tree = page.locator("body").aria_snapshot()
    assert "- status: my_home.csv is read." in tree
    assert '- group "Power over time"' in tree
    assert "- img " in tree and "Energy on each of 1 day" in tree


def test_the_chart_has_a_table_that_says_the_same(sample) -> None:
    page = sample
    page.get_by_text("What the chart shows, as a table").click()
    table = page.locator("#chart-table")
    table.locator("caption").wait_for()
    assert table.locator("thead th").all_inner_texts()[:2] == ["From", "Mains"]
    whole = table.locator("tbody tr").count()
    assert whole == 28  # of 28 days
    caption = table.locator("caption").inner_text()
    page.locator("#nearer").click()
    page.wait_for_function(
        "caption => document.querySelector('#chart-table caption').textContent !== caption", arg=caption
    )


def test_a_phone_shows_everything_without_sideways_scrolling(open_page) -> None:
    page = open_page(viewport=PHONE, has_touch=True, is_mobile=True)
    page.get_by_role("button", name="Try a sample home").click()
    page.get_by_text("Sample home is read.").wait_for()
    page.fill("#price", "0.3")
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    for table in ("#appliances", "#uses"):
        wide = "table => table.scrollWidth - table.parentElement.clientWidth"
        assert page.locator(table).evaluate(wide) <= 0
    small = page.evaluate(
        """() => [...document.querySelectorAll("button:not(.link), select, input:not(.quiet)")]
            .filter(each => each.offsetParent && each.getBoundingClientRect().height < 40).map(each => each.id)"""
    )
    assert small == []
    canvas = page.locator("#chart canvas").bounding_box()
    assert canvas and canvas["width"] > 300


def test_dark_is_dark_and_changes_while_the_page_is_open(open_page, show) -> None:
    page = show(open_page(color_scheme="dark"))
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 22, 20)"
    page.emulate_media(color_scheme="light")
    page.wait_for_function("getComputedStyle(document.body).backgroundColor === 'rgb(250, 248, 244)'")
    assert page.locator("#chart canvas").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_whatever_two_colours_meet_a_line_of_three_to_one_lies_between(open_page, show, scheme: str) -> None:
    page = show(open_page(color_scheme=scheme))
    colours = page.evaluate(
        """() => {
            const style = getComputedStyle(document.documentElement);
            return ["outline", ...Array.from({length: 9}, (_, i) => `c${i}`)].map(name => style.getPropertyValue(`--${name}`).trim());
        }"""
    )
    outline, *fills = [luminance(each) for each in colours]
    assert min(fills) / outline > 3
    drawn = page.evaluate(
        """async colour => {
            await new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)));
            const canvas = document.querySelector("#chart canvas");
            const all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            let count = 0;
            for (let i = 0; i < all.length; i += 4) count += all.slice(i, i + 4).join() === colour;
            return count;
        }""",
        ",".join(str(int(colours[0][i : i + 2], 16)) for i in (1, 3, 5)) + ",255",
    )
    assert drawn > 100
    for each in ("tbody .swatch", "#shares"):
        border = page.locator(each).first.evaluate("each => getComputedStyle(each).borderTopWidth")
        assert border == "1px"


def luminance(colour: str) -> float:
    """Of #rrggbb, and 0.05 more: WCAG 2.2's contrast is the ratio of two of these."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True)) + 0.05


def test_what_went_wrong_is_in_view_on_a_phone_and_touch_is_told_of_touching(
    open_page, show, tmp_path: Path
) -> None:
    page = show(open_page(expected="Failed to load", viewport=PHONE, has_touch=True, is_mobile=True))
    assert page.get_by_text("One finger moves the chart").is_visible()
    assert page.get_by_text("Drag over the chart").is_hidden()
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("name,colour\nkettle,red\n")
    page.set_input_files("#file", wrong)
    page.get_by_role("alert").wait_for()
    box = page.get_by_role("alert").evaluate("each => each.getBoundingClientRect().toJSON()")
    assert box["top"] >= 0 and box["bottom"] < PHONE["height"] + 1


def test_paper_has_whole_tables_and_nothing_to_press(open_page, show) -> None:
    page = show(open_page())
    page.emulate_media(media="print")
    for part in ("#meter", "#settings", "#whole", "#save-days", "#uses-of", "#chart-help"):
        assert page.locator(part).is_hidden()
    assert page.locator("#uses tbody button").first.is_visible()
    tables = "[...document.querySelectorAll('.scroll')].every(each => each.scrollHeight <= each.clientHeight)"
    assert page.evaluate(tables)


def test_few_colours_leave_those_that_tell_appliances_apart(open_page, show) -> None:
    page = show(open_page(forced_colors="active"))
    colours = page.locator("#shares span, tbody .swatch").evaluate_all(
        "all => all.map(each => getComputedStyle(each).backgroundColor)"
    )
    assert len(set(colours)) == 6


def test_nothing_moves_for_who_asked_for_calm(open_page) -> None:
    page = open_page(reduced_motion="reduce")
    page.route("**/v1/disaggregate*", lambda route: None)
    page.get_by_role("button", name="Try a sample home").click()
    page.locator(".busy").wait_for()
    assert page.evaluate("getComputedStyle(document.querySelector('.busy')).animationName") == "none"


def test_the_pages_types_hold(required) -> None:
    binaries = sorted(MODULES.glob("@typescript/typescript-*/lib/tsc"))
    required(binaries[0] if binaries else MODULES / "typescript")
    done = subprocess.run([binaries[0], "-p", ROOT], capture_output=True, text=True, timeout=120)
    assert done.stdout == "" and done.returncode == 0
