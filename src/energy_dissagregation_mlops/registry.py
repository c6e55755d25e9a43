"""Models on disk: which there are, which one is served, and the way back.

    <root>/<name>/<version>/         a bundle; versions are whole numbers, the next one is free
    <root>/<name>/production.json    the version in production, and those before it

``production`` is an alias, moved in one step: a reader sees the old version or the new one. The
package ships models in a root of the same form: they are found behind one's own, so that there is an
answer before anything was trained. What a bundle holds is ``bundle``'s affair.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from energy_dissagregation_mlops import bundle as bundles
from energy_dissagregation_mlops.bundle import Bundle, Card
from energy_dissagregation_mlops.errors import BundleError, UnknownNameError
from energy_dissagregation_mlops.files import atomic_folder, json_text, write_text

PRODUCTION = "production"
SHIPPED = Path(__file__).parent / "shipped"
_POINTER = "production.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


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
        return [
            bundles.read_card(self.root / name / str(version))
            for name in self.names()
            for version in self.versions(name)
        ]

    def production(self, name: str) -> int | None:
        """The version in production, or None where none was promoted."""
        history = self._history(name)
        return history[-1] if history else None

    def resolve(self, reference: str | None = None) -> Bundle:
        """Open the bundle that a reference means, its files checked.

        Args:
            reference: "name@version", "name@production", "name" (its production), or None for the one
                model in production, or where there is none, the one that ships with the package.

        Raises:
            UnknownNameError: no such model or version; the message lists those there are.
            BundleError: the bundle is incomplete or changed, or several models are in production.
        """
        return Bundle.open(self.locate(reference))

    def locate(self, reference: str | None = None) -> Path:
        """The folder of the bundle that a reference means, its files not looked at.

        Raises:
            UnknownNameError, BundleError: as ``resolve``, but for the bundle's own faults.
        """
        behind = self.behind()
        wanted = reference or self._only_production()
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
        """Put a version into production, once its files are checked.

        Raises:
            UnknownNameError, BundleError: as ``resolve``.
        """
        found = Bundle.open(self._own(reference))
        history = self._history(found.card.name)
        version = int(found.card.version)
        if not history or history[-1] != version:
            self._write(found.card.name, [*history, version])
        return found

    def rollback(self, name: str) -> Bundle:
        """Put the version before the one in production back.

        Raises:
            BundleError: there is none before it, or it is broken.
        """
        history = self._history(name)
        if len(history) < 2:
            raise BundleError(
                f"{name} has no earlier version in production: promote one with `edmlops models promote`"
            )
        found = Bundle.open(self.root / name / str(history[-2]))
        self._write(name, history[:-1])
        return found

    def behind(self) -> Registry | None:
        """The models that ship with the package."""
        return Registry(self.shipped, shipped=None) if self.shipped else None

    def _holds(self, reference: str) -> bool:
        name, _, version = reference.partition("@")
        return name in self.names() and (not version.isdecimal() or int(version) in self.versions(name))

    def _own(self, reference: str) -> Path:
        """The folder of one of the bundles under this root."""
        name, _, wanted = reference.partition("@")
        if name not in self.names():
            behind = self.behind()
            known = sorted({*self.names(), *(behind.names() if behind else ())})
            raise UnknownNameError(
                f"model in {self.root} called", name, known, "run `edmlops train` for a first one of your own"
            )
        return self.root / name / str(self._version(name, wanted or PRODUCTION))

    def _only_production(self) -> str | None:
        promoted = [name for name in self.names() if self.production(name) is not None]
        if len(promoted) > 1:
            raise BundleError(
                f"several models are in production ({', '.join(promoted)}): name one with --bundle"
            )
        return promoted[0] if promoted else None

    def _version(self, name: str, wanted: str) -> int:
        known = self.versions(name)
        if wanted == PRODUCTION:
            version = self.production(name)
            if version is None:
                raise BundleError(
                    f"{name} has no version in production: promote one of {known} with `edmlops models promote`"
                )
            return version
        if not wanted.isdecimal() or int(wanted) not in known:
            raise UnknownNameError(f"version of {name}", wanted, [*known, PRODUCTION])
        return int(wanted)

    def _history(self, name: str) -> list[int]:
        path = self.root / name / _POINTER
        if not path.is_file():
            return []
        try:
            history = json.loads(path.read_text(encoding="utf-8"))["history"]
            return [int(version) for version in history]
        except (ValueError, KeyError, TypeError):
            raise BundleError(
                f"{path} can't be read: promote a version with `edmlops models promote` after removing it"
            ) from None

    def _write(self, name: str, history: list[int]) -> None:
        write_text(self.root / name / _POINTER, json_text({PRODUCTION: history[-1], "history": history}))
