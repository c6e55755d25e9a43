"""What a person does on the page: a file or the sample home in, answers, downloads and troubles out."""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Route

REFUSED = "Failed to load resource"  # Chromium's own line for an answer that is no 200


def number(text: str | None) -> float:
    found = re.search(r"[\d,]+(\.\d+)?", text or "")
    assert found, text
    return float(found.group().replace(",", ""))


def cells(table: Locator, column: int) -> list[str]:
    """The first line of each: below it may stand a range."""
    texts = table.locator(f"tbody tr > :nth-child({column})").all_inner_texts()
    return [text.partition("\n")[0] for text in texts]


def test_the_page_says_what_it_is_for_before_anything_is_sent(open_page) -> None:
    page = open_page()
    assert page.title() == "What used the electricity?"
    assert page.get_by_role("heading", level=1).inner_text() == "What used the electricity?"
    assert page.locator("#results").is_hidden()


def test_the_sample_home_is_shown_with_parts_that_sum_to_the_whole(sample, server) -> None:
    assert sample.get_by_role("heading", name="Sample home").is_visible()
    assert "28 days" in sample.locator("#span").inner_text()
    assert "a day" in sample.locator("#headline").inner_text()
    table = sample.locator("#appliances")
    assert set(cells(table, 1)) == {"Dishwasher", "Fridge", "Washing machine", "Kettle", "Microwave", "Other"}
    whole = number(table.locator("tfoot td").first.inner_text())
    assert sum(number(text) for text in cells(table, 2)) == pytest.approx(whole, abs=1)
    assert sample.locator("#chart canvas").is_visible()
    assert sample.locator("#days svg g").count() == 28
    assert "readings cover 98%" in sample.locator("#quality").inner_text()
    limits = sample.locator("#limits").inner_text()
    bundle = sample.request.get(f"{server.url}/info").json()["bundle"]
    assert (
        f"learned from {bundle['num_houses']} homes, {bundle['num_simulated']} of them simulated:" in limits
    )
    assert bundle["attributions"][0]["attribution"] in sample.locator("#sources").inner_text()
    assert "one value every 1\xa0min" in limits
    kettles = [each for each in bundle["unseen"] if each["appliance"] == "kettle"]
    saved = 1 - sum(each["mae"] for each in kettles) / sum(each["always_off_mae"] for each in kettles)
    assert f"{100 * saved:.0f}% for the kettle" in limits
    assert "What it says of the fridge was checked in no home that it had not seen" in limits
    told = f"{bundle['name'].capitalize()}, version {bundle['version']}"
    assert told in sample.locator("#bundle").inner_text()


def test_ranges_and_what_is_probably_not_there_are_said(open_page, show) -> None:
    page = open_page()

    def calibrated(route: Route) -> None:
        response = route.fetch()
        answer = response.json()
        answer["interval_level"] = 0.8
        kettle, dishwasher = answer["appliances"]["kettle"], answer["appliances"]["dishwasher"]
        for each in (kettle, *kettle["days"]):
            each |= {"energy_low_kwh": 0.25, "energy_high_kwh": 0.5}
        dishwasher |= {"energy_kwh": 0, "present": 0.05, "absent": True}
        route.fulfill(response=response, json=answer)

    page.route("**/v1/disaggregate*", calibrated)
    show(page)
    rows = page.locator("#appliances tbody tr")
    assert "0.25 to 0.50" in rows.filter(has_text="Kettle").inner_text()
    assert "probably not in this home" in rows.filter(has_text="Dishwasher").inner_text()
    assert page.locator("#appliances").get_by_text("probably not").count() == 1
    kettle = rows.filter(has_text="Kettle").locator(".truth")
    assert kettle.evaluate("line => line.style.marginLeft === line.style.width")  # from 0.25, 0.25 long
    assert "80% of the time" in page.locator("#ranges").inner_text()
    page.get_by_text("The days as a table").click()
    assert "0.25 to 0.50" in page.locator("#days-table tbody tr").first.inner_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="Days (CSV)").click()
    header, *lines = csv.reader(Path(download.value.path()).read_text().splitlines())
    assert header[header.index("kettle_kwh") :][:3] == ["kettle_kwh", "kettle_low_kwh", "kettle_high_kwh"]
    assert {len(line) for line in lines} == {len(header)}


