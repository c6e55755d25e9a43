"""Any file in NILMTK's HDF5 layout: ``/buildingN/elec/meterM/table``, and metadata that say what is where.

The layout: https://github.com/nilmtk/nilmtk, and https://github.com/nilmtk/nilm_metadata for the metadata.
It does not know one data set from another: where a file's metadata are absent, its meters can't be told.
Values are read as power in watts; columns of energy or voltage are passed over.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ValidationError

from energy_dissagregation_mlops.datasets.metadata import Plain, load_metadata
from energy_dissagregation_mlops.datasets.pytables import (
    Column,
    Node,
    Table,
    child,
    open_hdf5,
    open_table,
    place_of,
    read_column,
    text_attribute,
)
from energy_dissagregation_mlops.datasets.wiring import Labels, appliance_meters, mains_meter
from energy_dissagregation_mlops.errors import DataError, UnknownNameError, first_fault
from energy_dissagregation_mlops.vocabulary import MAX_ROWS, Channel, Meter, Quantity, Readings, Source

logger = logging.getLogger(__name__)

_QUANTITIES = {"active": Quantity.ACTIVE, "apparent": Quantity.APPARENT, "": Quantity.UNKNOWN}
_BEST_FIRST = tuple(_QUANTITIES.values())


class _ElecMeter(BaseModel):
    site_meter: bool = False
    disabled: bool = False
    submeter_of: int | None = None
    device_model: str | None = None


class _ApplianceEntry(BaseModel):
    type: str = ""
    meters: tuple[int, ...] = ()


class _Building(BaseModel):
    elec_meters: dict[int, _ElecMeter] = {}
    appliances: tuple[_ApplianceEntry, ...] = ()


class _DataSet(BaseModel):
    name: object = None
    long_name: object = None
    creators: object = None
    publisher: object = None
    rights_list: object = None
    timezone: str = "UTC"


Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What is known of a house's meters, by their numbers."""

    mains: tuple[tuple[int, ...], ...]  # alternatives, best first; the meters of one are summed
    labels: Labels


class Nilmtk:
    """A data set in NILMTK's HDF5 layout; the file is open only while something is read."""

    kind: ClassVar[str] = "nilmtk"

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Look at the file's structure and metadata.

        Raises:
            DataError: it is not such a file.
            UnsafeFileError: it would run code or reach outside itself.
        """
        self.path = path
        self.name = name or re.sub(r"[^a-z0-9_-]+", "_", path.stem.lower())
        with open_hdf5(path) as file:
            self._houses = tuple(sorted(_buildings(file)))
            if not self._houses:
                raise DataError(
                    f"{path} holds no building1: expected NILMTK's layout, /building1/elec/meter1"
                )
            for house in self._houses:
                child(file, f"building{house}")
            self.source = self._read_source(file)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether it is an HDF5 file with a ``buildingN``."""
        try:
            with open_hdf5(path) as file:
                return bool(_buildings(file))
        except (DataError, OSError):
            return False

    def houses(self) -> tuple[int, ...]:
        """The houses, ascending."""
        return self._houses

    def meters(self, house: int) -> tuple[Meter, ...]:
        """The mains first (where there is one), then the appliances that are known by name.

        Raises:
            UnknownNameError: there is no such house.
            DataError: its metadata are absent or can't be read, or a table is damaged.
        """
        with open_hdf5(self.path) as file:
            elec = _elec(self._building(file, house))
            wiring = self._wiring(file, house)
            site = {number for numbers in wiring.mains for number in numbers}
            labels = {number: on_it for number, on_it in wiring.labels.items() if number not in site}
            channels = {}
            for number in sorted(site | labels.keys()):
                channel = _power_channel(elec, number)
                if channel is not None:
                    channels[number] = channel
        mains = mains_meter(wiring.mains, channels)
        if mains is None:
            logger.warning("%s: house %d: no mains among its meters", self.path, house)
        known = appliance_meters(labels, channels, house=f"{self.name}:{house}")
        return known if mains is None else (mains, *known)

    def read(self, house: int, channel: Channel, *, max_rows: int = MAX_ROWS) -> Iterator[Readings]:
        """The channel's readings in file order, at most ``max_rows`` at a time.

        Raises:
            UnknownNameError: there is no such house.
            DataError: the channel is absent or can't be decoded.
        """
        with open_hdf5(self.path) as file:
            node = self._building(file, house)
            prefix, *parts = channel.key.split("/")
            if prefix != f"building{house}" or len(parts) != 2:
                raise DataError(f"{self.path}: house {house} holds no channel {channel.key}: list its meters")
            for part in parts:
                node = child(node, part)
            table = open_table(node)
            if not 0 <= channel.column < len(table.columns):
                raise DataError(f"{place_of(table.dataset)} has no column {channel.column}")
            yield from read_column(table, table.columns[channel.column], max_rows=max_rows)

    def _building(self, file: Node, house: int) -> Node:
        if house not in self._houses:
            raise UnknownNameError(f"house in {self.path.name}", house, self._houses)
        return child(file, f"building{house}")

    def _read_source(self, file: Node) -> Source:
        known = _model(_DataSet, _metadata(file) or {}, where=f"{self.path}: metadata")
        described = {
            "licence": _text(known.rights_list),
            "attribution": ", ".join(filter(None, (_text(known.creators), _text(known.publisher)))),
        }
        return Source(
            title=_text(known.long_name) or _text(known.name) or self.name,
            time_zone=known.timezone,
            **{field: text for field, text in described.items() if text},
        )

    def _wiring(self, file: Node, house: int) -> Wiring:
        building = self._building(file, house)
        metadata = _metadata(building)
        if metadata is None:
            raise DataError(
                f"{place_of(building)} has no metadata, so which meter is the mains can't be told: add them with "
                "nilm_metadata's convert_yaml_to_hdf5, or put the readings in a CSV with a mains column"
            )
        known = _model(_Building, metadata, where=place_of(building))
        labels: dict[int, list[str]] = {}
        for entry in known.appliances:
            for number in entry.meters:
                labels.setdefault(number, []).append(entry.type)
        return Wiring(mains=_site_meters(known.elec_meters), labels=labels)


