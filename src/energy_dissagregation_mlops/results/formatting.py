"""Numbers, times and records as a person or a program reads them."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from energy_dissagregation_mlops.metrics import or_none
from energy_dissagregation_mlops.terminal import output

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

NO_INTERVALS = "This model was never calibrated, so it gives no intervals: `edmlops calibrate` does it."
TOO_LITTLE = "It gives no intervals: too little use is said in the homes that it was calibrated on."


def number(value: float | None, digits: int = 1, suffix: str = "") -> str:
    """A number with so many digits behind the point; "-" where there is none."""
    return "-" if value is None or not np.isfinite(value) else f"{value:,.{digits}f}{suffix}"


def percent(share: float | None) -> str:
    """A share as whole per cent."""
    return number(None if share is None else 100 * share, 0, " %")


def moment(seconds: float | None) -> str:
    """A time to the minute, UTC."""
    return "-" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def print_json(value: object) -> None:
    """Print what a program reads."""
    output().print_json(json.dumps(value, allow_nan=False))


def record_json(record: DataclassInstance) -> dict[str, object]:
    """A record as JSON can hold it: what is no number is null."""
    return {
        key: or_none(value) if isinstance(value, float) else value
        for key, value in dataclasses.asdict(record).items()
    }
