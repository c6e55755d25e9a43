"""What the API takes and gives. Power in W, time in seconds since 1970 (UTC), missing is null."""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from energy_dissagregation_mlops.vocabulary import JOULES_PER_KWH, Disaggregation, Readings, TimeArray

EARLIEST, LATEST = 631_152_000.0, 4_102_444_800.0  # s since 1970: the years 1990 to 2100
MAX_READINGS = 2_000_000
MAX_SAMPLES = 2_000_000  # of the grid that an answer covers

Seconds = Annotated[float, Field(ge=EARLIEST, lt=LATEST)]


class DisaggregationRequest(BaseModel):
    """A home's mains: with a time for each reading, or with a start and a period."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"start": 1_717_200_000, "sample_period": 60, "power": [120, 2900, 2880, 130, None, 125]}
            ]
        },
    )

    power: list[float | None] = Field(
        min_length=1, max_length=MAX_READINGS, description="W; null where missing"
    )
    timestamps: list[Seconds] | None = Field(
        default=None, description="s since 1970, one a reading, in any order"
    )
    start: Seconds | None = Field(default=None, description="s since 1970, of the first reading")
    sample_period: float | None = Field(default=None, gt=0, le=86_400, description="s between readings")

    @model_validator(mode="after")
    def _has_times(self) -> Self:
        if self.timestamps is not None:
            if len(self.timestamps) != len(self.power):
                raise ValueError(
                    f"{len(self.timestamps)} timestamps for {len(self.power)} readings: give one a reading"
                )
            if self.start is not None or self.sample_period is not None:
                raise ValueError("give timestamps, or start and sample_period, not both")
        elif self.start is None or self.sample_period is None:
            raise ValueError("give timestamps, or start and sample_period")
        return self

    def readings(self) -> Readings:
        """The readings as arrays."""
        power = np.array([np.nan if watts is None else watts for watts in self.power], np.float32)
        return Readings(time=self._times(), power=power)

    def _times(self) -> TimeArray:
        if self.timestamps is not None:
            return np.array(self.timestamps, np.float64)
        assert self.start is not None
        assert self.sample_period is not None
        return self.start + self.sample_period * np.arange(len(self.power), dtype=np.float64)


class ApplianceAnswer(BaseModel):
    """One appliance's part."""

    power: list[float | None]  # W
    on: list[bool]
    energy_kwh: float


class DisaggregationAnswer(BaseModel):
    """Mains taken apart on the bundle's grid; the parts and ``other`` sum to it."""

    bundle: str
    start: float  # s since 1970
    sample_period: float  # s
    mains: list[float | None]  # W
    appliances: dict[str, ApplianceAnswer]
    other: list[float | None]  # W

    @classmethod
    def of(cls, found: Disaggregation, *, bundle: str) -> Self:
        """The answer as JSON has it."""
        parts = {
            name: ApplianceAnswer(
                power=_listed(power),
                on=on.tolist(),
                energy_kwh=float(np.nansum(power, dtype=np.float64)) * found.sample_period / JOULES_PER_KWH,
            )
            for name, power, on in zip(found.appliances, found.power, found.on, strict=True)
        }
        return cls(
            bundle=bundle, start=found.start, sample_period=found.sample_period, mains=_listed(found.mains),
            appliances=parts, other=_listed(found.other),
        )  # fmt: skip


def _listed(power: np.ndarray) -> list[float | None]:
    return [None if np.isnan(watts) else round(float(watts), 2) for watts in power]
