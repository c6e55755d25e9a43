"""When people are awake at home, when it is dark, how cold the season is: what loads are used by.

Local wall time in minutes of the day. It does not know the loads.

Shapes: M the 1440 minutes of a day on the wall clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from energy_dissagregation_mlops.vocabulary import BoolArray

MINUTES = 1440

_TILT = 23.44  # degrees, of the earth's axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Routine:
    """A household's usual day, h of local time."""

    occupants: float
    wake: float
    leave: float
    back: float
    bed: float
    home_by_day: float  # chance that somebody stays at home on a weekday

    def presence(self, day: date, rng: np.random.Generator) -> BoolArray:
        """The minutes in which somebody is awake at home on this day, (M,)."""
        weekend = day.weekday() >= 5
        late = rng.uniform(0.3, 1.8) if weekend else 0.0
        wake, bed = self.wake + late + rng.normal(0, 0.25), self.bed + 0.3 * late + rng.normal(0, 0.4)
        present = _between(wake, bed)
        if weekend:
            outing = rng.uniform(9.5, 16)
            away = _between(outing, outing + rng.uniform(1, 5)) if rng.random() < 0.6 else ~present
        else:
            leave, back = self.leave + rng.normal(0, 0.2), self.back + rng.normal(0, 0.5)
            away = _between(leave, back) if rng.random() >= self.home_by_day else ~present
        return present & ~away


def _between(start: float, end: float) -> BoolArray:
    hours = np.arange(MINUTES) / 60.0
    return np.asarray((hours >= start) & (hours < end))


def wall_to_utc(day: date, seconds: float, zone: ZoneInfo) -> float:
    """The moment when the wall clock shows ``seconds`` after this day's midnight, s since 1970, UTC."""
    midnight = datetime.combine(day, time(), tzinfo=zone)
    return (midnight + timedelta(seconds=seconds)).timestamp()


def darkness(day: date, *, latitude: float, zone: ZoneInfo) -> BoolArray:
    """The minutes between an hour before sunset and an hour after sunrise, (M,).

    Sunset's hour angle is acos(-tan(latitude) tan(declination)) (any textbook of astronomy); solar noon is
    taken as 12:00 UTC, so this holds near the meridian of Greenwich.
    """
    turn = 2.0 * np.pi * (day.timetuple().tm_yday + 10) / 365.25
    declination = -np.radians(_TILT) * np.cos(turn)
    half_day = np.degrees(np.arccos(-np.tan(np.radians(latitude)) * np.tan(declination))) / 15.0
    offset = datetime.combine(day, time(12), tzinfo=zone).utcoffset() or timedelta()
    noon = 12.0 + offset.total_seconds() / 3600.0
    return ~_between(noon - half_day + 1.0, noon + half_day - 1.0)


def coldness(day: date) -> float:
    """How much heating the season asks for, from 0 in summer to 1 in mid-January."""
    turn = 2.0 * np.pi * (day.timetuple().tm_yday - 15) / 365.25
    return float(np.clip(0.45 + 0.65 * np.cos(turn), 0.0, 1.0))
