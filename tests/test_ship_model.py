"""The bundle that ships is made of another one, and does not take over what was measured of that one as its own."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

from energy_dissagregation_mlops.bundle import Bundle, UnseenScore, read_card, with_card

SCRIPT = Path(__file__).parents[1] / "scripts" / "ship_model.py"


def test_scores_stay_those_of_the_version_that_they_were_found_of(
    make_bundle: Callable[..., Bundle], tmp_path: Path
) -> None:
    score = UnseenScore(
        house="real:1", by="plain@1", appliance="kettle", days=30, mae=4, mae_low=3, mae_high=5,
        always_off_mae=12, f1=None, power_held=None, day_held=None,
    )  # fmt: skip
    bundle = make_bundle()
    own = with_card(bundle, bundle.card.model_copy(update={"unseen": (score,)}))
    runpy.run_path(str(SCRIPT))["_fill"](tmp_path, "2", own)
    card = read_card(tmp_path)
    assert (card.reference, card.unseen) == ("plain@2", (score,))
