"""The API's document in a browser: shown by this server alone, and its example runs as it stands."""

from __future__ import annotations


def test_the_document_runs_its_example_and_asks_no_other_host(open_page, server) -> None:
    home = open_page()  # whatever it or the next page asks of another host fails the test in the end
    home.goto(f"{server.url}/docs")
    operation = home.locator(".opblock").filter(has_text="/v1/disaggregate")
    operation.first.locator(".opblock-summary-control").first.click()
    operation.first.get_by_role("button", name="Try it out").click()
    operation.first.get_by_role("button", name="Execute").click()
    status = operation.first.locator(".live-responses-table tbody .response-col_status").first
    status.wait_for()
    assert status.inner_text().startswith("200")
