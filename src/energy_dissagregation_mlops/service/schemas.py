"""What the API takes, and how it answers what it computes, for pydantic to check and for OpenAPI to show.

Power in W, energy in kWh, time in seconds since 1970 (UTC); missing is null. Answers are written by ``answers``
from arrays, not from these records; a test holds the two together. What a route alone answers stands beside it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from energy_dissagregation_mlops.meter_csv import Unit

MAX_PERIOD = 86_400.0  # s
MAX_PRICE = 1e6  # in any currency


class Part(StrEnum):
    """A part of an answer that can be left out."""

    POWER = "power"
    ON = "on"
    ACTIVATIONS = "activations"
    DAYS = "days"
    QUALITY = "quality"
    MAINS = "mains"
    OTHER = "other"
    POWER_INTERVAL = "power_interval"


_TIME = {
    "anyOf": [
        {"type": "number", "minimum": 631_152_000, "exclusiveMaximum": 4_102_444_800},
        {"type": "string", "format": "date-time"},
    ]
}
Power = Annotated[
    list[float | None],
    Field(
        min_length=1,
        fail_fast=True,
        description="W; null where missing. Above 25 kW counts as 25 kW, below 0 as 0.",
    ),
]
# Checked where they become times: thousands of unions cost more than all the rest of a request.
Time = Annotated[object, WithJsonSchema(_TIME)]
Times = Annotated[list[object], WithJsonSchema({"type": "array", "items": _TIME, "minItems": 1})]
Period = Annotated[float, Field(gt=0, le=MAX_PERIOD, description="s between readings")]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class Options(_Request):
    """What is wanted of an answer."""

    appliances: list[str] | None = Field(
        default=None, min_length=1, max_length=100, fail_fast=True,
        description="names of appliances; all of the bundle's. `other` is always the rest after all of them.",
        examples=[["kettle", "fridge"]],
    )  # fmt: skip
    bundle: str | None = Field(
        default=None, max_length=200, description="name@version, or name for its production; the one in production",
        examples=["general@1"],
    )  # fmt: skip
    price_per_kwh: float | None = Field(
        default=None, ge=0, le=MAX_PRICE, description="in your currency; without it costs are null", examples=[0.3]
    )  # fmt: skip
    time_zone: str | None = Field(
        default=None, max_length=100, examples=["Europe/London"],
        description="IANA name, of the days and of times without an offset; UTC",
    )  # fmt: skip
    max_gap: float | None = Field(
        default=None, ge=0, description="s that a reading is held; the bundle's own", examples=[7200]
    )
    parts: list[Part] | None = Field(
        default=None,
        max_length=20,
        fail_fast=True,
        description="what the answer holds; everything but `power_interval`, which is to be asked for",
    )

    def wants(self, part: Part) -> bool:
        """Whether the answer is to hold this part."""
        if self.parts is None:
            return part is not Part.POWER_INTERVAL  # it is twice as long as all the rest
        return part in self.parts


class DisaggregationRequest(Options):
    """A home's mains: with a time for each reading, or with a start and a period."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"start": 1_717_200_000, "sample_period": 60, "power": [120, 2900, 2880, 130, None, 125]}
            ]
        }
    )

    power: Power
    timestamps: Times | None = Field(
        default=None, description="one a reading, in any order: ISO 8601, or seconds since 1970"
    )
    start: Time | None = Field(default=None, description="of the first reading")
    sample_period: Period | None = None

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


class CsvOptions(Options):
    """The options of a meter's CSV, in the query."""

    time_column: str | None = Field(default=None, max_length=200, description="the column of times; guessed")
    mains_column: str | None = Field(
        default=None,
        max_length=600,
        description="the column of the mains, or several with commas between, to be added up; guessed",
    )
    unit: Unit | None = Field(default=None, description="of the mains; guessed")
    day_first: bool | None = Field(
        default=None, description="whether 05/06/2024 is the fifth of June; as the dates show"
    )


class PredictionRequest(_Request):
    """Plain mains: evenly spaced, without a date."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"power": [120, 2900, 2880, 130, None, 125]}]})

    power: Power
    sample_period: Period | None = Field(default=None, description="s between readings; the bundle's own")


class PromotionRequest(_Request):
    """Which version is to be served."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"version": 1}]})

    version: int = Field(ge=1)


