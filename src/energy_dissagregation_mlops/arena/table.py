"""What came of a protocol, as Markdown for people and as JSON for programs.

First the means over all splits, where published results stand, marked as such; then for each split one
table an appliance, baselines first. It does not know how a figure came about.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from energy_dissagregation_mlops import __version__
from energy_dissagregation_mlops.arena.benchmark import Result, SplitResult
from energy_dissagregation_mlops.arena.contests import COVERAGES, Entry
from energy_dissagregation_mlops.arena.protocol import Protocol
from energy_dissagregation_mlops.arena.summary import Figure, Line, lines
from energy_dissagregation_mlops.cores import available_cores
from energy_dissagregation_mlops.files import json_text, write_text
from energy_dissagregation_mlops.metrics import or_none
from energy_dissagregation_mlops.store import listed

MEAN = "mean"  # over appliances
PUBLISHED = "published"

_COLUMNS: Mapping[str, tuple[str, int, bool]] = {  # figure: title, digits, whether its interval is shown
    "mae": ("MAE W", 2, True), "rmse": ("RMSE W", 1, False), "sae": ("SAE", 2, False), "nde": ("NDE", 2, False),
    "f1": ("F1", 3, True), "teca": ("TECA", 3, False), "skill": ("skill", 3, True),
    "energy_per_day_error_kwh": ("error of a day, kWh", 3, False),
    "activation_precision": ("uses, precision", 2, False), "activation_recall": ("uses, recall", 2, False),
    "power_coverage": ("power held", 2, False), "day_coverage": ("days held", 2, False),
    "false_power": ("false W", 2, False), "false_kwh_per_day": ("false kWh a day", 3, False),
}  # fmt: skip
_OVERALL = ("mae", "f1")
_NOTE = """\
A figure is the mean over seeds and test houses. In brackets: where it lies with 95 % chance, by the bootstrap over
days. After ±: its standard deviation over seeds, where there are several. Skill is the share of always-off's MAE that
is saved. Held: share of truths in their 80 % intervals, of samples and days on which the appliance is used or said to be.
False: what is said of an appliance in the same home without it, its power taken from the mains. Samples/s are those of the mains, all appliances at once, through ONNX Runtime as users are served."""

Rows = list[tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A protocol's result with its figures worked out."""

    result: Result
    lines: Mapping[str, Mapping[str, Sequence[Line]]]  # by split and entry; an entry's mean first

    @classmethod
    def of(cls, result: Result) -> Table:
        """Work the figures out."""
        return cls(
            result=result,
            lines={
                each.split.name: {entry.name: lines(entry) for entry in each.entries}
                for each in result.splits
            },
        )

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write table.md and table.json into a folder.

        Raises:
            EdmlopsError: they can't be written.
        """
        markdown, as_json = folder / "table.md", folder / "table.json"
        write_text(markdown, self.markdown())
        write_text(as_json, json_text(self.to_json()))
        return markdown, as_json

    def overall(self, figure: str) -> tuple[tuple[str, ...], Rows]:
        """Titles and rows of one figure by appliance, its mean over the splits; published results last."""
        protocol = self.result.protocol
        appliances, digits = tuple(protocol.appliances), _COLUMNS[figure][1]
        rows: Rows = []
        for entry in self.result.splits[0].entries:
            values = [self._over_splits(entry.name, each, figure) for each in (*appliances, None)]
            rows.append((entry.name, *(_number(value, digits) for value in values)))
        for other in protocol.published:
            said = {"mae": other.mae, "f1": other.f1}[figure]
            mean = _mean([said.get(each, math.nan) for each in appliances], whole=True)
            values = [*(said.get(each, math.nan) for each in appliances), mean]
            rows.append((f"{other.name} ({PUBLISHED})", *(_number(value, digits) for value in values)))
        return ("", *appliances, MEAN), rows

    def _over_splits(self, entry: str, appliance: str | None, figure: str) -> float:
        found = (
            line for split in self.lines.values() for line in split[entry] if line.appliance == appliance
        )
        return _mean([line.figures[figure].mean for line in found])

    def markdown(self) -> str:
        """The whole as Markdown."""
        protocol = self.result.protocol
        parts = [f"# {protocol.name}", protocol.description, _NOTE, _conditions(protocol)]
        splits = ", ".join(each.split.name for each in self.result.splits)
        for figure in _OVERALL:
            parts += [f"## {_COLUMNS[figure][0]} over all splits ({splits})"]
            parts += [_table(*self.overall(figure))]
        parts += [f"Published by {each.name}: {each.source}" for each in protocol.published]
        for split in self.result.splits:
            parts += self._split_parts(split)
        return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"

    def _split_parts(self, result: SplitResult) -> Iterable[str]:
        split, found = result.split, self.lines[result.split.name]
        validation = listed(split.validation) or "blocks of time of the training houses"
        yield f"## Split {split.name}"
        yield f"Trained on {listed(split.train)}; validated on {validation}; tested on {listed(split.test)}."
        titles = ("", *(title for title, _, _ in _COLUMNS.values()))
        for number, line in enumerate(found[result.entries[0].name]):
            yield f"### {line.appliance or 'Mean over appliances'}"
            yield _table(
                titles,
                [
                    (
                        entry.name,
                        *(_cell(name, each) for name, each in found[entry.name][number].figures.items()),
                    )
                    for entry in result.entries
                ],
            )
        yield "### Size and speed"
        rows = [
            (entry.name, entry.network, f"{entry.num_weights:,}", f"{_speed(entry):,.0f}")
            for entry in result.entries
            if entry.network
        ]
        yield _table(("", "network", "weights", "samples/s"), rows) if rows else ""

    def to_json(self) -> dict[str, object]:
        """The whole as JSON: every figure with its interval, every trial with its bundle and scores."""
        return {
            "protocol": self.result.protocol.model_dump(mode="json"),
            "package_version": __version__,
            "python": platform.python_version(),
            "cores": available_cores(),
            "splits": [
                {
                    "name": each.split.name,
                    "entries": [self._entry_json(each.split.name, entry) for entry in each.entries],
                }
                for each in self.result.splits
            ],
        }

    def _entry_json(self, split: str, entry: Entry) -> dict[str, object]:
        return {
            "name": entry.name, "network": entry.network, "num_weights": entry.num_weights,
            "figures": {
                line.appliance or MEAN: {name: figure.to_json() for name, figure in line.figures.items()}
                for line in self.lines[split][entry.name]
            },
            "trials": [
                {
                    "seed": trial.seed, "bundle": trial.bundle, "bundle_sha256": trial.bundle_sha256,
                    "git_commit": trial.git_commit, "samples_per_second": trial.samples_per_second,
                    "houses": [
                        {
                            "house": each.house, "appliance": each.appliance, "scores": each.scores.to_json(),
                            **{name: or_none(each.figure(name)) for name in (*COVERAGES, "false_power")},
                        }
                        for each in trial.houses
                    ],
                }
                for trial in entry.trials
            ],
        }  # fmt: skip


def _conditions(protocol: Protocol) -> str:
    thresholds = ", ".join(f"{name} from {watts:g} W" for name, watts in protocol.appliances.items())
    seeds = "; ".join([", ".join(map(str, protocol.seeds)), *_seeds_of_their_own(protocol)])
    return f"Every {protocol.sample_period:g} s. On: {thresholds}. Seeds: {seeds}. {available_cores()} cores."


def _seeds_of_their_own(protocol: Protocol) -> Iterator[str]:
    """The seeds of contestants that have others than the protocol, as in "all: 0 + 1, 2 + 3"."""
    for each in protocol.contestants:
        groups = [protocol.members_of(each, seed) or (seed,) for seed in protocol.seeds_of(each)]
        if groups != [(seed,) for seed in protocol.seeds]:
            yield f"{each.name}: {', '.join(' + '.join(map(str, group)) for group in groups)}"


def _speed(entry: Entry) -> float:
    return _mean([trial.samples_per_second for trial in entry.trials])


def _mean(values: Sequence[float], *, whole: bool = False) -> float:
    """The mean of what has a meaning; NaN where nothing has, or with ``whole`` where anything has not."""
    known = [value for value in values if math.isfinite(value)]
    if not known or (whole and len(known) < len(values)):
        return math.nan
    return float(np.mean(known))


def _cell(name: str, figure: Figure) -> str:
    _, digits, with_interval = _COLUMNS[name]
    text = _number(figure.mean, digits)
    if with_interval and math.isfinite(figure.spread):
        text += f" ±{_number(figure.spread, digits)}"
    if with_interval and figure.interval is not None and math.isfinite(figure.interval.low):
        text += f" [{_number(figure.interval.low, digits)}, {_number(figure.interval.high, digits)}]"
    return text


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines_of_text = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines_of_text)
