"""Which form a body has, and which form its answer is wanted in (RFC 9110, sections 8 and 12)."""

from __future__ import annotations

from fastapi import Request

from energy_dissagregation_mlops.service.problems import RequestError

JSON = "application/json"
CSV = "text/csv"
CSV_NAMES = (CSV, "text/plain", "application/vnd.ms-excel")  # what browsers may call one
GZIP = ("gzip", "x-gzip")


def body_type(request: Request, accepted: tuple[str, ...]) -> str:
    """The media type of a request's body.

    Raises:
        RequestError: 415, it is none of ``accepted``.
    """
    given = request.headers.get("Content-Type", "")
    found = given.partition(";")[0].strip().lower()
    if found not in accepted:
        raise RequestError(
            415, f"expected {' or '.join(accepted)}, found {given[:60]!r}: say which of them the body is",
            field="Content-Type", headers={"Accept": ", ".join(accepted)},
        )  # fmt: skip
    return found


def is_gzipped(request: Request) -> bool:
    """Whether a request's body is compressed.

    Raises:
        RequestError: 415, it is compressed in another way.
    """
    given = request.headers.get("Content-Encoding", "").strip().lower()
    if given in ("", "identity"):
        return False
    if given not in GZIP:
        raise RequestError(
            415, f"expected gzip or no encoding, found {given[:60]!r}: compress with gzip",
            field="Content-Encoding", headers={"Accept-Encoding": "gzip"},
        )  # fmt: skip
    return True


def answer_type(request: Request, offered: tuple[str, ...]) -> str:
    """The media type that the answer is wanted in: the first offered one among those liked best.

    Raises:
        RequestError: 406, none of them is wanted.
    """
    wanted = _weights(", ".join(request.headers.getlist("Accept")))
    if not wanted:
        return offered[0]
    weights = [_weight_of(each, wanted) for each in offered]
    best = max(weights)
    if best == 0:
        raise RequestError(
            406, f"expected {' or '.join(offered)} to be acceptable: name one of them", field="Accept"
        )
    return offered[weights.index(best)]


def wants_gzip(request: Request) -> bool:
    """Whether the answer may be compressed."""
    wanted = _weights(request.headers.get("Accept-Encoding", ""))
    return any(wanted.get(name, 0) > 0 for name in (*GZIP, "*"))


def _weight_of(media_type: str, wanted: dict[str, float]) -> float:
    """The weight of the most specific range that covers a media type."""
    ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    return next((wanted[each] for each in ranges if each in wanted), 0.0)


def _weights(header: str) -> dict[str, float]:
    """Each name of a header's list with its weight from 0 to 1."""
    found = {}
    for item in header.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        if name:
            found[name] = _weight(parameters)
    return found


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 1.0
    return 1.0
