"""Records as JSON, and JSON as answers."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from starlette.responses import Response

from energy_dissagregation_mlops.service.negotiation import JSON


def written(content: Mapping[str, object]) -> bytes:
    """A record as JSON; numpy's arrays are lists, NaN is null."""
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


def answered(
    content: Mapping[str, object], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A record as an answer."""
    return Response(written(content), status, media_type=JSON, headers=headers)