def test_a_model_without_ranges_says_so(open_page, show) -> None:
    page = open_page()

    def plain(route: Route) -> None:
        response = route.fetch()
        answer = response.json()
        answer["interval_level"] = None
        for one in answer["appliances"].values():
            for each in (one, *one["days"]):
                each |= {"energy_low_kwh": None, "energy_high_kwh": None}
        route.fulfill(response=response, json=answer)

    page.route("**/v1/disaggregate*", plain)
    show(page)
    assert "never calibrated" in page.locator("#ranges").inner_text()
    assert page.locator("#appliances .range").count() == 0


def test_a_meters_file_is_shown_under_its_name(open_page, show) -> None:
    page = show(open_page())
    assert "1 Mar 2024 to 1 Mar 2024, 1 day" in page.locator("#span").inner_text()
    # 3 h at 100 W, and 9 min of 2.5 kW more
    assert number(page.locator("#appliances tfoot td").first.inner_text()) == pytest.approx(0.7, abs=0.05)
    assert "a day" not in page.locator("#headline").inner_text()  # three hours are too few to say
    shares = cells(page.locator("#appliances"), 3)
    assert page.locator("#shares span").count() == sum(number(share) > 0 for share in shares) < len(shares)


def test_a_dropped_file_and_a_packed_one_are_read_like_a_chosen_one(open_page, show, meter_csv: Path) -> None:
    page = open_page()
    page.evaluate(
        """content => {
            const files = new DataTransfer();
            files.items.add(new File([content], "dropped.csv"));
            document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: files, bubbles: true, cancelable: true}));
        }""",
        meter_csv.read_text(),
    )
    page.get_by_text("dropped.csv is read.").wait_for()
    packed = meter_csv.with_name("packed.csv.gz")
    packed.write_bytes(gzip.compress(meter_csv.read_bytes()))
    show(page, packed)


@pytest.mark.parametrize(("host", "encoding"), [("127.0.0.1", None), ("elsewhere.test", "gzip")])
def test_a_file_is_packed_for_a_server_on_another_machine(
    open_page, show, server, host: str, encoding: str | None
) -> None:
    page = open_page(server.url.replace("127.0.0.1", host))
    with page.expect_request("**/v1/disaggregate*") as asked:
        show(page)
    assert asked.value.headers.get("content-encoding") == encoding


def test_a_price_gives_costs_at_once_and_is_remembered(open_page, show) -> None:
    page = show(open_page())
    assert "Cost" not in page.locator("#appliances thead").inner_text()
    page.fill("#price", "25")
    page.select_option("#currency", "CHF")
    cost = page.locator("#appliances tfoot td").nth(2).inner_text()
    assert cost.startswith("CHF")
    assert number(cost) == pytest.approx(0.675 * 25, abs=0.1)  # 3 h at 100 W, and 9 min of 2.5 kW more
    page.reload()
    assert page.input_value("#price") == "25"
    assert page.input_value("#currency") == "CHF"


@pytest.mark.parametrize(
    ("languages", "currency"),
    [
        (["en-GB", "en"], "GBP"),
        (["en-US"], "USD"),
        (["de", "de-AT", "en-US"], "EUR"),
        (["fr-CH"], "CHF"),
        (["zh-Hans-CN"], "CNY"),
        (["en", "de-DE"], ""),  # who reads English is somewhere
        (["is-IS"], ""),
        ([], ""),
    ],
)
def test_a_currency_is_that_of_the_browsers_region_or_none(
    sample, languages: list[str], currency: str
) -> None:
    module = "async names => (await import('/static/js/settings.js')).currencyOf(names)"
    assert sample.evaluate(module, languages) == currency


