"""Which column is what, by its name: the person's own word first, then what meters' makers write.

Names are read as words: ``sensor.grid_power``, ``Grid Power (W)`` and ``gridPower`` are the same three. It
does not look at values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache, lru_cache
from types import MappingProxyType

from energy_dissagregation_mlops.appliances import recognise
from energy_dissagregation_mlops.errors import DataError
from energy_dissagregation_mlops.meter_csv.cells import parted
from energy_dissagregation_mlops.vocabulary import JOULES_PER_KWH, MAINS, Quantity

_MAX_LISTED = 12
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
    mains: str | None = None  # or several, with commas between: they are added up
    appliances: tuple[tuple[str, str], ...] = ()  # (appliance, column): these and no others
    unit: Unit | None = None  # of the mains, and of appliances whose header names none
    time_zone: str | None = None  # IANA name for times that name no zone; UTC
    day_first: bool | None = None  # whether 05/06/2024 is the fifth of June
    missing: str | None = None  # a column that is 1 where a row is to be left out; "missing" where it exists

    def unit_of(self, name: str, own: Unit | None) -> Unit | None:
        """The unit of the mains as the person says, else its ``own``; of an appliance the other way about."""
        return (self.unit or own) if name == MAINS else (own or self.unit)

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
_UNITS |= {"wh": Unit.WH, "whs": Unit.WH, "kwh": Unit.KWH, "kwhs": Unit.KWH}
ANY_UNIT = MappingProxyType(dict.fromkeys(_UNITS, 1.0))
_UNIT = re.compile(r"(?<![A-Za-z])k?(wh?|whs|va|watts?)(?![A-Za-z])", re.IGNORECASE)
_HOURS = re.compile(r"(kilo)?[\W_]?watt[\W_]?(?:hours?|stunden)(?![a-z])", re.IGNORECASE)
_FOREIGN_UNIT = re.compile(
    r"[\[(]\s*(m?[av]|mwh?|[kmg]?j|k?var|hz|°?[cf]|%)\s*[\])]|/\s*kwh"
    r"|(?<![a-z])(a-|r[+-])(?![a-z\d])|(?<![\d.])2\.8\.\d"  # what is given back, and what is reactive
    r"|(?<![a-z/])(to[\W_]+(the[\W_]+)?grid|fed|feed)(?![a-z])",
    re.IGNORECASE,
)
_LINES, _LETTERS, _NUMBERS = ("l1", "l2", "l3"), ("a", "b", "c"), ("1", "2", "3")  # of phases
_TARIFFS = (
    *(("t1", "t2", "t3", "t4"), ("ht", "nt"), ("hp", "hc"), ("day", "night"), ("dag", "nacht")),
    *(("peak", "offpeak"), ("high", "low"), ("normal", "low"), ("hoog", "laag"), ("normaal", "laag")),
)
_PARTS = (_LINES, _LETTERS, _NUMBERS, *_TARIFFS)
_PHASE = frozenset(("phase", "leg"))
_ANY_PART = frozenset(part for parts in _PARTS for part in parts)
# What stands in the name of a power without saying whose it is.
_FILLERS = frozenset(
    (
        *("power", "energy", "active", "apparent", "real", "sensor", "meter", "plug", "socket"),
        *("usage", "mean", "avg", "average", "act", "aprt"),
    )
)
_TIMES = (
    *("unix", "epoch", "timestamp", "ts", "unixtime", "utc"),
    *("datetime", "time", "date", "datum", "zeit", "changed", "start", "from", "begin", "updated"),
)
_CONSUMPTION = (
    *("consumption", "verbrauch", "verbruik", "consumo", "consommation"),
    *("hausverbrauch", "gesamtverbrauch", "stromverbrauch", "forbruk", "forbrug", "förbrukning", "kulutus"),
)
_IMPORT = ("import", "imported", "bezug", "netzbezug", "afname", "soutirage", "prelievo")
# Alone they are the home's use, and come before what the grid gives: the sun gives the rest.
_USES = ("house", "home", "load", "consumed", *_CONSUMPTION)
# The most telling first. A column is the mains by its best word.
_MAINS = (
    *("mains", "aggregate", "total", "whole", "household"),
    *(f"{word} alone" for word in _USES),
    *("grid", *_IMPORT, "main", "site", "house", "home"),
    *("power", "watts", "load", *_CONSUMPTION, "demand", "use", "usage", "energy"),
    *("phases", "kwh", "w", "kw", "wh"),
    *("watt", "state", "value", "reading", "readings", "wert", "leistung"),
)
_KNOWN = frozenset((*_MAINS, *_FILLERS, *_UNITS)) - {"plug", "socket", "house", "home", "site"}
# With one of these, numbers count phases or tariffs; with less they could count plugs.
_TELLING = frozenset(
    ("mains", "aggregate", "total", "whole", "household", "grid", "main", *_IMPORT, *_CONSUMPTION)
)
_LESS_TELLING = frozenset(("max", "min", "fund"))  # beside the mean, or the whole
# Columns that hold numbers of another kind.
_OTHERS = frozenset(
    (
        *("voltage", "volt", "volts", "current", "amps", "ampere", "frequency", "hz", "pf", "factor"),
        *("temperature", "temp", "humidity", "cost", "price", "tariff", "tax", "rate", "status", "missing"),
        *("stuck", "issues", "id", "index", "entity", "reactive", "var", "kvar", "export", "exported"),
        *("returned", "ret", "react", "self", "solar", "pv", "surplus", "injection", "injectie"),
        *("einspeisung", "netzeinspeisung", "teruglevering", "vertida", "excedente", "excedentes"),
        *("production", "produced", "generation", "generated", "erzeugung", "productie", "produktion"),
        *("produksjon", "produzione", "immissione", "generada", "generacion", "generación"),
        *("autoconsumida", "eigenverbrauch", "direktverbrauch"),
        *("battery", "gas", "water", "num", "rssi", "end"),
    )
)


@cache
def units_beside(unit: Unit) -> Mapping[str, float]:
    """What may stand in the cells of a column of this unit, and how many of this unit one is."""
    return MappingProxyType(
        {word: one.factor / unit.factor for word, one in _UNITS.items() if one.is_energy == unit.is_energy}
    )


def unit_of_cell(cell: str) -> tuple[str, Unit | None]:
    """A cell's text, and the unit behind it, if any."""
    number, word = parted(cell)
    unit = _UNITS.get(word) if number else None
    return (number, unit) if unit else (cell, None)


