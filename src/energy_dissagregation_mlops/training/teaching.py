"""Networks that a run learns from beside the truth: what several of them say on average errs less than each alone.

Their mean is taken of log odds and of watts, before any caution. A pupil that follows it keeps much of what
the average is better by in homes that none of them has seen, and costs no more than one of them where it is served
(Hinton, Vinyals and Dean 2015, "Distilling the knowledge in a neural network", arXiv:1503.02531).

Shapes: N windows, L window_length, A appliances, K core of the pupil.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.networks.contract import Network, Output


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What a run learns from beside its series: trained networks, and whose they are."""

    teachers: tuple[Network, ...] = ()
    source: str = ""  # whose weights teach, and whose the run begins with; a run that is resumed has the same

    @property
    def identity(self) -> dict[str, str]:
        """What it adds to what makes a run the run it is."""
        return {"lesson": self.source} if self.source else {}


class Teachers:
    """Trained networks that answer as one; they learn nothing themselves."""

    def __init__(self, networks: Sequence[Network], *, pupil: Network, device: torch.device) -> None:
        """Those who teach this pupil.

        Raises:
            ConfigError: one of them answers for something else, or one has no gate.
        """
        for each in networks:
            _check(each, pupil)
        self._margin = pupil.margin
        # As in training: all that they have to say, without the caution that they serve with.
        self._networks = [
            each.to(device, memory_format=torch.channels_last).train() for each in networks  # type: ignore[call-overload]
        ]  # fmt: skip

    @torch.no_grad()
    def __call__(self, mains: Tensor) -> Output:
        """Their mean answer to windows (N, L) W: power (N, A, K) W and on_logit (N, A, K), NaN where one of them has none."""
        answers = [self._in_core(each, mains) for each in self._networks]
        power, on_logit = (torch.stack(parts).mean(dim=0) for parts in zip(*answers, strict=True))
        return Output(power, on_logit)

    def _in_core(self, network: Network, mains: Tensor) -> Output:
        """A network's answer where the pupil answers: its own core may be shorter or longer."""
        beside = network.margin - self._margin
        power, on_logit = (
            functional.pad(part.float(), (beside, beside), value=torch.nan) for part in network(mains)
        )
        return Output(power, on_logit)


def _check(teacher: Network, pupil: Network) -> None:
    if not (teacher.gated and pupil.gated):
        name = (pupil if teacher.gated else teacher).name
        raise ConfigError(f"{name} has no gate: only networks with one can teach and be taught")
    for what, found, expected in (
        ("appliances", ", ".join(teacher.appliances), ", ".join(pupil.appliances)),
        ("window_length", teacher.window_length, pupil.window_length),
    ):
        if found != expected:
            raise ConfigError(
                f"expected teachers with {what} {expected}, as this run's; found {found}: train one alike"
            )