def data_set_name(file: Node) -> str:
    """What the file's metadata call the data set; empty where they don't say.

    Raises:
        DataError: they can't be read.
    """
    return _text(_model(_DataSet, _metadata(file) or {}, where=place_of(file)).name)


def _buildings(file: Node) -> list[int]:
    return [int(match[1]) for name in file if (match := re.fullmatch(r"building([1-9]\d{0,8})", name))]


def _elec(building: Node) -> Node:
    names = [name for name in ("elec", "electric") if name in set(building)]
    if not names:
        raise DataError(f"{place_of(building)} holds no group elec: expected NILMTK's layout")
    return child(building, names[0])


def _power_channel(elec: Node, number: int) -> Channel | None:
    """The best power column of a meter; None where the file has no such meter, or it measures no power."""
    names = [name for name in (f"meter{number}", f"sensor{number}") if name in set(elec)]
    if not names:
        return None
    table = open_table(child(elec, names[0]))
    best = _best_power(table)
    if best is None:
        logger.info("%s measures no power: passed over", place_of(table.dataset))
        return None
    column, quantity = best
    key = table.dataset.parent.name.lstrip("/")
    return Channel(key=key, quantity=quantity, column=table.columns.index(column))


def _best_power(table: Table) -> tuple[Column, Quantity] | None:
    found = [
        (column, _QUANTITIES[kind])
        for column in table.columns
        for quantity, kind in [(*column.label, "")[:2]]
        if quantity == "power" and kind in _QUANTITIES
    ]
    return min(found, key=lambda pair: _BEST_FIRST.index(pair[1]), default=None)


def _site_meters(meters: Mapping[int, _ElecMeter]) -> tuple[tuple[int, ...], ...]:
    """The site meters in groups that each measure the whole house.

    Meters of one device model are the phases of a supply and add up. Another model, or a meter behind
    another site meter, measures the same power again. Disabled ones count only where all are.
    """
    site = {number: meter for number, meter in meters.items() if meter.site_meter}
    enabled = {number: meter for number, meter in site.items() if not meter.disabled} or site
    groups: dict[tuple[str | None, bool], list[int]] = {}
    for number, meter in sorted(enabled.items()):
        groups.setdefault((meter.device_model, meter.submeter_of in site), []).append(number)
    return tuple(tuple(numbers) for numbers in groups.values())


def _metadata(node: Node) -> Plain:
    raw = text_attribute(node, "metadata")
    return None if raw is None else load_metadata(raw, where=f"{place_of(node)}: attribute metadata")


def _model(kind: type[Model], metadata: Plain, *, where: str) -> Model:
    try:
        return kind.model_validate(metadata)
    except ValidationError as error:
        place, fault, _ = first_fault(error)
        raise DataError(f"{where}: metadata: {place}: {fault}; expected NILMTK's metadata") from None


def _text(value: object) -> str:
    """What is written in a metadata field, whose shape differs from data set to data set."""
    if isinstance(value, dict):
        return _text(value.get("name"))
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, map(_text, value)))
    return value if isinstance(value, str) else ""
