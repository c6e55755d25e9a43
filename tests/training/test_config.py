from dataclasses import replace

import pytest

from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.training.config import TrainingConfig


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("steps_per_epoch", 0),
        ("lr", 0.0),
        ("lr", float("inf")),
        ("clip_norm", 0.0),
        ("averaging", 1.0),
        ("validation_fraction", 0.6),
        ("active_share", 1.1),
        ("stretch", (1.5, 0.6)),
        ("scale", (0.0, 1.0)),
        ("warp", 1.0),
        ("bend", -0.1),
        ("strangers", 1.5),
        ("shares", {"refit2": 0.0}),
        ("precision", "float16"),
        ("seed", -1),
        ("seed", 2**32),
        ("patience", 0),
    ],
)
def test_a_value_out_of_its_limits_is_named_with_what_was_expected(name, value):
    with pytest.raises(ConfigError, match=rf"^{name} is .*: expected"):
        replace(TrainingConfig(), **{name: value})


def test_an_appliance_can_not_be_both_replaced_and_removed():
    with pytest.raises(ConfigError, match="together with replace"):
        TrainingConfig(replace=0.6, remove=0.5)
