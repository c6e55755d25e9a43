import os
import pickle
from dataclasses import replace

import pytest
import torch
from tiny_run import CONFIG, tiny_network

from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.training import checkpoints
from energy_dissagregation_mlops.training.checkpoints import Checkpoint

CPU = torch.device("cpu")


@pytest.fixture
def network():
    return tiny_network()


@pytest.fixture
def run(network):
    return checkpoints.run_of(CONFIG, network, "abc")


@pytest.fixture
def path(tmp_path, network, run):
    weights = network.state_dict()
    state = Checkpoint(
        run=run,
        step=7,
        weights=weights,
        averaged=weights,
        optimiser=torch.optim.AdamW(network.parameters()).state_dict(),
        best=weights,
        best_epoch=0,
        loss_sum=torch.tensor(1.5, dtype=torch.float64),
        history="[]",
    )
    checkpoints.save(tmp_path / "run.pt", state)
    return tmp_path / "run.pt"


def test_a_state_comes_back_as_it_was(path, run, network):
    state = checkpoints.load(path, run=run, device=CPU)
    assert state.step == 7
    assert state.loss_sum.item() == 1.5
    assert all(torch.equal(state.weights[name], value) for name, value in network.state_dict().items())


def test_another_setting_is_named_with_both_values(path, network):
    other = checkpoints.run_of(replace(CONFIG, lr=0.5), network, "abc")
    with pytest.raises(ConfigError, match=r"another run: lr was 0\.01 and is now 0\.5; make them the same"):
        checkpoints.load(path, run=other, device=CPU)


def test_another_option_of_the_network_is_named_though_its_weights_have_the_same_shapes(path, network):
    network.options = {"heads": 4}
    with pytest.raises(ConfigError, match=r'network_options was {} and is now {"heads": 4}'):
        checkpoints.load(path, run=checkpoints.run_of(CONFIG, network, "abc"), device=CPU)


def test_other_data_is_refused(path, network):
    with pytest.raises(ConfigError, match="other training series"):
        checkpoints.load(path, run=checkpoints.run_of(CONFIG, network, "abd"), device=CPU)


@pytest.mark.parametrize("kept", [0, 10, 1000, -10])
def test_a_part_of_a_checkpoint_is_refused(path, run, kept):
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ConfigError, match="expected a checkpoint"):
        checkpoints.load(path, run=run, device=CPU)


def test_another_file_of_tensors_is_refused(tmp_path, run):
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(ConfigError, match="expected a checkpoint"):
        checkpoints.load(tmp_path / "other.pt", run=run, device=CPU)


class Malicious:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_code_in_a_checkpoint_does_not_run(tmp_path, run, write):
    write({"format": Malicious(tmp_path / "was-run")}, tmp_path / "evil.pt")
    with pytest.raises(ConfigError, match="expected a checkpoint"):
        checkpoints.load(tmp_path / "evil.pt", run=run, device=CPU)
    assert not (tmp_path / "was-run").exists()
