from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from energy_dissagregation_mlops.service.drift import DriftRecord
from energy_dissagregation_mlops.service.telemetry import FOLDER, Telemetry

BUSY = """
import json
from energy_dissagregation_mlops.api import Options, application
from energy_dissagregation_mlops.service.telemetry import Telemetry, shared_folder

def sizes():
    return {path.name: path.stat().st_size for path in shared_folder().iterdir()}

telemetry, before = Telemetry(), sizes()
for path, operations in application(Options.from_environment()).openapi()["paths"].items():
    for method in operations:
        for status in (200, 400, 401, 404, 405, 408, 413, 415, 422, 429, 500, 503):
            telemetry.observe(route=path, method=method.upper(), status=status, seconds=0.01)
for reason in ("overloaded", "unavailable", "time limit"):
    telemetry.refused(reason)
telemetry.windows.observe(3)
blocks = {path.name: 512 * path.stat().st_blocks for path in shared_folder().iterdir()}
print(json.dumps([before, sizes(), blocks]))
"""


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


def test_a_disk_that_is_full_later_can_not_kill_a_worker(tmp_path: Path) -> None:
    """Its numbers are mapped: where the disk has no room for a page, the kernel kills who writes it."""
    found = subprocess.run(
        [sys.executable, "-c", BUSY],
        env={**os.environ, FOLDER: str(tmp_path)},
        capture_output=True,
        check=True,
    )
    before, after, blocks = json.loads(found.stdout.splitlines()[-1])
    assert len(before) == 4
    assert after == before  # nothing grew
    assert all(blocks[name] >= size for name, size in after.items())  # and nothing is left to be allotted
