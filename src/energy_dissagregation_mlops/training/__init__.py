"""Training: from homes' series to the best weights of one network."""

from __future__ import annotations
