"""What a bundle's card tells a person: how it did on homes that it had not seen, and where it fails.

Every word is found in the card. What a model has not been scored on is said to be unknown, and not left out.
"""

from __future__ import annotations

import itertools

from energy_dissagregation_mlops.bundle import Card, UnseenScore

_TOLERANCE = 0.05  # by which the share of truths that an interval held may miss what it was to hold
_LEAST_GAIN = 0.02  # of silence's error; less is none
_REMEDY = "`edmlops evaluate --keep` on a home that training has not seen tells"


def unseen(card: Card) -> list[str]:
    """How it did on homes that it had not seen: a line a home, and one an appliance."""
    if not card.unseen:
        return [f"not known: {_REMEDY}"]
    lines = []
    for (house, by), scores in itertools.groupby(card.unseen, key=lambda each: (each.house, each.by)):
        found = list(scores)
        how = "another version" if by.startswith(f"{card.name}@") else "trained alike without it"
        who = "" if by == card.reference else f", by {by}, {how}"
        lines.append(f"{house}, {max(each.days for each in found)} days{who}")
        lines += [f"  {_line(each)}" for each in found]
    return lines


def failures(card: Card) -> list[str]:
    """Where its answers were no better than none, its intervals held too seldom, or nothing is known."""
    if not card.unseen:
        return ["not known: it was scored in no home that it had not seen"]
    known = {each.appliance for each in card.unseen}
    unknown = [name for name in card.appliance_names if name not in known]
    worse = [
        f"{each.appliance} in {each.house}: no better than to say nothing"
        for each in card.unseen
        if each.mae >= (1 - _LEAST_GAIN) * each.always_off_mae
    ]
    never = [f"{', '.join(unknown)}: scored in no home that it had not seen"] if unknown else []
    return worse + never + [line for each in card.unseen for line in _too_narrow(card, each)]


def _line(score: UnseenScore) -> str:
    f1 = "" if score.f1 is None else f", F1 {score.f1:.2f}"
    held = "" if score.power_held is None else f"; intervals held {_held(score)}"
    return (
        f"{score.appliance}: {score.mae:.1f} W [{score.mae_low:.1f}, {score.mae_high:.1f}], "
        f"always off {score.always_off_mae:.1f}{f1}{held}"
    )


def _held(score: UnseenScore) -> str:
    days = "" if score.day_held is None else f", {100 * score.day_held:.0f} % of days"
    return f"{100 * (score.power_held or 0):.0f} % of powers{days}"


def _too_narrow(card: Card, score: UnseenScore) -> list[str]:
    if card.calibration is None or score.power_held is None:
        return []
    least = card.calibration.level - _TOLERANCE
    held = min(score.power_held, 1 if score.day_held is None else score.day_held)
    if held >= least:
        return []
    promised = f"{100 * card.calibration.level:.0f} % intervals"
    return [f"{promised} of the {score.appliance} in {score.house}: held {_held(score)}"]
