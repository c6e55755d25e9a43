import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_run import CONFIG, home, homes, tiny_network

from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.training import loop
from energy_dissagregation_mlops.training.loop import fit
from energy_dissagregation_mlops.training.progress import history_text, parsed_history
from energy_dissagregation_mlops.training.steps import Stepper, learning_rate


def train(path, config=CONFIG, *, series=None, **options):
    return fit(tiny_network(), series or homes(), config, checkpoint=path / "run.pt", **options)


def same_weights(one, other):
    left, right = one.network.state_dict(), other.network.state_dict()
    return all(torch.equal(left[name], right[name]) for name in left)


def interrupted_after(step):
    def report(progress):
        if progress.step == step and progress.validation is None:
            signal.raise_signal(signal.SIGINT)

    return report


def test_a_network_learns_what_an_appliance_looks_like(tmp_path):
    fitted = train(tmp_path, replace(CONFIG, epochs=4, steps_per_epoch=60))
    kettle = fitted.best.validation.appliances[0]
    assert kettle.share < 0.5
    assert fitted.history[-1].loss < fitted.history[0].loss
    assert fitted.best.validation.score == min(epoch.validation.score for epoch in fitted.history)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(tmp_path):
    first, second = train(tmp_path / "a"), train(tmp_path / "b")
    assert same_weights(first, second)
    assert history_text(first.history) == history_text(second.history)
    assert not same_weights(first, train(tmp_path / "c", replace(CONFIG, seed=1)))


@pytest.mark.parametrize("step", [10, 20, 30])
def test_an_interrupted_run_goes_on_as_if_nothing_had_been(tmp_path, step):
    whole = train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, report=interrupted_after(step))
    seen = []
    resumed = train(tmp_path, resume=True, report=seen.append)
    assert min(progress.step for progress in seen) > step
    assert same_weights(resumed, whole)
    assert history_text(resumed.history) == history_text(whole.history)


def test_a_run_that_another_process_stopped_does_not_pass_for_a_trained_one(tmp_path, monkeypatch):
    take = Stepper.take

    def stopped_elsewhere(stepper, step, *, lr, stop):
        return take(stepper, step, lr=lr, stop=stop)[0], step == 30

    monkeypatch.setattr(Stepper, "take", stopped_elsewhere)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path)
    monkeypatch.undo()
    assert same_weights(train(tmp_path, resume=True), train(tmp_path / "whole"))


def test_where_validation_knows_nothing_the_last_weights_are_kept(tmp_path):
    blind = home(2, metered=(False, False))
    fitted = train(tmp_path, replace(CONFIG, validation_houses=("made-up:2",)), series=[home(1), blind])
    assert np.isnan(fitted.best.validation.score)
    assert fitted.best_epoch == 3


def test_a_finished_run_that_is_resumed_trains_no_more(tmp_path):
    first = train(tmp_path)
    seen = []
    again = train(tmp_path, resume=True, report=seen.append)
    assert seen == []
    assert same_weights(first, again)


def test_resuming_without_a_checkpoint_begins_at_the_beginning(tmp_path):
    assert same_weights(train(tmp_path / "a", resume=True), train(tmp_path / "b"))


def test_without_resume_an_older_checkpoint_does_not_matter(tmp_path):
    train(tmp_path, replace(CONFIG, lr=0.1))
    assert same_weights(train(tmp_path), train(tmp_path / "b"))


def test_a_run_is_resumed_only_with_its_own_settings_and_data(tmp_path):
    train(tmp_path)
    with pytest.raises(ConfigError, match="epochs was 3 and is now 4"):
        train(tmp_path, replace(CONFIG, epochs=4), resume=True)
    with pytest.raises(ConfigError, match="other training series"):
        train(tmp_path, resume=True, series=[home(1)])


def test_training_stops_when_nothing_gets_better(tmp_path):
    # With so low a rate the average stays what it was: no epoch is better than the first by chance.
    config = replace(CONFIG, epochs=50, steps_per_epoch=1, lr=1e-30, patience=2)
    fitted = train(tmp_path, config)
    assert fitted.best_epoch == 1
    assert len(fitted.history) == 3


def test_without_validation_the_last_weights_are_kept(tmp_path):
    fitted = train(tmp_path, replace(CONFIG, validation_fraction=0.0))
    assert fitted.best_epoch == 3
    assert fitted.best.validation is None


