"""The training loop: from homes' series to the best weights.

An epoch is a number of steps, then a validation, then a checkpoint. What is validated and kept is the
moving average of the weights. A run that was killed and resumed ends with the very weights of one that
was not. It does not know where series come from nor where the weights go.
"""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.networks.contract import Network
from energy_dissagregation_mlops.training import checkpoints
from energy_dissagregation_mlops.training.checkpoints import Checkpoint
from energy_dissagregation_mlops.training.config import TrainingConfig
from energy_dissagregation_mlops.training.data import TrainingData, TrainingSeries, fingerprint_of, scales_of
from energy_dissagregation_mlops.training.distributed import Process, joined
from energy_dissagregation_mlops.training.gates import chosen_gates
from energy_dissagregation_mlops.training.interruption import Interruption, put_off
from energy_dissagregation_mlops.training.progress import (
    EpochResult,
    Fitted,
    Progress,
    Report,
    history_text,
    parsed_history,
    silent,
)
from energy_dissagregation_mlops.training.splits import Split, by_blocks, by_house
from energy_dissagregation_mlops.training.steps import Stepper, learning_rate
from energy_dissagregation_mlops.training.teaching import Lesson
from energy_dissagregation_mlops.training.validation import Validation, Windows, validate

logger = logging.getLogger(__name__)

MIN_STEPS_PER_EPOCH = 100
MAX_STEPS_PER_EPOCH = 2000
STEPS_PER_REPORT = 10


def fit(
    network: Network,
    series: Sequence[TrainingSeries],
    config: TrainingConfig,
    *,
    checkpoint: Path,
    resume: bool = False,
    report: Report = silent,
    lesson: Lesson | None = None,
) -> Fitted:
    """Train a network in place, and give it the best weights that validation found.

    Args:
        network: freshly built, or with the weights to begin with; its scales are fitted here.
        series: the training houses and no other; (A, T) in the network's order of appliances.
        config: how.
        checkpoint: file for the state of the run, written each epoch and when interrupted.
        resume: go on from that file, where there is one.
        report: told of progress, in the first process only.
        lesson: what is learned from beside the series.

    Raises:
        ConfigError: the teachers answer for something else, the series can't be trained on, the checkpoint is of
            another run, or the loss is no longer a number.
        KeyboardInterrupt: after the state was written.
    """
    split = split_of(series, config, network)
    lesson = lesson or Lesson()
    run = checkpoints.run_of(config, network, fingerprint_of(series)) | lesson.identity
    with joined() as process, put_off() as interruption:
        loop = _Loop(network, split, config, process=process, report=report, teachers=lesson.teachers)
        if resume and checkpoint.exists():
            loop.load(checkpoints.load(checkpoint, run=run, device=process.device))
            logger.info("resumed from %s after step %d", checkpoint, loop.step)
        whole = True
        while whole and not loop.finished:
            whole = loop.run_epoch(interruption)
            state = loop.checkpoint(run)
            if process.is_first:
                checkpoints.save(checkpoint, state)
        if not whole and process.is_first:
            logger.warning("interrupted after step %d, saved in %s", loop.step, checkpoint)
        if whole:
            loop.finish()
        process.wait()
    if not whole:
        # The signal may have come to another process than this one.
        raise KeyboardInterrupt
    return loop.fitted()


def split_of(series: Sequence[TrainingSeries], config: TrainingConfig, network: Network) -> Split:
    """What is trained on, and what is validated on.

    Raises:
        ConfigError: a series is shorter than a window, or there are none.
        UnknownNameError: a house to validate on is not among the series.
    """
    if not series:
        raise ConfigError("no house to train on: name one at least")
    for one in series:
        assert len(one.metered) == len(network.appliances)
        if len(one) < network.window_length:
            raise ConfigError(
                f"{one.name} has {len(one)} samples, fewer than a window of {network.window_length}: "
                "choose a shorter window or a longer recording"
            )
    if config.validation_houses:
        return by_house(series, config.validation_houses)
    return by_blocks(series, fraction=config.validation_fraction, guard=network.reach)


