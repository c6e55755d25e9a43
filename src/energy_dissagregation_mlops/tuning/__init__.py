"""Search for a run's best settings: trials scored on validation, on record, resumed, side by side."""

from __future__ import annotations
