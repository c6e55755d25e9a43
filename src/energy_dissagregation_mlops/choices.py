"""What a command takes for granted where a person did not say, and what it makes of what they said."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.errors import ConfigError, DataError, UnknownNameError
from energy_dissagregation_mlops.meter_csv import Columns, Unit
from energy_dissagregation_mlops.meter_csv.zones import zone
from energy_dissagregation_mlops.vocabulary import Dataset

logger = logging.getLogger(__name__)

PICTURE_SUFFIXES = (".png", ".svg", ".pdf")


def only_file(folder: Path) -> Path:
    """The only data set in a folder of raw data.

    Raises:
        DataError: there is none, or there are several.
    """
    found = (
        sorted(path for path in folder.glob("*") if not path.name.startswith(".")) if folder.is_dir() else []
    )
    if len(found) == 1:
        return found[0]
    if not found:
        raise DataError(
            f"{folder} holds no data: run `edmlops download ukdale` or `edmlops simulate`, or name your file with --data-path"
        )
    raise DataError(f"{folder} holds {', '.join(path.name for path in found)}: name one with --data-path")


def picture_file(path: Path | None) -> Path | None:
    """The file to draw into, known to be of a kind that can be drawn before any work is done for it.

    Raises:
        ConfigError: its name ends in something else.
    """
    if path is not None and path.suffix not in PICTURE_SUFFIXES:
        raise ConfigError(
            f"--picture {path}: expected a name that ends in {', '.join(PICTURE_SUFFIXES)}; choose one"
        )
    return path


def stand_ins(written: Sequence[str], *, resolve: Callable[[str], Bundle]) -> dict[str, Bundle]:
    """Who answers for which house, of texts as "refit20@1=refit2:1".

    Raises:
        ConfigError: a text is not of that form, or a house is named twice.
        UnknownNameError, BundleError: as ``resolve``.
    """
    found = {}
    for text in written:
        bundle, is_there, house = text.partition("=")
        if not (is_there and bundle and house):
            raise ConfigError(
                f"--stand-in {text}: expected a model and a house, as refit20@1=refit2:1; correct it"
            )
        if house in found:
            raise ConfigError(f"--stand-in names two for {house}: expected one; drop the other")
        found[house] = resolve(bundle)
    return found


def only_house(dataset: Dataset) -> int:
    """The only house of a data set.

    Raises:
        DataError: there are several.
    """
    houses = dataset.houses()
    if len(houses) == 1:
        return houses[0]
    raise DataError(f"{dataset.path} holds houses {', '.join(map(str, houses))}: name one with --house")


def columns(
    *, time: str | None, mains: Sequence[str] | None, appliances: Sequence[str] | None = None, unit: str | None,
    zone_name: str | None, day_first: bool | None,
) -> Columns:  # fmt: skip
    """What a person said of the columns of their file.

    Args:
        time: the column of times.
        mains: the column of the mains, or several that are added up.
        appliances: "kettle=Plug 3", one each; none where they are not read.
        unit: of the power.
        zone_name: of times without a zone.
        day_first: whether 05/06/2024 is the fifth of June.

    Raises:
        ConfigError: an appliance's column is not given as APPLIANCE=COLUMN.
        UnknownNameError: there is no such unit or zone.
    """
    pairs = []
    for text in appliances or ():
        name, separator, column = text.partition("=")
        if not (separator and name and column):
            raise ConfigError(f"--column {text!r}: expected APPLIANCE=COLUMN, as kettle=Plug3")
        pairs.append((name, column))
    units = {each.value.lower(): each for each in Unit}
    if unit is not None and unit.lower() not in units:
        raise UnknownNameError("unit", unit, [each.value for each in Unit])
    return Columns(
        time=time,
        mains=",".join(mains or ()) or None,
        appliances=tuple(pairs),
        unit=None if unit is None else units[unit.lower()],
        time_zone=None if zone_name is None else zone(zone_name).key,
        day_first=day_first,
    )


def worth_promoting(bundle: Bundle) -> bool:
    """Whether no validation found it as bad as always-off; a warning tells of one that did.

    To say nothing of an appliance that is not used there is no merit: it counts as always-off's error at least.
    """
    metrics = bundle.metrics()
    assert isinstance(metrics, dict)
    found = (metrics["validation"] or {}).get("appliances", ())
    known = [(each["share"], each["always_off_mae"]) for each in found if each["share"] is not None]
    shares = [share if used else max(share, 1.0) for share, used in known]
    if not any(used for _, used in known) or (score := sum(shares) / len(shares)) < 1:
        return True
    logger.warning(
        "%s is no better than always-off (%.3f of its error) and so not promoted; `edmlops models promote %s` does it all the same",
        bundle.card.reference, score, bundle.card.reference,
    )  # fmt: skip
    return False