def test_a_house_can_be_kept_for_validation(tmp_path):
    fitted = train(tmp_path, replace(CONFIG, epochs=1, validation_houses=("made-up:2",)))
    kettle, fridge = fitted.best.validation.appliances
    assert np.isfinite(kettle.mae)
    assert np.isnan(fridge.mae)


def test_scales_come_from_the_training_stretches_only(tmp_path):
    one, other = homes()
    before = train(tmp_path, replace(CONFIG, epochs=1, validation_houses=("made-up:2",)), series=[one, other])
    other.power[:] *= 3
    after = train(tmp_path, replace(CONFIG, epochs=1, validation_houses=("made-up:2",)), series=[one, other])
    assert same_weights(before, after)


def test_a_loss_that_is_no_number_is_an_error_with_advice(tmp_path):
    network = tiny_network()
    network.second.bias.data[:] = float("nan")
    with pytest.raises(ConfigError, match="no longer a number at step 10: train with a lower learning rate"):
        fit(network, homes(), CONFIG, checkpoint=tmp_path / "run.pt")
    assert not (tmp_path / "run.pt").exists()


def test_a_series_shorter_than_a_window_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="made-up:1 has 63 samples, fewer than a window of 64"):
        train(tmp_path, series=[home(1, length=63)])


def test_no_series_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="no house to train on"):
        fit(tiny_network(), [], CONFIG, checkpoint=tmp_path / "run.pt")


def test_progress_is_told_to_the_end(tmp_path):
    seen = []
    fitted = train(tmp_path, report=seen.append)
    assert [progress.step for progress in seen] == [10, 20, 20, 30, 40, 40, 50, 60, 60]
    assert [progress.epoch for progress in seen] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert all(progress.steps == 60 and progress.samples_per_second > 0 for progress in seen)
    ends = [progress for progress in seen if progress.validation]
    assert [end.validation for end in ends] == [epoch.validation for epoch in fitted.history]
    scores = [epoch.validation.score for epoch in fitted.history]
    assert [end.best for end in ends] == [min(scores[: end.epoch]) for end in ends]


def test_a_resumed_run_knows_the_best_of_what_was_before(tmp_path, monkeypatch):
    scores = iter([0.5, 0.9, 0.7])

    def validation(*_):
        return replace(validate(*_), score=next(scores))

    validate = loop.validate
    monkeypatch.setattr(loop, "validate", validation)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, report=interrupted_after(30))
    seen = []
    train(tmp_path, resume=True, report=seen.append)
    assert {progress.best for progress in seen} == {0.5}


def test_a_history_without_a_number_in_it_survives_being_written():
    fitted_text = '[{"epoch": 1, "loss": NaN, "validation": null}]'
    assert np.isnan(parsed_history(fitted_text)[0].loss)


def test_the_learning_rate_rises_then_falls():
    config = replace(CONFIG, lr=1.0, warm_up=0.1)
    rates = [learning_rate(step, steps=100, config=config) for step in range(100)]
    assert rates.index(max(rates)) == 10
    assert max(rates) == 1.0
    assert rates[0] == pytest.approx(1 / 11)
    assert rates[55] == pytest.approx(0.01 + 0.99 / 2)
    assert rates[-1] < 0.02


def test_the_gates_that_validation_asks_for_are_kept_with_the_weights(tmp_path, monkeypatch):
    asked = []

    def chosen(network, windows, process):
        asked.append(windows.num_houses)
        return torch.tensor([1.0, 2.0]), torch.tensor([[0.3, 0.9], [0.5, 1.0]])

    monkeypatch.setattr(loop, "chosen_gates", chosen)
    fitted = train(tmp_path / "a", replace(CONFIG, epochs=1, validation_houses=("made-up:2",)))
    assert fitted.network.state_dict()["gate_shift"].tolist() == [1, 2]
    torch.testing.assert_close(
        fitted.network.state_dict()["sureness"], torch.tensor([[0.3, 0.9], [0.5, 1.0]])
    )
    assert asked == [1]
    without = train(tmp_path / "b", replace(CONFIG, epochs=1, validation_fraction=0.0))
    assert without.network.state_dict()["gate_shift"].tolist() == [0, 0]
