"""Where the public data sets lie, and what they must look like when they are here.

From ``configs/datasets/sources.yaml``, whose header explains each field. It does not transfer anything,
and it does not know what is inside the files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from energy_dissagregation_mlops.errors import (
    ConfigError,
    DownloadError,
    UnknownNameError,
)
from energy_dissagregation_mlops.settings import config_file
from energy_dissagregation_mlops.vocabulary import Source
from energy_dissagregation_mlops.yaml_files import read_yaml_as

SOURCES_FILE = "datasets/sources.yaml"

_DIGEST = re.compile(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}")


def parsed_digest(text: str) -> str:
    """A hash as this room writes it, "md5:..." or "sha256:..." in lower case.

    Raises:
        ConfigError: it is neither.
    """
    lowered = text.strip().lower()
    if not _DIGEST.fullmatch(lowered):
        raise ConfigError(
            f"{text!r} is not a hash: expected md5: and 32 or sha256: and 64 hexadecimal digits"
        )
    return lowered


def _digest_or_value_error(text: str) -> str:
    try:
        return parsed_digest(text)
    except ConfigError as error:
        raise ValueError(str(error)) from None


def _plain_name(name: str) -> str:
    if name != Path(name).name or name in ("", ".", ".."):
        raise ValueError("expected a file's name without folders")
    return name


_Digest = Annotated[str, AfterValidator(_digest_or_value_error)]
_Name = Annotated[str, AfterValidator(_plain_name)]


class AddressError(DownloadError):
    """An address that does not give what it should; another one may."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Address(_Model):
    """One place a data set can be had from, and what it sends where that is known."""

    url: str
    size: int | None = Field(default=None, gt=0)  # bytes
    hash: _Digest | None = None


class PublishedFile(_Model):
    """One file that is kept."""

    name: _Name
    size: int | None = Field(default=None, ge=0)  # bytes
    hash: _Digest | None = None


class _Block(_Model):
    title: str
    licence: str
    attribution: str
    time_zone: str
    addresses: tuple[Address, ...] = Field(min_length=1)
    folder: _Name | None = None
    files: tuple[PublishedFile, ...] = Field(min_length=1)
    unpacked: int = Field(gt=0)

    @model_validator(mode="after")
    def _one_file_without_a_folder(self) -> _Block:
        if self.folder is None and len(self.files) > 1:
            raise ValueError("several files need a folder")
        return self


_BLOCKS = TypeAdapter(dict[str, _Block])


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A public data set: its name, addresses, files and terms."""

    name: str
    source: Source
    addresses: tuple[Address, ...]
    folder: str | None  # below the target folder; None for a single file
    files: tuple[PublishedFile, ...]
    unpacked: int  # bytes, all files together, about

    @property
    def target(self) -> str:
        """The name of the folder or of the single file that a download ends in."""
        return self.folder or self.files[0].name


def publications() -> Mapping[str, Publication]:
    """Every data set that can be downloaded, by name, in the order of the file.

    Raises:
        ConfigError: the file is not as its header says.
    """
    blocks = read_yaml_as(_BLOCKS, config_file(SOURCES_FILE))
    return {name: _publication(name, block) for name, block in blocks.items()}


def _publication(name: str, block: _Block) -> Publication:
    return Publication(
        name=name,
        source=Source(
            title=block.title,
            licence=block.licence,
            attribution=block.attribution,
            time_zone=block.time_zone,
        ),
        addresses=block.addresses,
        folder=block.folder,
        files=block.files,
        unpacked=block.unpacked,
    )


def publication(name: str) -> Publication:
    """The data set of this name.

    Raises:
        UnknownNameError: none is called so; the message lists those that are.
        ConfigError: the file of sources is not as its header says.
    """
    known = publications()
    if name not in known:
        raise UnknownNameError(
            "data set to download", name, known, "any other file is read from where it lies, see docs/data.md"
        )
    return known[name]
