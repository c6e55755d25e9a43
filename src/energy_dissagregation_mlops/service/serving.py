"""Which bundle is served. It knows nothing of requests, and nothing of HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A bundle whose files were checked, ready to answer."""

    bundle: Bundle
    disaggregator: Disaggregator

    @classmethod
    def load(cls, bundle: Bundle, *, threads: int) -> Self:
        """Load a bundle's graph and warm it up.

        Args:
            bundle: an opened bundle: its files are checked.
            threads: how many threads one run of the graph may use.

        Raises:
            BundleError: the graph can't be run.
        """
        disaggregator = Disaggregator.load(bundle, threads=threads)
        disaggregator.disaggregate(np.zeros(bundle.card.window_length, np.float32), start=0.0)
        return cls(bundle=bundle, disaggregator=disaggregator)
