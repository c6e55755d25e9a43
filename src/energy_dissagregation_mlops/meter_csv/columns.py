"""Which column is what, by its name: the person's own word first, then what meters' makers write.

Names are read as words: ``sensor.grid_power``, ``Grid Power (W)`` and ``gridPower`` are the same three. It
does not look at values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import lru_cache

from energy_dissagregation_mlops.appliances import recognise
from energy_dissagregation_mlops.errors import DataError
from energy_dissagregation_mlops.vocabulary import JOULES_PER_KWH, Quantity

_KEPT = 1024  # names: of many homes' tables they are the same few


class Unit(StrEnum):
    """What a column counts in; its value is how people write it."""

    W = "W"
    KW = "kW"
    WH = "Wh"
    KWH = "kWh"

    @property
    def is_energy(self) -> bool:
        """Whether it is an energy: a counter's, or an interval's."""
        return self in (Unit.WH, Unit.KWH)

    @property
    def factor(self) -> float:
        """W, or joules, a unit."""
        return {Unit.W: 1.0, Unit.KW: 1e3, Unit.WH: JOULES_PER_KWH / 1e3, Unit.KWH: JOULES_PER_KWH}[self]


class Form(StrEnum):
    """How a column's numbers stand for power."""

    POWER = "power"
    COUNTER = "counter"  # energy since the meter was fitted, or since midnight
    INTERVAL = "energy of each interval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What a person says of their own file; None and () leave it to be guessed."""

    time: str | None = None
    mains: str | None = None
    appliances: tuple[tuple[str, str], ...] = ()  # (appliance, column): these and no others
    unit: Unit | None = None  # of the mains, and of appliances whose header names none
    time_zone: str | None = None  # IANA name for times that name no zone; UTC
    day_first: bool | None = None  # whether 05/06/2024 is the fifth of June
    missing: str | None = None  # a column that is 1 where a row is to be left out; "missing" where it exists

    @property
    def said(self) -> str:
        """What was said, as JSON; empty where all is left to be guessed."""
        said = {name: value for name, value in asdict(self).items() if value not in (None, ())}
        return json.dumps(said) if said else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A column's name, taken apart."""

    words: tuple[str, ...]
    unit: Unit | None
    quantity: Quantity
    is_foreign: bool  # a number that is neither power nor energy drawn


_UNITS = dict.fromkeys(("w", "watt", "watts", "va"), Unit.W)
_UNITS |= dict.fromkeys(("kw", "kilowatt", "kilowatts", "kwatt", "kwatts", "kva"), Unit.KW)
_UNITS |= {"wh": Unit.WH, "kwh": Unit.KWH}
_UNIT = re.compile(r"(?<![A-Za-z])k?(wh?|va|watts?)(?![A-Za-z])", re.IGNORECASE)
_FOREIGN_UNIT = re.compile(r"[\[(]\s*(m?[av]|k?var|hz|°?[cf]|%)\s*[\])]", re.IGNORECASE)
_PHASES = frozenset(("a", "b", "c", "l1", "l2", "l3", "1", "2", "3"))
# What stands in the name of a power without saying whose it is.
_FILLERS = frozenset(
    (
        *("power", "energy", "active", "apparent", "real", "sensor", "meter", "plug", "socket"),
        *("usage", "mean", "avg", "average"),
    )
)
_TIMES = (
    *("unix", "epoch", "timestamp", "ts", "unixtime", "utc"),
    *("datetime", "time", "date", "changed", "start", "from", "begin", "updated"),
)
# Alone they are the home's use, and come before what the grid gives: the sun gives the rest.
_USES = ("house", "home", "load", "consumption", "consumed", "verbrauch")
# The most telling first. A column is the mains by its best word.
_MAINS = (
    *("mains", "aggregate", "total", "whole", "household"),
    *(f"{word} alone" for word in _USES),
    *("grid", "import", "main", "site", "house", "home"),
    *("power", "watts", "load", "consumption", "demand", "use", "usage", "energy", "kwh", "w", "kw", "wh"),
    *("watt", "state", "value", "reading", "readings", "wert", "leistung", "verbrauch"),
)
# Columns that hold numbers of another kind.
_OTHERS = frozenset(
    (
        *("voltage", "volt", "volts", "current", "amps", "ampere", "frequency", "hz", "pf", "factor"),
        *("temperature", "temp", "humidity", "cost", "price", "tariff", "tax", "rate", "status", "missing"),
        *("stuck", "issues", "id", "index", "entity", "reactive", "var", "kvar", "export", "exported"),
        *("returned", "self", "solar", "pv", "production", "produced", "generation", "generated"),
        *("battery", "gas", "water", "num", "rssi", "end"),
    )
)


@lru_cache(_KEPT)
def named(name: str) -> Named:
    """A header's name taken apart: words, unit, and which power it is."""
    # Units keep together: the capital inside kWh begins no word.
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", _UNIT.sub(lambda found: found.group().lower(), name))
    words = tuple(re.findall(r"[^\W_]+", spaced.lower()))
    units = [_UNITS[word] for word in words if word in _UNITS]
    apparent = {"apparent", "va", "kva"} & set(words)
    quantity = Quantity.APPARENT if apparent else Quantity.ACTIVE if "active" in words else Quantity.UNKNOWN
    foreign = bool(_OTHERS & set(words) or _FOREIGN_UNIT.search(name))
    return Named(words=words, unit=units[-1] if units else None, quantity=quantity, is_foreign=foreign)


def time_rank(name: str) -> int:
    """How much a name sounds like a time's; less is more."""
    words = named(name).words
    return min((rank for rank, word in enumerate(_TIMES) if word in words), default=len(_TIMES))


def appliance_of(name: str) -> str | None:
    """The appliance that a column's name means, None where it means none or something about one."""
    about = named(name)
    if about.is_foreign:
        return None
    core = [word for word in about.words if word not in _FILLERS | _UNITS.keys() and not word.isdigit()]
    return recognise(" ".join(core)) if core else None


def _mains_rank(name: str) -> int | None:
    """How much a name sounds like the mains'; less is more, None for a number of another kind."""
    about = named(name)
    if about.is_foreign:
        return None
    words = set(about.words)
    if words <= {*_MAINS, *_USES, *_FILLERS, *_UNITS} - {"grid", "import"}:
        words |= {f"{word} alone" for word in words}
    return min((rank for rank, word in enumerate(_MAINS) if word in words), default=len(_MAINS))


def mains_of(numeric: Sequence[str], header: Sequence[str], where: str) -> list[str]:
    """The name of the mains' column, or of each of its phases, which are added up.

    Raises:
        DataError: none could be it, or several could.
    """
    ranks = [(rank, name) for name in numeric if (rank := _mains_rank(name)) is not None]
    best = [name for rank, name in ranks if rank == min(ranks)[0]]
    if len(best) == 1 or _are_phases(best):
        return best
    listed = ", ".join(best or header)
    found = f"{listed} could each be the mains" if best else f"no column of power was found among {listed}"
    raise DataError(f"{where}: {found}; name the mains column")


def _are_phases(names: Sequence[str]) -> bool:
    words = [named(name).words for name in names]
    cores = {tuple(word for word in one if word not in _PHASES) for one in words}
    if cores == {("column",)}:  # of a file without a header
        return False
    return len(cores) == 1 and all(_PHASES & set(one) for one in words)
