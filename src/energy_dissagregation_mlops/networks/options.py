"""Options by name, as they stand in a run's configuration or a card, checked into a network's Config."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from energy_dissagregation_mlops.errors import ConfigError, UnknownNameError, first_fault

ConfigType = TypeVar("ConfigType")


def read_options(config: type[ConfigType], options: Mapping[str, object], *, network: str) -> ConfigType:
    """The dataclass ``config`` with these options, and its defaults where one is absent.

    Raises:
        UnknownNameError: an option that it does not have.
        ConfigError: a value that it can't take.
    """
    fields = tuple(field.name for field in dataclasses.fields(config))  # type: ignore[arg-type]
    for option in options:
        if option not in fields:
            raise UnknownNameError(f"option of network {network}", option, fields)
    try:
        return TypeAdapter(config).validate_python(dict(options))
    except ValidationError as error:
        where, fault, found = first_fault(error)
        raise ConfigError(f"network {network}: {where}: {fault}, found {found!r}") from None
