"""Workers by the container's share."""

from __future__ import annotations

from pathlib import Path

import pytest

from energy_dissagregation_mlops.service import sizing


@pytest.mark.parametrize(
    ("wanted", "cores", "memory", "expected"),
    [
        (4, 8, "max\n", 4),
        (4, 2, "max\n", 2),
        (4, 8, f"{3 * 256 << 20}\n", 3),
        (4, 8, "9223372036854771712\n", 4),
        (4, 8, "1000\n", 1),
        (1, 8, "max\n", 1),
    ],
)
def test_there_are_no_more_workers_than_cores_or_room_in_memory(
    wanted: int, cores: int, memory: str, expected: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text(memory)
    monkeypatch.setattr(sizing, "_LIMITS", (tmp_path / "absent", limit))
    monkeypatch.setattr(sizing, "available_cores", lambda: cores)
    assert sizing.workers_that_fit(wanted) == expected


def test_too_little_memory_for_one_worker_is_an_error_that_names_the_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(sizing, "_LIMITS", (limit,))
    limit.write_text(f"{300 << 20}\n")
    sizing.workers_that_fit(4)
    assert "workers: 1 in place of 4" in caplog.text and "API_MEMORY" not in caplog.text
    limit.write_text(f"{64 << 20}\n")
    sizing.workers_that_fit(1)
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(said) == 1 and "256 MB, and there is less" in said[0] and "raise API_MEMORY" in said[0]
