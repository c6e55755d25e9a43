"""Models on disk: which there are, which one is served, and the way back.

    <root>/<name>/<version>/         a bundle; versions are whole numbers, the next one is free
    <root>/<name>/production.json    the version in production, those before it, and when it was promoted

``production`` is an alias, moved in one step: a reader sees the old version or the new one. Where models of several
names have one, the model that was promoted last is meant by a reader who names none. The
package ships models in a root of the same form: they are found behind one's own, so that there is an
answer before anything was trained. What a bundle holds is ``bundle``'s affair.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from energy_dissagregation_mlops import bundle as bundles
from energy_dissagregation_mlops.bundle import Bundle, Card
from energy_dissagregation_mlops.errors import BundleError, ConfigError, UnknownNameError
from energy_dissagregation_mlops.files import atomic_folder, exclusive, json_text, write_text

PRODUCTION = "production"
SHIPPED = Path(__file__).parent / "shipped"
_POINTER = "production.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Pointer:
    """What ``production.json`` says."""

    history: tuple[int, ...] = ()  # the last one is in production
    promoted: float = 0.0  # s since 1970

    @property
    def in_production(self) -> int | None:
        return self.history[-1] if self.history else None


def check_name(name: str) -> None:
    """Refuse what can't name a model, before any work is done for it.

    Raises:
        BundleError: it is not of lower-case letters, digits, dash, dot and underscore.
    """
    if not _NAME.fullmatch(name):
        raise BundleError(f"{name!r} can't name a model: use lower-case letters, digits, '-', '.' and '_'")


@dataclass(frozen=True, slots=True)
class Registry:
    """All bundles under one root, and behind them those that ship with the package."""

    root: Path
    shipped: Path | None = SHIPPED

    def names(self) -> list[str]:
        """The models of which there is at least one version."""
        if not self.root.is_dir():
            return []
        return sorted(
            path.name
            for path in self.root.iterdir()
            if _NAME.fullmatch(path.name) and self.versions(path.name)
        )

    def versions(self, name: str) -> list[int]:
        """A model's versions, ascending."""
        folders = (self.root / name).glob(f"*/{bundles.CARD}")
        return sorted(int(path.parent.name) for path in folders if path.parent.name.isdecimal())

    def cards(self) -> list[Card]:
        """The card of every version of every model."""
        return [card for name in self.names() for card in self.cards_of(name)]

    def cards_of(self, name: str) -> list[Card]:
        """The card of every version of a model; of one that can't be read the log says why."""
        found = []
        for version in self.versions(name):
            try:
                found.append(bundles.read_card(self.root / name / str(version)))
            except BundleError as error:
                _logger.warning("%s@%d is left out: %s", name, version, error)
        return found

    def production(self, name: str) -> int | None:
        """The version in production, or None where none was promoted; where that can't be read the log says why."""
        try:
            return self._pointer(name).in_production
        except BundleError as error:
            _logger.warning("%s has no version in production: %s", name, error)
            return None

    def promoted_last(self) -> str | None:
        """Of the models that have a version in production the one that was promoted last."""
        pointers = {name: self._pointer(name) for name in self.names()}
        promoted = [name for name, pointer in pointers.items() if pointer.history]
        return max(promoted, key=lambda name: pointers[name].promoted, default=None)

    def check_own(self, bundle: Bundle) -> None:
        """Refuse to rewrite the card of a bundle that came with the package.

        Raises:
            ConfigError: it did.
        """
        if self.shipped is not None and bundle.folder.is_relative_to(self.shipped):
            raise ConfigError(
                f"{bundle.card.reference} ships with the package, and its card stays as it is: name a model of your own"
            )

    def resolve(self, reference: str | None = None) -> Bundle:
        """Open the bundle that a reference means, its files checked.

        Args:
            reference: "name@version", "name@production", "name" (its production), or None for what was put into
                production last, or where nothing was, the model that ships with the package.

        Raises:
            UnknownNameError: no such model or version; the message lists those there are.
            BundleError: the bundle is incomplete or changed.
        """
        return Bundle.open(self.locate(reference))

    def locate(self, reference: str | None = None) -> Path:
        """The folder of the bundle that a reference means, its files not looked at.

        Raises:
            UnknownNameError, BundleError: as ``resolve``, but for the bundle's own faults.
        """
        behind = self.behind()
        wanted = reference or self.promoted_last()
        if behind is not None and (wanted is None or (not self._holds(wanted) and behind._holds(wanted))):
            return behind.locate(wanted)
        if wanted is None:
            raise BundleError(
                f"no model is in production in {self.root}: run `edmlops train`, or name one with --bundle"
            )
        return self._own(wanted)

    def add(self, name: str, fill: Callable[[Path, str], None]) -> Bundle:
        """Add the next version of a model.

        Args:
            name: lower-case letters, digits, dash, dot and underscore.
            fill: writes the bundle's files into the folder it is given, for the version it is given.

        Raises:
            BundleError: the name can't be used.
        """
        check_name(name)
        while True:
            # Nor is the number of a version that ships taken again: a reference means one bundle.
            shipped = behind.versions(name) if (behind := self.behind()) else []
            version = max((*self.versions(name), *shipped), default=0) + 1
            folder = self.root / name / str(version)
            try:
                with atomic_folder(folder) as aside:
                    fill(aside, str(version))
                    bundles.seal(aside)
            except FileExistsError:
                if not folder.exists():
                    raise
                continue  # another run took this number meanwhile: take the next
            return Bundle.open(folder)

    def promote(self, reference: str) -> Bundle:
        """Put a version into production, once its files are checked; one that ships is copied first.

        Raises:
            UnknownNameError, BundleError: as ``resolve``.
        """
        behind = self.behind()
        if behind is not None and not self._holds(reference) and behind._holds(reference):
            reference = self._copied(behind.resolve(reference))
        folder = self._own(reference)
        found = Bundle.open(folder)
        name, version = found.card.name, int(found.card.version)
        if folder != self.root / name / str(version):
            raise BundleError(
                f"{folder} holds {found.card.reference}, no version of its own: promote that one"
            )
        with self._alone(name):
            history = self._pointer(name).history
            if not history or history[-1] != version:
                history = (*history, version)
            self._write(name, _Pointer(history, time.time()))
        return found

    def rollback(self, name: str) -> Bundle:
        """Put the version before the one in production back.

        Raises:
            BundleError: there is none before it, or it is broken.
        """
        with self._alone(name):
            pointer = self._pointer(name)
            if len(pointer.history) < 2:
                raise BundleError(
                    f"{name} has no earlier version in production: promote one with `edmlops models promote`, or the one that ships (`edmlops models list`)"
                )
            found = Bundle.open(self.root / name / str(pointer.history[-2]))
            self._write(name, _Pointer(pointer.history[:-1], pointer.promoted))
        return found

    def behind(self) -> Registry | None:
        """The models that ship with the package."""
        return Registry(self.shipped, shipped=None) if self.shipped else None

    def without_folders(self, message: str) -> str:
        """A message of an error for those who are not to know where models lie: names stand in place of paths."""
        for root in filter(None, (self.root, self.shipped)):
            path = re.escape(str(root))
            message = re.sub(rf"(?<![\w/]){path}/| in {path}(?!\w)", "", message)
        return message

    def _alone(self, name: str) -> AbstractContextManager[object]:
        """Have others wait who move a model's alias."""
        return exclusive(self.root / name / ".production.lock") if name in self.names() else nullcontext()

    def _copied(self, shipped: Bundle) -> str:
        with (
            suppress(FileExistsError),
            atomic_folder(self.root / shipped.card.name / shipped.card.version) as aside,
        ):
            for path in shipped.folder.iterdir():
                shutil.copyfile(path, aside / path.name)
        return shipped.card.reference

    def _holds(self, reference: str) -> bool:
        name, _, version = reference.partition("@")
        return name in self.names() and (not version.isdecimal() or int(version) in self.versions(name))

    def _own(self, reference: str) -> Path:
        """The folder of one of the bundles under this root."""
        name, _, wanted = reference.partition("@")
        if name not in self.names():
            behind = self.behind()
            if behind is not None and name in behind.names():
                return behind._own(reference)
            known = sorted({*self.names(), *(behind.names() if behind else ())})
            raise UnknownNameError(
                f"model in {self.root} called", name, known, "run `edmlops train` for a first one of your own"
            )
        return self.root / name / str(self._version(name, wanted or PRODUCTION))

    def _version(self, name: str, wanted: str) -> int:
        known = self.versions(name)
        if wanted == PRODUCTION:
            version = self._pointer(name).in_production
            if version is None:
                raise BundleError(
                    f"{name} has no version in production: promote one of {known} with `edmlops models promote`"
                )
            return version
        if not wanted.isdecimal() or int(wanted) not in known:
            raise UnknownNameError(f"version of {name}", wanted, [*known, PRODUCTION])
        return int(wanted)

    def _pointer(self, name: str) -> _Pointer:
        path = self.root / name / _POINTER
        if not path.is_file():
            return _Pointer()
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            return _Pointer(
                tuple(int(version) for version in said["history"]), float(said.get("promoted", 0))
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise BundleError(
                f"{path} can't be read: promote a version with `edmlops models promote` after removing it"
            ) from None

    def _write(self, name: str, pointer: _Pointer) -> None:
        content = {
            PRODUCTION: pointer.history[-1], "history": pointer.history, "promoted": round(pointer.promoted, 3)
        }  # fmt: skip
        write_text(self.root / name / _POINTER, json_text(content))
