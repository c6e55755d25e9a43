"""Homes with lively mains in a store, and a protocol of two of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from energy_dissagregation_mlops.appliances import select
from energy_dissagregation_mlops.arena.protocol import Protocol
from energy_dissagregation_mlops.preprocessing import rule_text
from energy_dissagregation_mlops.store import Manifest, MeterRecord, Store, StoredHouse
from energy_dissagregation_mlops.vocabulary import Quantity

NAMES = ("kettle", "fridge")
START = 1_700_006_400.0  # 2023-11-15 00:00 UTC
TINY = {"window_length": 128, "width": 4, "skip_width": 4, "expansion": 1, "kernel": 3, "dilations": [1]}

HomeMaker = Callable[..., StoredHouse]


@pytest.fixture
def make_home(store: Store) -> HomeMaker:
    """Store a home of some days at one minute, different for each number; ``copy_of`` has another's mains."""

    def make(
        dataset: str, house: int, *, days: int = 3, copy_of: StoredHouse | None = None, **changes: Any
    ) -> StoredHouse:
        rng = np.random.default_rng(house)
        length = days * 1440
        minute = np.arange(length)
        fridge = np.where((minute // (15 + house)) % 2 == 0, 100, 0).astype(np.float32)
        kettle = np.where(minute % (400 + house) < 3, 2500, 0).astype(np.float32)
        mains = (fridge + kettle + rng.uniform(80, 300, length)).astype(np.float32)
        if copy_of is not None:
            mains[: len(copy_of.mains)] = copy_of.mains[:length]
        rules = "; ".join(rule_text(each) for each in select(NAMES))
        records = tuple(
            MeterRecord(
                name=name, channels=(name,), quantity=Quantity.ACTIVE, source_period=6,
                sha256=(f"{dataset}{house}{name}",), counts={"readings": 1.0},
            )
            for name in ("mains", *NAMES)
        )  # fmt: skip
        facts: dict[str, Any] = {
            "dataset": dataset, "house": house, "start": START, "sample_period": 60, "length": length,
            "appliances": NAMES, "meters": records, "title": "Made", "licence": "CC0-1.0", "attribution": "",
            "time_zone": "UTC", "source_file": "made", "source_bytes": 1, "source_modified_ns": 1,
            "configuration": {"max_gap": 180.0, "appliances": rules},
        }  # fmt: skip
        on = np.stack([kettle > 2000, fridge > 50])
        return store.write(Manifest(**(facts | changes)), np.stack([mains, kettle, fridge]), on)

    return make


ProtocolMaker = Callable[..., Protocol]


@pytest.fixture
def make_protocol() -> ProtocolMaker:
    """A protocol of homes made:1 and made:2 with one contestant, but for what is said otherwise."""

    def make(**changes: Any) -> Protocol:
        plain: dict[str, Any] = {
            "name": "test",
            "data": {"made": {"file": "absent.h5"}},
            "sample_period": 60,
            "appliances": {"kettle": 2000, "fridge": 50},
            "splits": [{"name": "1-to-2", "train": ["made:1"], "test": ["made:2"]}],
            "training": {"epochs": 1, "steps_per_epoch": 2, "batch_size": 4},
            "contestants": [{"name": "tiny", "network": "gated_unet", "network_options": TINY}],
        }
        return Protocol.model_validate(plain | changes)

    return make