def test_a_price_in_no_currency_is_a_number_and_a_guess_is_not_remembered(open_page, show) -> None:
    page = show(open_page(locale="en"))
    assert page.input_value("#currency") == page.input_value("#price") == ""
    assert "Cost" not in page.locator("#appliances thead").inner_text()
    assert "currency" not in page.evaluate("localStorage['edmlops.settings']")
    page.fill("#price", "0.3")
    assert "at 0.30 a kWh" in page.locator("#headline").inner_text()


@pytest.mark.parametrize(
    ("typed", "cost"), [("0,30", "£0.30"), (" .3 ", "£0.30"), ("-1", None), ("0.3x", None), ("1" * 400, None)]
)
def test_a_price_may_have_a_comma_and_what_is_no_price_is_said(
    open_page, show, typed: str, cost: str | None
) -> None:
    page = show(open_page())
    page.locator("#price").press_sequentially(typed) if len(typed) < 9 else page.fill("#price", typed)
    headline = page.locator("#headline").inner_text()
    assert (f"at {cost} a kWh" in headline) if cost else ("a kWh" not in headline)
    said = page.locator("#price-help").inner_text()
    assert said == ("" if cost else "Not a price: expected a number such as 0.30.")
    page.fill("#price", "")
    assert page.locator("#price-help").inner_text() == ""


def test_another_time_zone_moves_days_and_times(open_page, show) -> None:
    page = show(open_page())
    assert page.input_value("#zone") == "Europe/London"
    page.select_option("#zone", "America/New_York")
    page.get_by_text("29 Feb 2024 to 29 Feb 2024").wait_for()  # midnight of 1 March UTC is 19:00 there
    page.get_by_text("The days as a table").click()
    assert page.locator("#days-table tbody th button").all_text_contents() == ["29 Feb 2024"]
    page.select_option("#zone", "Europe/London")
    page.get_by_text("1 Mar 2024 to 1 Mar 2024").wait_for()  # an open table follows
    assert page.locator("#days-table tbody th button").all_text_contents() == ["1 Mar 2024"]
    page.select_option("#zone", "America/New_York")
    page.get_by_text("29 Feb 2024 to 29 Feb 2024").wait_for()
    assert page.locator("#view").inner_text().startswith("29 Feb 2024, 19:00")


def test_a_change_of_zone_that_fails_leaves_all_times_as_they_were(open_page, show) -> None:
    page = show(open_page(expected=REFUSED))
    page.route("**/v1/disaggregate*", lambda route: route.fulfill(status=503, json={"detail": "busy"}))
    page.select_option("#zone", "America/New_York")
    page.get_by_role("alert").wait_for()
    assert page.input_value("#zone") == "Europe/London"
    page.fill("#price", "1")  # shows all anew
    assert page.locator("#span").inner_text().startswith("1 Mar 2024")
    assert "1 Mar" in page.locator("#uses tbody").inner_text()
    page.unroute("**/v1/disaggregate*")
    page.get_by_role("button", name="Try again").click()
    page.get_by_text("29 Feb 2024 to 29 Feb 2024").wait_for()
    assert page.input_value("#zone") == "America/New_York"


def test_the_table_of_power_is_of_what_is_shown(open_page, show, tmp_path: Path) -> None:
    page = show(open_page(expected=REFUSED))
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("name,colour\nkettle,red\n")
    page.set_input_files("#file", wrong)
    page.get_by_role("alert").wait_for()
    page.select_option("#unit", "kW")  # and not read again
    with page.expect_download() as download:
        page.get_by_role("button", name="Power (CSV)").click()
    assert download.value.suggested_filename == "my_home_power.csv"
    rows = list(csv.reader(download.value.path().read_text().splitlines()))
    assert [row[1] for row in rows[1:5]] == ["2600.0"] * 3 + ["100.0"]
    page.locator("#saving").get_by_text("The table is saved.").wait_for()


