"""The commands of docs/data.md for a meter of one's own, each run as it stands, by the model that ships."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "data.md"

pytestmark = pytest.mark.slow


def test_every_command_for_one_s_own_meter_runs(edmlops, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODELS_PATH", str(tmp_path / "models"))
    section = PAGE.read_text(encoding="utf-8").split("## Your own\n")[1]
    lines = re.findall(r"^    (\S.*)$", section, re.MULTILINE)
    assert len(lines) == 6
    said = []
    for line in lines:
        if line.startswith("printf"):
            subprocess.run(["bash", "-c", line], check=True)
            continue
        made = edmlops(*shlex.split(line)[1:])
        assert made.status == 0, made.errors
        said.append(made.output)
    assert "mains: 'power', power in W" in said[0]
    assert "mains: 'right', power in W" in said[-1]
    names = ["appliances.csv", "appliances.daily.csv", "appliances.activations.csv", "legs_out.csv"]
    assert [name for name in names if not (tmp_path / name).is_file()] == []
    second = (tmp_path / "legs_out.csv").read_text().splitlines()[2]
    assert second.split(",")[1] == "2950"  # 95 and 2,855 W
