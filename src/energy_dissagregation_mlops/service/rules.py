"""What the service accepts, read once when it starts: sizes, the key, origins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from energy_dissagregation_mlops import settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Limits on what comes in, and who may send it."""

    max_body_bytes: int = settings.API_MAX_BODY_BYTES.default  # as it comes, and again inflated
    max_readings: int = settings.API_MAX_READINGS.default
    max_samples: int = settings.API_MAX_SAMPLES.default  # of the bundle's grid that an answer covers
    body_time_limit: float = settings.API_TIME_LIMIT.default  # s until a body must be there
    key: str | None = field(default=None, repr=False)
    cors_origins: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls) -> Self:
        """The rules that the environment sets.

        Raises:
            ConfigError: a variable can't be used.
        """
        return cls(
            max_body_bytes=settings.API_MAX_BODY_BYTES.value(),
            max_readings=settings.API_MAX_READINGS.value(),
            max_samples=settings.API_MAX_SAMPLES.value(),
            body_time_limit=settings.API_TIME_LIMIT.value(),
            key=settings.api_key(),
            cors_origins=settings.API_CORS_ORIGINS.value(),
        )