class _Loop:
    """Epochs of one run, and the state between them."""

    def __init__(
        self,
        network: Network,
        split: Split,
        config: TrainingConfig,
        *,
        process: Process,
        report: Report,
        teachers: Sequence[Network],
    ) -> None:
        data = TrainingData.of(
            split.training, window_length=network.window_length, margin=network.margin, device=process.device
        )
        scales = scales_of(split.training, network.appliances)
        self._stepper = Stepper(network, data, config, scales=scales, process=process, teachers=teachers)
        self._validation = Windows.of(split.validation, network, process) if split.validation else None
        self._validated_on = split.validation
        self._config = config
        self._process = process
        self._report = report if process.is_first else silent
        self._samples_per_step = config.batch_size * network.core
        self._steps_per_epoch = config.steps_per_epoch or min(
            max(len(data.mains) // self._samples_per_step, MIN_STEPS_PER_EPOCH), MAX_STEPS_PER_EPOCH
        )
        self.step = 0
        self._history: list[EpochResult] = []
        self._best_epoch = 0
        self._best = copy.deepcopy(self._stepper.averaged.state_dict())
        self._loss_sum = torch.zeros((), dtype=torch.float64, device=process.device)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or none has been better for too long."""
        epochs = len(self._history)
        return epochs >= self._config.epochs or epochs - self._best_epoch >= self._config.patience

    def run_epoch(self, interruption: Interruption) -> bool:
        """Train and validate; False where a signal came in between, and the epoch is not whole."""
        steps = self._config.epochs * self._steps_per_epoch
        began, begun_at = time.perf_counter(), self.step
        while self.step < (len(self._history) + 1) * self._steps_per_epoch:
            lr = learning_rate(self.step, steps=steps, config=self._config)
            loss, stop = self._stepper.take(self.step, lr=lr, stop=interruption.signal is not None)
            self._loss_sum += loss
            self.step += 1
            if stop:
                return False
            if self.step % STEPS_PER_REPORT == 0:
                speed = (self.step - begun_at) * self._samples_per_step / (time.perf_counter() - began)
                self._tell(self._mean_loss(), speed=speed)
        speed = (self.step - begun_at) * self._samples_per_step / (time.perf_counter() - began)
        loss_now = self._mean_loss()
        result = EpochResult(epoch=len(self._history) + 1, loss=loss_now, validation=self._validated())
        self._take_result(result)
        self._tell(loss_now, speed=speed, validation=result.validation)
        return True

    def _validated(self) -> Validation | None:
        if self._validation is None:
            return None
        return validate(self._stepper.averaged, self._validation, self._process)

    def _kept(self) -> Validation | None:
        return self._history[self._best_epoch - 1].validation if self._best_epoch else None

    def _take_result(self, result: EpochResult) -> None:
        best = self._kept()
        self._history.append(result)
        self._loss_sum.zero_()
        # Where nothing is known the score is no number, and the last weights are kept.
        if result.validation is None or best is None or not result.validation.score >= best.score:
            self._best_epoch = result.epoch
            self._best = copy.deepcopy(self._stepper.averaged.state_dict())

    def _mean_loss(self) -> float:
        """Of this epoch so far, over all processes.

        Raises:
            ConfigError: it is no number.
        """
        total = float(self._process.sum(self._loss_sum.clone()))
        done = self.step - len(self._history) * self._steps_per_epoch
        if total != total or abs(total) == float("inf"):
            raise ConfigError(
                f"the loss is no longer a number at step {self.step}: train with a lower learning rate "
                f"than {self._config.lr:g}"
            )
        return total / max(done, 1)

    def _tell(self, loss: float, *, speed: float, validation: Validation | None = None) -> None:
        best = self._kept()
        self._report(
            Progress(
                epoch=(self.step - 1) // self._steps_per_epoch + 1,
                epochs=self._config.epochs,
                step=self.step,
                steps=self._config.epochs * self._steps_per_epoch,
                loss=loss,
                samples_per_second=speed,
                validation=validation,
                best=math.nan if best is None else best.score,
            )
        )

    def checkpoint(self, run: dict[str, str]) -> Checkpoint:
        """The state of the run; every process has to ask for it."""
        return Checkpoint(
            run=run,
            step=self.step,
            weights=self._stepper.network.state_dict(),
            averaged=self._stepper.averaged.state_dict(),
            optimiser=self._stepper.optimiser.state_dict(),
            best=self._best,
            best_epoch=self._best_epoch,
            loss_sum=self._process.sum(self._loss_sum.clone()),
            history=history_text(self._history),
        )

    def load(self, state: Checkpoint) -> None:
        """Go on from a state."""
        self.step = state.step
        self._stepper.network.load_state_dict(state.weights)
        self._stepper.averaged.load_state_dict(state.averaged)
        self._stepper.optimiser.load_state_dict(state.optimiser)
        self._best, self._best_epoch = state.best, state.best_epoch
        # The sum is that of all processes: one of them has to carry it.
        self._loss_sum.copy_(state.loss_sum * self._process.is_first)
        self._history = parsed_history(state.history)

    def finish(self) -> None:
        """Give the network its best weights, and the gates that suit them; every process has to ask for it."""
        network = self._stepper.network
        network.load_state_dict(self._best)
        if network.gated and self._validation is not None:
            network.settle_gates(*chosen_gates(network, self._validation, self._process))

    def fitted(self) -> Fitted:
        """The network as it was finished."""
        network = self._stepper.network
        network.to("cpu", memory_format=torch.contiguous_format).eval()
        return Fitted(
            network=network, history=tuple(self._history), best_epoch=self._best_epoch, validated_on=self._validated_on,
        )  # fmt: skip