def test_three_tables_can_be_saved(sample) -> None:
    def saved(button: str) -> tuple[str, list[list[str]]]:
        with sample.expect_download() as download:
            sample.get_by_role("button", name=button).click()
        rows = list(csv.reader(download.value.path().read_text().splitlines()))
        return download.value.suggested_filename, rows

    name, rows = saved("Power (CSV)")
    assert name == "Sample_home_power.csv"
    assert rows[0][:2] == ["time", "mains"] and rows[0][-1] == "other"
    assert len(rows) == 40_321
    assert sum(map(float, rows[1][2:])) == pytest.approx(float(rows[1][1]), abs=0.1)
    name, rows = saved("Days (CSV)")
    assert name == "Sample_home_days.csv" and len(rows) == 29
    assert "washing_machine_low_kwh" in rows[0]
    name, rows = saved("Uses (CSV)")
    assert name == "Sample_home_uses.csv"
    count = number(sample.locator("#uses-count").inner_text())
    assert len(rows) == count + 1
    assert rows[0] == ["appliance", "start", "end", "energy_kwh", "peak_w"]
    assert rows[1][1] <= rows[2][1] <= rows[3][1]


def test_uses_are_listed_by_energy_and_by_appliance(sample) -> None:
    uses = sample.locator("#uses")
    energies = [number(text) for text in cells(uses, 4)]
    assert len(energies) == 10
    assert energies == sorted(energies, reverse=True)
    sample.select_option("#uses-of", "kettle")
    assert set(cells(uses, 1)) == {"Kettle"}
    button = uses.locator("tbody button").first
    assert button.get_attribute("aria-label") == f"Kettle, {button.inner_text()}"
    all_of_it = number(sample.locator("#uses-count").inner_text())
    sample.get_by_role("button", name="Show more").click()
    assert uses.locator("tbody tr").count() == min(all_of_it, 60)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"name,colour\nkettle,red\n", "column"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00", "expected"),
        (
            b"time,power (W)\n2024-01-01T00:00Z,5\n2024-01-01T00:01Z,6\n2024-01-01T00:02Z,much\n",
            "found 'much'",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_words(
    open_page, tmp_path: Path, content: bytes, said: str
) -> None:
    page = open_page(expected=REFUSED)
    path = tmp_path / "wrong.csv"
    path.write_bytes(content)
    page.set_input_files("#file", path)
    problem = page.get_by_role("alert")
    problem.wait_for()
    assert said in problem.inner_text()
    name, detail = problem.locator("p").all_inner_texts()
    assert name == "wrong.csv was not read."
    assert detail[0].isupper() and detail.endswith(".")
    assert page.locator("#results").is_hidden()
    page.get_by_role("button", name="Try a sample home").click()
    page.get_by_text("Sample home is read.").wait_for()
    page.set_input_files("#file", path)
    page.get_by_role("alert").get_by_text("What is below is of Sample home, as before.").wait_for()


def test_what_is_still_of_the_home_before_is_pale_until_the_next_is_read(open_page, show) -> None:
    page = show(open_page())
    page.route("**/v1/disaggregate*", lambda route: None)
    page.get_by_role("button", name="Try a sample home").click()
    page.get_by_text("Reading Sample home").wait_for()
    assert page.locator("#results").evaluate("each => getComputedStyle(each).opacity") == "0.4"


def test_what_used_how_much_is_on_the_first_screen(open_page, show) -> None:
    page = show(open_page(viewport={"width": 1280, "height": 900}))
    page.evaluate("scrollTo(0, 0)")
    whole = page.locator("#appliances tfoot").bounding_box()
    assert whole and whole["y"] + whole["height"] < 900
    assert page.title() == "my_home.csv: what used the electricity?"


def test_a_file_is_read_anew_with_what_its_owner_says_of_it(open_page, show, tmp_path: Path) -> None:
    path = tmp_path / "kilo.csv"
    path.write_text("time,power (W)\n" + "".join(f"2024-03-01T00:{m:02}Z,{m % 3}\n" for m in range(60)))
    page = show(open_page(), path)
    assert page.locator("#appliances tfoot td").first.inner_text() == "0.00\xa0kWh"
    page.get_by_text("Say how to read it").click()
    page.select_option("#unit", "kW")
    page.get_by_role("button", name="Read it again").click()
    page.locator("#appliances tfoot").get_by_text("1.0 kWh").wait_for()  # an hour of 1 kW in the mean


@pytest.mark.parametrize(("order", "day"), [("Day first", "6 Mar 2024"), ("Month first", "3 Jun 2024")])
def test_a_file_whose_dates_can_be_read_two_ways_is_read_as_its_owner_says(
    open_page, tmp_path: Path, order: str, day: str
) -> None:
    page = open_page(expected=REFUSED)
    path = tmp_path / "slashes.csv"
    path.write_text("time,power (W)\n" + "".join(f"06/03/2024 12:{m:02},100\n" for m in range(60)))
    page.set_input_files("#file", path)
    page.get_by_role("alert").get_by_text("whether the day comes first").wait_for()
    page.get_by_label("Dates such as 05/06/2024").select_option(order)  # it is there to be seen
    page.get_by_role("button", name="Read it again").click()
    page.locator("#span").get_by_text(f"{day} to {day}").wait_for()
    assert page.get_by_role("alert").is_hidden()


def test_a_file_that_failed_can_be_read_again_and_what_was_said_of_it_is_for_no_other(
    open_page, tmp_path: Path
) -> None:
    page = open_page(expected=REFUSED)
    path = tmp_path / "two.csv"
    path.write_text("time,left,right\n" + "".join(f"2024-03-01T00:{m:02}Z,{m},5\n" for m in range(60)))
    page.set_input_files("#file", path)
    page.get_by_role("alert").wait_for()
    page.fill("#mains-column", "right")  # it can be typed: the fields are open
    page.get_by_role("button", name="Read it again").click()
    page.get_by_text("two.csv is read.").wait_for()
    page.get_by_role("button", name="Try a sample home").click()
    page.get_by_text("Sample home is read.").wait_for()
    assert page.input_value("#mains-column") == ""
    assert page.locator("#again").is_hidden()


@pytest.mark.parametrize(
    ("rows", "days"),
    [
        ("2024-03-01T00:00Z,100\n2024-03-01T00:01Z,100\n", 1),  # of the shortest
        ("".join(f"2024-03-01T{h:02}:00Z,0\n" for h in range(24)), 1),  # nothing used, and coarse
        (
            "2023-01-01T00:00Z,100\n2023-01-01T00:01Z,100\n2023-03-01T00:00Z,9\n2023-03-01T00:01Z,9\n",
            60,
        ),  # mostly missing
        (
            "".join(f"{1_711_843_200 + 60 * m},{m % 90 * 20}\n" for m in range(1440)),
            2,
        ),  # the clocks go forward
    ],
    ids=["short", "idle", "missing", "spring"],
)
def test_odd_homes_break_nothing(open_page, show, tmp_path: Path, rows: str, days: int) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("time,power (W)\n" + rows)
    page = show(open_page(), path)
    assert page.locator("#days svg g").count() == days
    for button in ("#nearer", "#later", "#farther", "#earlier", "#whole"):
        page.locator(button).click()
    page.locator("#days svg g").last.dispatch_event("click")
    page.get_by_text("What the chart shows, as a table").click()
    page.locator("#chart-table tbody tr").first.wait_for()
    assert "NaN" not in page.locator("body").inner_text()


def test_a_days_length_is_that_of_its_clock_and_a_missing_day_is_no_day_without_use(
    open_page, show, tmp_path: Path
) -> None:
    path = tmp_path / "clock.csv"
    change = 1_711_843_200  # 31 March 2024, 00:00 in London, which has 23 h
    minutes = [m for m in range(4 * 1440) if not 1380 <= m < 2 * 1440 + 1380]
    path.write_text("time,power (W)\n" + "".join(f"{change + 60 * m},100\n" for m in minutes))
    page = show(open_page(), path)
    days = page.locator("#days svg g")
    assert days.locator("title").first.text_content() == "Sun 31 Mar: 2.3\xa0kWh"
    assert [days.nth(i).locator(".cgap").count() for i in range(4)] == [0, 1, 1, 0]
    assert "No data" in page.locator("#legend").inner_text()
    assert page.locator(".days-feet span").all_inner_texts() == [
        "Sun 31 Mar", "Mon 1 Apr", "Tue 2 Apr", "Wed 3 Apr", "Thu 4 Apr",
    ]  # fmt: skip


def test_a_coarse_recording_is_said_to_be_seen_as_coarsely(open_page, show, tmp_path: Path) -> None:
    path = tmp_path / "coarse.csv"
    path.write_text("time,power (W)\n" + "".join(f"2024-03-01T{h:02}:00Z,{h}\n" for h in range(24)))
    page = show(open_page(), path)
    assert "one value every 1 h:" in page.locator("#limits").inner_text()
    assert "never calibrated on readings like these" in page.locator("#ranges").inner_text()
    assert page.locator("#appliances").get_by_text("0.00\xa0kWh").count() == 5
    assert page.locator("#appliances .estimate").count() == 0  # no bar of nothing


def test_what_to_know_of_the_readings_is_pointed_to_beside_the_result(
    open_page, show, meter_csv: Path, tmp_path: Path
) -> None:
    file = tmp_path / "halves.csv"
    rows = "".join(f"{1_717_200_000 + 1800 * n},{0.2 + n % 3}\n" for n in range(96))
    file.write_text(f"interval_start,consumption\n{rows}")
    page = open_page()
    show(page, file)
    link = page.locator("#span").locator("..").get_by_role("link", name="notes on these readings")
    assert link.inner_text() == f"{page.locator('#quality li').count() - 1} notes on these readings"
    link.click()
    page.get_by_text("say their unit (kW, or kWh of each interval?)").wait_for()
    assert page.locator("#quality-title").evaluate("each => each.getBoundingClientRect().top < innerHeight")
    assert page.locator("#quality-title").evaluate("each => each === document.activeElement")


def test_an_energy_is_as_fine_as_its_range_and_uses_of_years_have_a_year(sample) -> None:
    found = sample.evaluate(
        """async () => {
            const { kwh, kwhRange } = await import("/static/js/format.js");
            const { showUses } = await import("/static/js/uses.js");
            const uses = [{start: 1.7e9, end: 1.7e9 + 60, energy_kwh: 1, peak: 1}];
            const parts = [{name: "kettle", colour: 1, uses}];
            const before = [...document.querySelector("#uses").children];
            const began = [365, 366].map((length) => {
                showUses({parts, zone: "UTC", days: Array.from({length})}, () => {});
                return document.querySelector("#uses tbody button").textContent;
            });
            document.querySelector("#uses").replaceChildren(...before);
            return {energies: [kwh(0, 0.03), kwhRange([0, 0.03]), kwh(0.99, 4.3), kwh(0.5)], began};
        }"""
    )
    assert found["energies"] == ["0.00\xa0kWh", "0.00 to 0.03", "1.0\xa0kWh", "0.50\xa0kWh"]
    assert found["began"] == ["Tue 14 Nov, 22:13", "14 Nov 2023, 22:13"]


def test_small_shares_are_equally_fine(sample) -> None:
    module = "async shares => shares.map((await import('/static/js/format.js')).percent)"
    shares = [0, 0.06, 0.097, 0.68, 0.998, 1]
    assert sample.evaluate(module, shares) == ["0%", "6.0%", "9.7%", "68%", "99.8%", "100%"]


def test_too_large_and_empty_files_are_refused_before_they_are_sent(open_page, tmp_path: Path) -> None:
    page = open_page()
    path = tmp_path / "large.csv"
    path.write_bytes(b"0" * (21 << 20))
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_input_files("#file", path)
    page.get_by_role("alert").get_by_text("expected at most 20 MB").wait_for()
    path.write_bytes(b"")
    page.set_input_files("#file", path)
    page.get_by_role("alert").get_by_text("is empty").wait_for()
    assert not any("/v1/" in url for url in asked)


def test_a_servers_key_is_asked_for_and_then_used(open_page, run_server, meter_csv: Path) -> None:
    with run_server(API_KEY="a secret of this test") as server:
        page = open_page(server.url, expected=REFUSED)
        page.set_input_files("#file", meter_csv)
        key = page.get_by_label("API key")
        key.wait_for()
        assert "refused" not in page.get_by_role("alert").inner_text()
        key.fill("a guess")
        page.get_by_role("button", name="Use this key").click()
        page.wait_for_function("document.querySelector('#key')?.value === ''")
        page.get_by_role("alert").get_by_text("This key was refused.").wait_for()
        assert "refused" in page.locator(f"#{key.get_attribute('aria-describedby')}").inner_text()
        key.fill("a secret of this test")
        key.press("Enter")
        page.get_by_text("my_home.csv is read.").wait_for()
        assert page.get_by_role("alert").is_hidden()


def test_without_a_network_the_page_says_so_and_the_same_file_can_be_tried_again(
    open_page, meter_csv: Path
) -> None:
    page = open_page(expected="ERR_INTERNET_DISCONNECTED")
    page.context.set_offline(True)
    page.set_input_files("#file", meter_csv)
    page.get_by_role("alert").get_by_text("The server does not answer").wait_for()
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    page.get_by_text("my_home.csv is read.").wait_for()
    assert page.get_by_role("alert").is_hidden()


def test_what_went_wrong_far_down_the_page_comes_into_view(open_page, show) -> None:
    page = show(open_page(expected=REFUSED))
    page.route("**/v1/disaggregate*", lambda route: route.fulfill(status=503, json={"detail": "busy"}))
    page.get_by_role("button", name="Power (CSV)").click()
    page.get_by_role("alert").wait_for()
    assert page.evaluate("document.querySelector('#problem').getBoundingClientRect().top") >= 0


def test_without_the_chart_everything_else_is_there_and_the_page_says_what_is_missing(
    open_page, show
) -> None:
    page = open_page(expected=f"{REFUSED}|uPlot")
    page.route("**/vendor/**", lambda route: route.fulfill(status=404, body=""))
    page.reload()
    show(page)
    page.get_by_text("The chart is missing").wait_for()
    assert page.locator("#appliances tbody tr").count() == 6
    assert page.locator("#chart-table tbody tr").count() > 10
    page.locator("#uses tbody button").first.click()


def test_the_page_loads_nothing_that_this_server_does_not_send(open_page, server) -> None:
    page = open_page()
    answer = page.request.get(server.url)
    assert answer.headers["content-security-policy"].startswith("default-src 'self'; object-src 'none'")
    assert "unsafe" not in answer.headers["content-security-policy"]
    module = page.request.get(f"{server.url}/static/js/main.js")
    assert module.headers["x-content-type-options"] == "nosniff"
    assert page.request.get(f"{server.url}/static/../api.py").status == 404
    assert page.request.get(f"{server.url}/static/%2e%2e/app.py").status == 404
