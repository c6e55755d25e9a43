from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from energy_dissagregation_mlops.bundle import Bundle, InputStatistics
from energy_dissagregation_mlops.service import drift
from energy_dissagregation_mlops.service.drift import DriftMonitor

DAY = 86_400


@pytest.fixture
def bundle(make_bundle: Callable[..., Bundle]) -> Bundle:
    found = make_bundle()
    statistics = InputStatistics(
        quantiles={"0.01": 50, "0.99": 2500}, histogram_edges=(0, 100, 3000), histogram=(0.5, 0.5), missing_share=0
    )  # fmt: skip
    return replace(found, card=found.card.model_copy(update={"input_statistics": statistics}))


def serve(monitor: DriftMonitor, *watts: float) -> None:
    monitor.add(np.array(watts, np.float32))


def test_a_record_holds_the_numbers_behind_the_verdict(bundle: Bundle) -> None:
    monitor = DriftMonitor(bundle, None)
    assert monitor.record().features == ()
    serve(monitor, *[10, 60, 200] * 10_000)
    assert [each.verdict for each in monitor.record().features] == ["somewhat unlike", "like"]
    serve(monitor, *[200, np.nan] * 10_000)
    record = monitor.record()
    assert record.reference == "plain@1"
    assert (record.requests, record.samples, record.missing_samples) == (2, 50_000, 10_000)
    assert record.outside_range == 0.25
    mains, missing = record.features
    assert (mains.found, mains.psi, mains.verdict) == ((0.5, 0.5), 0, "like")
    assert (missing.found, missing.verdict) == ((0.8, 0.2), "unlike")


def test_workers_sum_up_through_their_folder_and_a_dead_one_still_counts(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = DriftMonitor(bundle, tmp_path)
    serve(ours, 60, 200)
    with monkeypatch.context() as other:
        other.setattr(drift.os, "getpid", lambda: 1)
        theirs = DriftMonitor(bundle, tmp_path)
        serve(theirs, 200, 200, np.nan)
        theirs.share()
        theirs.share()
    ours.share()
    record = ours.record()
    assert (record.requests, record.samples, record.missing_samples) == (2, 5, 1)
    assert record.features[0].found == (0.25, 0.75)


def test_another_bundle_is_counted_apart(
    bundle: Bundle, tmp_path: Path, make_bundle: Callable[..., Bundle]
) -> None:
    first, second = DriftMonitor(bundle, tmp_path), DriftMonitor(make_bundle(), tmp_path)
    serve(first, 60)
    first.share()
    assert second.record().requests == 0


def test_what_is_older_than_the_day_before_is_forgotten(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(drift.time, "time", lambda: now)
    monitor = DriftMonitor(bundle, None)
    for day, requests in ((0, 1), (1.5, 2), (1.9, 3), (3, 3), (9, 1)):
        now = 1_000_000 + day * DAY
        serve(monitor, 60)
        assert monitor.record().requests == requests, day


def test_a_full_disk_is_told_in_a_line_and_tried_again(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = DriftMonitor(bundle, tmp_path)
    serve(monitor, 60)

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_text", full)
        monitor.share()
    (line,) = caplog.records
    assert (line.levelname, line.exc_info) == ("WARNING", None)
    assert "No space left on device" in line.getMessage()
    monitor.share()
    assert [path.suffix for path in tmp_path.glob("drift-*")] == [".json"]
