"""`edmlops benchmark`: from nothing to a table, and mistakes in a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

Command = Callable[..., Any]

PROTOCOL = """\
name: tiny
description: Three made-up homes.
data:
  made: {file: made.h5, simulated: {houses: 3, days: 3, seed: 7}}
sample_period: 60
appliances: {kettle: 2000, fridge: 50}
splits:
  - {name: to-3, train: ["made:1-2"], test: ["made:3"]}
training: {epochs: 1, steps_per_epoch: 3, batch_size: 8}
contestants:
  - name: unet
    network: gated_unet
    network_options: {window_length: 256, width: 8, skip_width: 8, expansion: 1, kernel: 3, dilations: [1, 2]}
  - name: transformer
    network: nilmformer
    network_options: {window_length: 64, width: 8, heads: 2, num_blocks: 1}
"""


@pytest.fixture
def protocol(empty: Path) -> Path:
    path = empty / "tiny.yaml"
    path.write_text(PROTOCOL)
    return path


@pytest.mark.slow
def test_a_protocol_of_simulated_homes_goes_from_nothing_to_a_table(
    edmlops: Command, protocol: Path, empty: Path
) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = edmlops("benchmark", protocol, "--output", empty / "out")
    finally:
        torch.set_num_threads(threads)
    assert found.status == 0, found.errors
    assert "MAE in W on homes never seen in training" in found.output
    rows = [line.split()[0] for line in found.output.splitlines() if line and not line.startswith((" ", "─"))]
    assert rows[1:6] == ["always-off", "mean-power", "combinatorial", "unet", "transformer"]
    told = json.loads((empty / "out" / "table.json").read_text())
    entries = {entry["name"]: entry for entry in told["splits"][0]["entries"]}
    assert entries["always-off"]["figures"]["kettle"]["skill"]["mean"] == 0
    assert entries["transformer"]["network"] == "nilmformer" and entries["transformer"]["num_weights"] > 0
    assert (empty / "data" / "raw" / "made.h5").is_file()
    assert "| combinatorial |" in (empty / "out" / "table.md").read_text()
    assert not (empty / "models").exists()  # what the arena trains is not put among one's own models


def test_a_protocol_that_is_not_there_is_one_line(edmlops: Command, empty: Path) -> None:
    found = edmlops("benchmark", empty / "none.yaml")
    assert found.status == 1 and "none.yaml: no such configuration file" in found.error


def test_a_split_that_is_not_there_is_told_those_that_are(edmlops: Command, protocol: Path) -> None:
    found = edmlops("benchmark", protocol, "--split", "to-4")
    assert found.status == 1 and "no split called 'to-4': there is to-3" in found.error


def test_a_leak_is_one_line_before_anything_is_trained(edmlops: Command, protocol: Path, empty: Path) -> None:
    protocol.write_text(PROTOCOL.replace('test: ["made:3"]', 'test: ["made:2"]'))
    found = edmlops("benchmark", protocol, "--output", empty / "out")
    assert found.status == 1 and "made:2 is named for train and for test" in found.error
    assert not (empty / "out").exists()
