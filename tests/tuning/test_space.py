"""What may be searched, and that whatever can't be is said in one line before any trial."""

from __future__ import annotations

from pathlib import Path

import pytest

from energy_dissagregation_mlops.config import Flags, RunConfig, load_run
from energy_dissagregation_mlops.errors import EdmlopsError
from energy_dissagregation_mlops.tuning.space import Choice, Range, Space, load_space

RUN = """\
name: run
network_options: {window_length: 384, width: 4, dilations: [1]}
training: {lr: 0.01}
"""


def loaded(tmp_path: Path, search: str) -> Space:
    path = tmp_path / "run.yaml"
    path.write_text(RUN + search)
    return load_space(path, load_run(path, Flags()))


def test_ranges_and_choices_are_read_as_they_stand(tmp_path: Path) -> None:
    space = loaded(
        tmp_path,
        "search:\n  training.lr: {low: 0.001, high: 0.1, log: true}\n  training.batch_size: {low: 4, high: 16, step: 4}\n"
        "  network_options.dilations: [[1], [1, 2]]\n",
    )
    assert space.dimensions == {
        "training.lr": Range(low=0.001, high=0.1, log=True),
        "training.batch_size": Range(low=4, high=16, step=4),
        "network_options.dilations": Choice(values=([1], [1, 2])),
    }
    assert [each.whole for each in space.dimensions.values() if isinstance(each, Range)] == [False, True]
    assert space.present() == {"training.lr": 0.01, "network_options.dilations": [1]}


def test_a_power_of_ten_is_a_number_though_yaml_takes_it_for_a_word(tmp_path: Path) -> None:
    space = loaded(
        tmp_path,
        "search:\n  training.lr: {low: 1e-4, high: 1e-2, log: true}\n  training.weight_decay: {low: 1e-3, high: 0.1}\n",
    )
    assert space.dimensions == {
        "training.lr": Range(low=0.0001, high=0.01, log=True),
        "training.weight_decay": Range(low=0.001, high=0.1),
    }
    assert space.present() == {"training.lr": 0.01, "training.weight_decay": 0.01}


def test_a_trial_is_the_run_with_some_settings_changed(tmp_path: Path) -> None:
    space = loaded(tmp_path, "search: {training.lr: [0.01, 0.02]}")
    changed = space.config({"training.lr": 0.02, "network_options.width": 8})
    assert changed.training.lr == 0.02 and changed.training.epochs == space.base.training.epochs
    assert changed.network_options == {**space.base.network_options, "width": 8}


def test_training_takes_no_notice_of_it(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(RUN + "search: {training.lr: [0.01, 0.02]}")
    assert isinstance(load_run(path, Flags()), RunConfig)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ("", "expected a section 'search'"),
        ("search: {}", "expected a section 'search'"),
        ("search: {training.lr: 3}", "training.lr: expected a list of values, or low and high; found 3"),
        ("search: {training.lr: [3]}", "training.lr: expected at least two values"),
        ("search: {training.lr: {low: 3, high: 2}}", "expected low below high"),
        ("search: {training.lr: {low: 0, high: 2, log: true}}", "expected low below high, and above 0"),
        ("search: {training.lr: {low: 1, high: 2, step: 4}}", "expected a step above 0 that fits"),
        ("search: {training.lr: {low: 1, hihg: 2}}", "hihg"),
        ("search: {training.lr: {low: one, high: 2}}", "low"),
        ("search: {lr: [1, 2]}", "no setting in .* called 'lr'"),
        ("search: {training.lrr: [1, 2]}", "no key in search: training called 'lrr'"),
        ("search: {training.lr: [0.1, -1]}", "training.lr: -1 can't be used: lr is -1"),
        ("search: {network_options.kernel: [3, 4]}", "kernel: 4 can't be used: .*odd kernel"),
        ("search: {network_options.wdith: [3, 4]}", "wdith"),
        ("search: {training.lr: {low: 1e-2, high: 0.001}}", "expected low below high"),
        ("search: {training.batch_size: {low: 4, high: 8, step: 0.5}}", "expected a whole step"),
        (
            "search: {training.batch_size: {low: 4.0, high: 8.0}}",
            r"batch_size: .* can't be used: .*valid integer",
        ),
        ("search: {training.validation_fraction: [0.1, 0.2]}", "validation_fraction .*would not compare"),
    ],
)
def test_what_can_t_be_searched_is_said_in_one_line(tmp_path: Path, search: str, message: str) -> None:
    with pytest.raises(EdmlopsError, match=message) as caught:
        loaded(tmp_path, search)
    assert "\n" not in str(caught.value)
