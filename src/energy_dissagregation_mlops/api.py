"""The API service: `python -m energy_dissagregation_mlops.api`, or `uvicorn energy_dissagregation_mlops.api:app`.

Wiring only. Host, port and the number of worker processes are API_HOST, API_PORT and API_WORKERS.
"""

from __future__ import annotations

import sys

import uvicorn

from energy_dissagregation_mlops import settings
from energy_dissagregation_mlops.errors import EdmlopsError
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.service.app import create_app

app = create_app(Registry(settings.MODELS_PATH.value()))


def main() -> None:
    """Serve until stopped."""
    try:
        host, port, workers = (
            settings.API_HOST.value(),
            settings.API_PORT.value(),
            settings.API_WORKERS.value(),
        )
    except EdmlopsError as error:
        sys.exit(f"error: {error}")
    target = f"{__package__}.api:app" if workers > 1 else app
    uvicorn.run(target, host=host, port=port, workers=workers, timeout_graceful_shutdown=30)


if __name__ == "__main__":
    main()