def unit_alone(cell: str) -> Unit | None:
    """The unit that a cell is, without a number."""
    return _UNITS.get(cell.strip("[]()").lower())


@lru_cache(_KEPT)
def named(name: str) -> Named:
    """A header's name taken apart: words, unit, and which power it is."""
    # Units keep together: the capital inside kWh begins no word.
    spelled = _HOURS.sub(lambda found: " kwh " if found[1] else " wh ", name)
    spaced = re.sub(
        r"(?<=[a-z])(?=[A-Z])", " ", _UNIT.sub(lambda found: found.group().lower(), spelled)
    ).lower()
    spaced = re.sub(r"off[\W_]?peak", "offpeak", re.sub(r"tarif+[\W_]*(?=\d)", "t", spaced))
    spaced = re.sub(r"([^\W\d_]{3,})(?=\d+(?![^\W_]))", r"\1 ", spaced)  # Main1 is main 1, but not L1
    words = tuple(re.findall(r"[^\W_]+", spaced))
    units = [_UNITS[word] for word in words if word in _UNITS]
    if "act" in words and "power" not in words:
        units.insert(0, Unit.WH)  # as Shelly counts
    apparent = {"apparent", "aprt", "va", "kva"} & set(words)
    active = {"active", "act"} & set(words)
    quantity = Quantity.APPARENT if apparent else Quantity.ACTIVE if active else Quantity.UNKNOWN
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
    is_line = words & {*_LINES} and not words & {"a", "i", "u", "v"}  # A L1 is a current
    if is_line or (words & _PHASE and words & _ANY_PART):
        words |= {"phases"}
    if words <= {*_MAINS, *_USES, *_FILLERS, *_UNITS} - {"grid", *_IMPORT}:
        words |= {f"{word} alone" for word in words}
    return min((rank for rank, word in enumerate(_MAINS) if word in words), default=len(_MAINS))


