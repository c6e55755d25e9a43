from __future__ import annotations

from energy_dissagregation_mlops.service.drift import DriftRecord
from energy_dissagregation_mlops.service.telemetry import Telemetry


def value(text: bytes, line: str) -> float:
    found = [each for each in text.decode().splitlines() if each.rpartition(" ")[0] == line]
    assert len(found) == 1, (line, text.decode())
    return float(found[0].rpartition(" ")[2])


def test_requests_are_counted_by_route_method_and_status_with_their_latency() -> None:
    telemetry = Telemetry()
    for status, seconds in ((200, 0.004), (200, 0.006), (422, 0.001)):
        telemetry.observe(route="/predict", method="POST", status=status, seconds=seconds)
    text = telemetry.exposition(None)
    assert value(text, 'edmlops_requests_total{method="POST",route="/predict",status="200"}') == 2
    assert value(text, 'edmlops_requests_total{method="POST",route="/predict",status="422"}') == 1
    assert value(text, 'edmlops_request_seconds_count{route="/predict"}') == 3
    assert value(text, 'edmlops_request_seconds_bucket{le="0.005",route="/predict"}') == 2


def test_nobody_can_make_up_labels() -> None:
    telemetry = Telemetry()
    telemetry.observe(route="", method="BREW", status=404, seconds=0)
    assert (
        value(telemetry.exposition(None), 'edmlops_requests_total{method="other",route="none",status="404"}')
        == 1
    )


def test_the_bundle_and_its_drift_are_told() -> None:
    record = DriftRecord(
        reference="home@3", sha256="ab", since=0, requests=1, samples=4, missing_samples=0, outside_range=0.5,
        features=(),
    )  # fmt: skip
    text = Telemetry().exposition(record)
    assert value(text, 'edmlops_bundle_info{name="home",sha256="ab",version="3"}') == 1
    assert value(text, "edmlops_drift_outside_range") == 0.5
