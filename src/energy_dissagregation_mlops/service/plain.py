"""Plain mains, evenly spaced and without a date, taken apart: as many samples out as time went in.

Shapes: T samples of the grid, A appliances.
"""

from __future__ import annotations

import math

import numpy as np

from energy_dissagregation_mlops.inference.mains import mains_series
from energy_dissagregation_mlops.inference.quality import is_judged
from energy_dissagregation_mlops.inference.summary import settled
from energy_dissagregation_mlops.service.answers import rounded
from energy_dissagregation_mlops.service.readings import validated, watts
from energy_dissagregation_mlops.service.rules import Rules
from energy_dissagregation_mlops.service.schemas import PredictionRequest
from energy_dissagregation_mlops.service.serving import Served
from energy_dissagregation_mlops.service.writing import written
from energy_dissagregation_mlops.vocabulary import Disaggregation, FloatArray, Readings

_SOME_TIME = 1_577_836_800.0  # s since 1970: what is plain has no date, but needs a place on the grid


def prediction(body: bytes, served: Served, rules: Rules) -> bytes:
    """The answer's JSON to a request's.

    Raises:
        RequestError: 400 or 422, the request is not as expected.
        DataError: no reading is a number, or they span too long.
    """
    request = validated(PredictionRequest, body, rules)
    period = request.sample_period or served.bundle.card.sample_period
    found = disaggregated(watts(request.power, rules), served, sample_period=period, rules=rules)
    parts = dict(zip(found.appliances, rounded(found.power), strict=True))
    return written(
        {
            "bundle": served.bundle.card.reference, "sample_period": found.sample_period,
            "appliances": parts, "other": rounded(found.other),
        }
    )  # fmt: skip


def disaggregated(power: FloatArray, served: Served, *, sample_period: float, rules: Rules) -> Disaggregation:
    """Take plain mains (R,) W, a reading each ``sample_period`` s, apart on the bundle's grid.

    Raises:
        DataError: no reading is a number, or they span too long.
    """
    period = served.bundle.card.sample_period
    begin = math.ceil(_SOME_TIME / period) * period
    readings = Readings(time=begin + sample_period * np.arange(len(power), dtype=np.float64), power=power)
    mains = mains_series(
        [[readings]], served.disaggregator, whose="the readings", max_samples=rules.max_samples
    )
    # The grid's series begins and ends with what was measured.
    whole = np.full(max(1, math.ceil(len(power) * sample_period / period - 1e-9)), np.nan, np.float32)
    before = round((mains.start - begin) / period)
    measured = mains.power[: len(whole) - before]
    whole[before : before + len(measured)] = measured
    served.compared(whole)
    return settled(served.disaggregator, whole, start=begin, judged=is_judged(mains, period=period))