def mains_of(numeric: Sequence[str], header: Sequence[str], where: str) -> list[str]:
    """The name of the mains' column, or of each of its phases or tariffs, which are added up.

    Raises:
        DataError: none could be it, or several could.
    """
    ranks = [(rank, name) for name in numeric if (rank := _mains_rank(name)) is not None]
    best = [name for rank, name in ranks if rank == min(ranks)[0]]
    if meant := _meant(best):
        return meant
    listing = shortened(best or header)
    found = f"{listing} could each be the mains" if best else f"no column of power was found among {listing}"
    raise DataError(
        f"{where}: {found}; name the mains column, or several, with commas between, to be added up"
    )


def shortened(names: Sequence[str]) -> str:
    """Names in a message, the first of them."""
    return ", ".join((*names[:_MAX_LISTED], *["..."][: len(names) > _MAX_LISTED]))


def _meant(names: Sequence[str]) -> list[str]:
    """The one column that names of one rank mean, or all its phases or tariffs; none where they leave a doubt."""
    telling = [name for name in names if named(name).quantity is not Quantity.APPARENT] or names
    telling = [name for name in telling if not _LESS_TELLING & set(named(name).words)] or telling
    if len(telling) <= 1:
        return list(telling)
    groups: dict[tuple[str, ...], dict[str, str]] = {}  # alike but for one word: that word, and the name
    for name in telling:
        words = named(name).words
        for place in (place for place, word in enumerate(words) if word in _ANY_PART):
            groups.setdefault((*words[:place], "", *words[place + 1 :]), {})[words[place]] = name
    found = [(words, parts) for words, parts in groups.items() if len(parts) > 1 and _are_parts(words, parts)]
    if len(found) != 1:
        return []
    words, parts = found[0]
    rest = [name for name in telling if name not in parts.values()]
    if len(rest) == 1 and _core(named(rest[0]).words) == _core(words):
        return rest  # their total
    return [] if rest else list(parts.values())


def are_tariffs(names: Sequence[str]) -> bool:
    """Whether several names are those of one meter's tariffs, alike but for one word."""
    taken = [frozenset(named(name).words) for name in names]
    own = {word for words in taken for word in words - frozenset.intersection(*taken)}
    return len(own) == len(names) > 1 and any(own <= set(family) for family in _TARIFFS)


def _core(words: Sequence[str]) -> set[str]:
    return set(words) - _FILLERS - _UNITS.keys() - _PHASE - {""}


def _are_parts(words: Sequence[str], parts: Iterable[str]) -> bool:
    """Whether columns whose names differ by these words alone are sure to be phases or tariffs of one meter."""
    family = next((family for family in _PARTS if set(parts) <= set(family)), None)
    others = set(words) - {""}
    if family is None:
        return False
    if family in _TARIFFS:
        return bool(others & {"kwh", "wh", "energy", *_IMPORT, *_CONSUMPTION})
    if family is _LINES or others & {*_PHASE, "mains"}:
        return True
    if family is _LETTERS:
        return "channel" in others or (bool(others) and others <= _KNOWN)
    return bool(others & _TELLING) and others <= _KNOWN


def listed(said: str, header: Sequence[str]) -> list[str]:
    """The columns that a person names, with commas between; a comma may also be part of a name.

    A name that is no column's comes back as it is.
    """
    spellings = {name.strip().lower(): name for name in reversed(header)}
    spellings |= {name.strip(): name for name in reversed(header)}
    pieces, names, place = said.split(","), list[str](), 0
    while place < len(pieces):
        for stop in range(len(pieces), place, -1):
            text = ",".join(pieces[place:stop]).strip()
            if name := spellings.get(text) or spellings.get(text.lower()):
                break
        else:
            name, stop = pieces[place].strip(), place + 1
        names.append(name)
        place = stop
    known = [name for name in dict.fromkeys(names) if name]
    return known if any(name in header for name in known) else [said]
