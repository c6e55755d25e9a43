"""The exported graph says what its network says, and nothing else changes."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from energy_dissagregation_mlops.errors import ParityError
from energy_dissagregation_mlops.export import check_parity, probe_windows, to_onnx
from energy_dissagregation_mlops.networks import Network, build

APPLIANCES = ("kettle", "washing machine")
SMALL: dict[str, dict[str, object]] = {
    "gated_unet": {"window_length": 272, "width": 16, "skip_width": 16, "dilations": (1,)},
    "seq2point": {"window_length": 31},
}


def small(name: str, *, seed: int = 5) -> Network:
    torch.manual_seed(seed)
    network = build(name, APPLIANCES, SMALL[name])
    network.fit_scales(mains=700.0, power=(2300.0, 400.0))
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    return network


@pytest.fixture(scope="module", params=sorted(SMALL))
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Network, Path]:
    network = small(request.param)
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    to_onnx(network, path)
    return network, path


def test_the_graph_answers_as_the_network_does(exported: tuple[Network, Path]) -> None:
    parity = check_parity(*exported)
    assert parity.power < 0.05
    assert parity.on_probability < 1e-5
    lengths = 3 if exported[0].any_length else 1
    assert parity.num_windows == lengths * len(probe_windows(exported[0].window_length))


@pytest.mark.parametrize("num_windows", [1, 7])
def test_the_graph_takes_any_number_of_windows(exported: tuple[Network, Path], num_windows: int) -> None:
    network, path = exported
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    mains = np.random.default_rng(1).uniform(0, 4000, (num_windows, network.window_length)).astype(np.float32)
    power, probability = session.run(["power", "on_probability"], {"mains": mains})
    assert power.shape == probability.shape == (num_windows, len(APPLIANCES), network.core)
    assert (power >= 0).all() and (probability >= 0).all() and (probability <= 1).all()
    with torch.inference_mode():
        expected = network.eval()(torch.from_numpy(mains))
    np.testing.assert_allclose(power, expected.power.numpy(), atol=0.05)
    np.testing.assert_allclose(probability, torch.sigmoid(expected.on_logit).numpy(), atol=1e-5)


def test_the_file_is_one_valid_graph_that_says_whose_it_is(exported: tuple[Network, Path]) -> None:
    network, path = exported
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    model = onnx.load(path, load_external_data=False)
    onnx.checker.check_model(model)
    assert [value.name for value in model.graph.input] == ["mains"]
    assert [value.name for value in model.graph.output] == ["power", "on_probability"]
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert said["network"] == network.name
    assert json.loads(said["appliances"]) == list(APPLIANCES)
    assert int(said["window_length"]) - 2 * int(said["margin"]) == network.core
    assert int(said["alignment"]) == network.alignment


def test_the_file_holds_no_paths_of_the_machine_that_wrote_it(exported: tuple[Network, Path]) -> None:
    content = exported[1].read_bytes()
    assert b".py" not in content and b"stack_trace" not in content
    assert str(Path.cwd()).encode() not in content


def test_another_networks_graph_is_refused(exported: tuple[Network, Path]) -> None:
    network, path = exported
    with pytest.raises(ParityError, match=r"differs from its network by .* W .* export it again"):
        check_parity(small(network.name, seed=6), path)


def test_a_graph_for_other_appliances_is_refused(exported: tuple[Network, Path]) -> None:
    network, path = exported
    other = build(network.name, (*APPLIANCES, "fridge"), SMALL[network.name])
    with pytest.raises(ParityError, match="expected answers of shape"):
        check_parity(other, path)


def test_a_network_whose_weights_are_not_finite_is_refused(exported: tuple[Network, Path]) -> None:
    _, path = exported
    broken = small(exported[0].name)
    with torch.no_grad():
        next(broken.parameters()).fill_(torch.nan)
    with pytest.raises(ParityError):
        check_parity(broken, path)


def test_the_probes_hold_noise_gaps_nothing_zeros_and_thirty_kilowatts() -> None:
    probes = probe_windows(100)
    assert probes.dtype == np.float32
    assert np.array_equal(probes, probe_windows(100), equal_nan=True)
    all_missing = np.isnan(probes).all(axis=1)
    some_missing = np.isnan(probes).any(axis=1) & ~all_missing
    assert all_missing.any() and some_missing.any()
    assert (probes == 0).all(axis=1).any() and np.nanmax(probes) == 30_000


def test_exporting_is_quiet_and_leaves_the_network_and_the_logs_as_they_were(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    network = small("gated_unet").train()
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    level = logging.getLogger("torch.onnx").level
    to_onnx(network, tmp_path / "model.onnx")
    check_parity(network, tmp_path / "model.onnx")
    written = capfd.readouterr()
    assert (written.out, written.err) == ("", "")
    assert network.training
    assert logging.getLogger("torch.onnx").level == level
    assert all(torch.equal(weight, before[name]) for name, weight in network.state_dict().items())