class Answer(BaseModel):
    """What every answer is: nothing in it is undocumented."""

    model_config = ConfigDict(extra="forbid")


class BundleAnswer(Answer):
    """Which bundle answered."""

    name: str
    version: str
    sha256: str


class DayAnswer(Answer):
    """One local day."""

    date: str = Field(description="YYYY-MM-DD in the time zone")
    energy_kwh: float
    cost: float | None


class ApplianceDayAnswer(DayAnswer):
    """One local day of an appliance."""

    energy_low_kwh: float | None = Field(description="the truth lies above it; null where nothing is known")
    energy_high_kwh: float | None = Field(description="and below it, in `interval_level` of the days")


class MeasuredDayAnswer(DayAnswer):
    """One local day of the mains."""

    measured_seconds: float = Field(description="of the day, for which the mains is known")


class ActivationAnswer(Answer):
    """One use of an appliance."""

    start: float = Field(description="s since 1970")
    end: float
    energy_kwh: float
    peak: float = Field(description="W")


Watts = list[float | None]


class RestAnswer(Answer):
    """What no appliance of the bundle took."""

    energy_kwh: float
    share: float | None = Field(description="of the mains' energy, 0 to 1; null where that is 0")
    cost: float | None
    power: Watts | None = None
    days: list[DayAnswer] | None = None


class ApplianceAnswer(Answer):
    """What one appliance took."""

    energy_kwh: float
    energy_low_kwh: float | None = Field(description="the truth lies above it; null where nothing is known")
    energy_high_kwh: float | None = Field(
        description="and below it, in `interval_level` of homes like the calibration's"
    )
    present: float | None = Field(
        description="probability that the home has it; null where the bundle does not say"
    )
    absent: bool = Field(
        description="whether the home probably does not have it: then it is said to draw nothing"
    )
    share: float | None = Field(description="of the mains' energy, 0 to 1; null where that is 0")
    cost: float | None
    power: Watts | None = None
    power_low: Watts | None = None
    power_high: Watts | None = None
    days: list[ApplianceDayAnswer] | None = None
    on: list[bool] | None = None
    activations: list[ActivationAnswer] | None = None


class TotalAnswer(Answer):
    """The mains in all."""

    energy_kwh: float
    cost: float | None
    days: list[MeasuredDayAnswer] | None = None


class UnlikeTrainingAnswer(Answer):
    """How the mains compares with those that the model was trained on."""

    psi: float | None = Field(
        description="population stability index of the mains' power; null below 12 h of it"
    )
    outside_range: float = Field(description="share of samples outside the trained range")
    verdict: str = Field(description="like, somewhat unlike, unlike, or too little to say")


class QualityAnswer(Answer):
    """What was met in the readings, and what was done about it."""

    readings: int
    missing: int
    duplicates: int
    unsorted: int
    negative: int
    clipped: int
    frozen: int
    filled_seconds: float
    gaps: int
    coverage: float = Field(description="share of the time from the first to the last reading that is known")
    unlike_training: UnlikeTrainingAnswer | None
    notes: list[str] = Field(description="the same in sentences")


class DisaggregationAnswer(Answer):
    """Mains taken apart on the bundle's grid; the appliances of the bundle and ``other`` sum to it."""

    bundle: BundleAnswer
    start: float = Field(description="s since 1970, of the first sample")
    sample_period: float = Field(description="s")
    num_samples: int
    time_zone: str
    interval_level: float | None = Field(
        description="share of truths that lie between low and high; null for a bundle that was never calibrated, or readings that its calibration does not speak of"
    )
    mains: Watts | None = None
    appliances: dict[str, ApplianceAnswer]
    other: RestAnswer | None = None
    total: TotalAnswer
    quality: QualityAnswer | None = None


class PredictionAnswer(Answer):
    """Plain arrays, W; null where the mains is not known."""

    bundle: str = Field(description="name@version")
    sample_period: float = Field(description="s")
    appliances: dict[str, Watts]
    other: Watts
