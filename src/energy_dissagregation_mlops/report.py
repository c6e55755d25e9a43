"""A picture of one day: the mains, and each appliance as measured and as disaggregated.

Shapes: T series length, A appliances.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import matplotlib.dates
import matplotlib.ticker
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from energy_dissagregation_mlops.files import atomic_file
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.inference.mains import MainsSeries
from energy_dissagregation_mlops.inference.quality import is_judged
from energy_dissagregation_mlops.inference.summary import answered, days_of
from energy_dissagregation_mlops.meter_csv.zones import zone as zone_of
from energy_dissagregation_mlops.store import StoredHouse
from energy_dissagregation_mlops.vocabulary import SECONDS_PER_DAY, Disaggregation, FloatArray, TimeArray

_INK, _TRUE, _PREDICTED = "#22303c", "#9aa7b1", "#d1495b"
_LEAST = 10  # W, the top of an axis of what is off all day


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPicture:
    """What a picture shows."""

    title: str
    found: Disaggregation
    true: dict[str, FloatArray]  # (T,) W by appliance, where it is measured
    zone: ZoneInfo


def draw_prediction(
    title: str, mains: MainsSeries, disaggregator: Disaggregator, zone: ZoneInfo, path: Path
) -> Path:
    """Draw the liveliest day of a home whose appliances nobody measured; raises as ``draw_day``."""
    judged = is_judged(mains, period=disaggregator.card.sample_period)
    found, _ = answered(disaggregator, mains.power, start=mains.start, judged=judged)
    return draw_day(DayPicture(title=title, found=found, true={}, zone=zone), path)


def draw_stored(house: StoredHouse, disaggregator: Disaggregator, path: Path) -> Path:
    """Draw the liveliest day of a processed house, measured appliances beside disaggregated ones; raises as ``draw_day``."""
    manifest = house.manifest
    found, _ = answered(disaggregator, np.asarray(house.mains), start=manifest.start)
    true = {name: np.asarray(power) for name, power in zip(manifest.appliances, house.power, strict=True)}
    picture = DayPicture(title=manifest.reference, found=found, true=true, zone=zone_of(manifest.time_zone))
    return draw_day(picture, path)


def liveliest_day(found: Disaggregation, zone: ZoneInfo) -> slice:
    """The samples of the local day in which most appliances are used, and among those the most energy.

    Days with missing mains are taken only where there is no other.
    """
    best, best_rank = slice(0, len(found.mains)), (-1, -1.0, -1.0)
    for _, span in days_of(found, zone):
        measured = float(np.isfinite(found.mains[span]).sum()) * found.sample_period / SECONDS_PER_DAY
        rank = (
            int(measured > 0.95),
            float(found.on[:, span].any(axis=1).sum()),
            float(np.nansum(found.power[:, span])),
        )
        if rank > best_rank:
            best, best_rank = span, rank
    return best


def draw_day(picture: DayPicture, path: Path) -> Path:
    """Draw the liveliest day into an image file; its ending says which kind (png, svg, pdf).

    Raises:
        EdmlopsError: it can't be written.
    """
    found = picture.found
    span = liveliest_day(found, picture.zone)
    # Matplotlib counts time in days since 1970.
    times = (found.start + found.sample_period * np.arange(span.start, span.stop)) / SECONDS_PER_DAY
    day = datetime.fromtimestamp(found.start + found.sample_period * span.start, picture.zone)
    rows = 1 + len(found.appliances)
    figure = Figure(figsize=(10, 1.6 + 1.15 * rows), layout="constrained")
    axes = figure.subplots(rows, 1, sharex=True, height_ratios=[1.6, *[1.0] * (rows - 1)])
    _draw_mains(axes[0], times, found.mains[span])
    for axis, name, power in zip(axes[1:], found.appliances, found.power, strict=True):
        true = picture.true.get(name)
        _draw_appliance(axis, name, times, power[span], None if true is None else true[span])
    figure.suptitle(
        f"{picture.title}, {day:%A} {day.day} {day:%B %Y}", x=0.01, ha="left", color=_INK, fontsize=11
    )
    handles, labels = axes[1].get_legend_handles_labels()
    axes[0].legend(
        handles, labels, loc="lower right", bbox_to_anchor=(1, 1.0), ncols=2, frameon=False, fontsize=9
    )
    axes[-1].xaxis.set_major_locator(matplotlib.dates.HourLocator(byhour=range(0, 24, 3), tz=picture.zone))
    axes[-1].xaxis.set_major_formatter(matplotlib.dates.DateFormatter("%H:%M", tz=picture.zone))
    axes[-1].set_xlim(times[0], times[-1])
    with atomic_file(path) as aside:
        figure.savefig(aside, format=path.suffix.lstrip(".") or "png", dpi=130)
    return path


def _draw_mains(axis: Axes, times: TimeArray, power: FloatArray) -> None:
    axis.fill_between(times, power, step="post", color=_INK, alpha=0.85, linewidth=0)
    _finish(axis, "mains")


def _draw_appliance(
    axis: Axes, name: str, times: TimeArray, power: FloatArray, true: FloatArray | None
) -> None:
    if true is not None:
        axis.fill_between(times, true, step="post", color=_TRUE, linewidth=0, label="measured")
    axis.step(times, power, where="post", color=_PREDICTED, linewidth=1.1, label="disaggregated")
    _finish(axis, name)


def _finish(axis: Axes, name: str) -> None:
    axis.set_ylim(0, max(axis.get_ylim()[1], _LEAST))
    axis.margins(x=0)
    axis.set_title(name, loc="left", fontsize=9.5, color=_INK, weight="bold", pad=3)
    axis.yaxis.set_major_formatter(matplotlib.ticker.EngFormatter(unit="W"))
    axis.tick_params(labelsize=8, colors=_INK)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
