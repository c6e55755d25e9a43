"""A public data set into a folder: locked, transferred, checked, unpacked, checked, put in place.

At whatever point it stops, the target is absent or whole, and the next run goes on from what has arrived.
An archive is removed once its files are in place: kept, it would take half as much again for nothing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from energy_dissagregation_mlops.datasets.download.archive import Kind, Wanted, kind_of, unpack
from energy_dissagregation_mlops.datasets.download.checking import Expected, MismatchError, confirm
from energy_dissagregation_mlops.datasets.download.partial import Partial
from energy_dissagregation_mlops.datasets.download.place import Place, require_room
from energy_dissagregation_mlops.datasets.download.sources import (
    Address,
    AddressError,
    Publication,
    PublishedFile,
    parsed_digest,
    publication,
)
from energy_dissagregation_mlops.datasets.download.transfer import Patience, Transfer, fetch
from energy_dissagregation_mlops.errors import DownloadError
from energy_dissagregation_mlops.files import explained_disk_errors, sync
from energy_dissagregation_mlops.vocabulary import Update, unwatched

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to obtain, from which address, and which hash to accept beside the published one."""

    publication: Publication
    address: Address
    accepted: str | None = None

    def expected(self, file: PublishedFile) -> Expected:
        """What one of its files should be."""
        return Expected(name=file.name, size=file.size, published=file.hash, accepted=self.accepted)


def download(
    name: str,
    target_dir: Path,
    *,
    url: str | None = None,
    accept_hash: str | None = None,
    progress: Update = unwatched,
) -> Path:
    """Bring a public data set into ``target_dir``; its file, or the folder with its files.

    What is already there and was checked is left alone. ``url`` is a mirror or another of the known addresses;
    ``accept_hash`` ("md5:..." or "sha256:...") is the hash of another edition that the user trusts.

    Raises:
        UnknownNameError: there is no such data set to download.
        DownloadError: the transfer failed, brought something else, or another one is running.
        UnsafeFileError: the archive reaches outside itself.
        EdmlopsError: the disk is full, or the folder can't be written.
    """
    wanted = publication(name)
    order = Order(
        publication=wanted,
        address=_address(wanted, url),
        accepted=parsed_digest(accept_hash) if accept_hash else None,
    )
    return obtain(order, target_dir, progress=progress)


def _address(wanted: Publication, url: str | None) -> Address:
    """The address of this URL: a mirror is held to send what the first address does."""
    first = wanted.addresses[0]
    known = {address.url: address for address in wanted.addresses}
    return known.get(url, first.model_copy(update={"url": url})) if url else first


def obtain(
    order: Order, target_dir: Path, *, patience: Patience | None = None, progress: Update = unwatched
) -> Path:
    """Carry an order out; see ``download``."""
    place = Place(folder=target_dir, name=order.publication.target)
    partial = Partial(path=place.partial, url=order.address.url)
    with explained_disk_errors(place.target), place.locked():
        place.clear_workshop()
        try:
            if not _already_there(order, place, progress=progress):
                _bring(order, place, patience=patience or Patience(), progress=progress)
        except AddressError as error:
            raise DownloadError(f"{error}{_elsewhere(order)}") from error
        finally:
            place.clear_workshop()
        partial.discard()
    return place.target


def _elsewhere(order: Order) -> str:
    others = [address.url for address in order.publication.addresses if address.url != order.address.url]
    return f"; elsewhere, for --url: {', '.join(others)}" if others else "; a mirror can be named with --url"


def _already_there(order: Order, place: Place, *, progress: Update) -> bool:
    receipt = place.receipt()
    if receipt:
        log.info("%s is already there (%s): nothing to do", place.target, receipt.hash)
        if order.accepted and order.accepted != receipt.hash:
            log.warning("--accept-hash has no effect: move %s away to download another", place.target)
        return True
    if not place.target.exists():
        return False
    only = order.publication.files[0]
    if place.target.is_dir() or only.hash is None:
        raise DownloadError(
            f"{place.target} exists already, but not as a download leaves it: use it as it is, or move it away and run this again"
        )
    try:
        found = confirm(place.target, order.expected(only), progress=progress)
    except MismatchError as error:
        raise DownloadError(f"{place.target} exists already and stays: {error}; or move it away") from error
    place.seal(place.target, hash_found=found, url=order.address.url)
    log.info("%s is already there (%s): nothing to do", place.target, found)
    return True


def _bring(order: Order, place: Place, *, patience: Patience, progress: Update) -> None:
    partial = Partial(path=place.partial, url=order.address.url)
    transfer = Transfer(
        partial=partial,
        size=None if order.accepted else order.address.size,
        unpacked=order.publication.unpacked,
    )
    whole = fetch(transfer, patience=patience, progress=progress)
    try:
        _settle(order, place, progress=progress)
    except MismatchError as error:
        if whole:
            raise
        # Its pieces may be of different makings: once more, in one go if the connection lets it.
        log.warning("%s; it came in pieces, so it is downloaded once more", error)
        partial.discard()
        fetch(transfer, patience=patience, progress=progress)
        _settle(order, place, progress=progress)
    log.info("%s: %s, %s", place.target, order.publication.source.title, order.publication.source.licence)


def _settle(order: Order, place: Place, *, progress: Update) -> None:
    """What has arrived, checked, unpacked and put in place."""
    address, wanted = order.address, order.publication
    found = None
    if address.hash or address.size:
        name = Path(address.url).name
        expected = Expected(name=name, size=address.size, published=address.hash, accepted=order.accepted)
        found = confirm(place.partial, expected, progress=progress)
    ready = place.partial
    if kind_of(place.partial) is not Kind.OTHER:
        ready = _unpacked(order, place, progress=progress)
    elif wanted.folder:
        raise MismatchError(
            f"{address.url} is neither a zip nor a 7z archive: expected one, with {wanted.files[0].name}"
        )
    for file in wanted.files:
        if file.hash or file.size:
            path = ready / file.name if wanted.folder else ready
            found = confirm(path, order.expected(file), progress=progress)
    place.put(ready, hash_found=found, url=address.url)


def _unpacked(order: Order, place: Place, *, progress: Update) -> Path:
    """The file or folder that the archive held, on the disk but not yet in its place."""
    wanted = order.publication
    require_room(place.folder, wanted.unpacked)
    place.workshop.mkdir()
    names = tuple(file.name for file in wanted.files)
    unpack(
        place.partial, place.workshop, wanted=Wanted(names=names, most=2 * wanted.unpacked), progress=progress
    )
    for name in names:
        sync(place.workshop / name)
    sync(place.workshop)
    return place.workshop if wanted.folder else place.workshop / names[0]
