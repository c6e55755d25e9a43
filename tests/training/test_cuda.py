"""Training where there is a GPU: skipped elsewhere, and run by whoever has one with `pytest -m cuda`."""

import math
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_run import CONFIG, home, homes, tiny_network

from energy_dissagregation_mlops import export, networks
from energy_dissagregation_mlops.training.distributed import joined
from energy_dissagregation_mlops.training.loop import fit
from energy_dissagregation_mlops.training.validation import Windows, validate

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU answers here"),
]

LONGER = replace(CONFIG, epochs=4, steps_per_epoch=60)


def test_a_network_is_trained_on_the_gpu_and_given_back_on_the_cpu(tmp_path):
    torch.cuda.reset_peak_memory_stats()
    fitted = fit(tiny_network(), homes(), LONGER, checkpoint=tmp_path / "run.pt")
    assert torch.cuda.max_memory_allocated() > 0
    assert fitted.best.validation.appliances[0].share < 0.5
    assert {str(value.device) for value in fitted.network.state_dict().values()} == {"cpu"}


def test_a_run_begun_on_a_gpu_goes_on_without_one(tmp_path, monkeypatch):
    def interrupt(progress):
        if progress.step == 90:
            signal.raise_signal(signal.SIGINT)

    whole = fit(tiny_network(), homes(), LONGER, checkpoint=tmp_path / "whole.pt")
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_network(), homes(), LONGER, checkpoint=tmp_path / "run.pt", report=interrupt)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    seen = []
    resumed = fit(
        tiny_network(), homes(), LONGER, checkpoint=tmp_path / "run.pt", resume=True,
        report=lambda progress: seen.append(progress.step),
    )  # fmt: skip
    assert min(seen) > 90
    assert resumed.best.validation.score == pytest.approx(whole.best.validation.score, abs=0.1)


@pytest.mark.parametrize("name", sorted(networks.NETWORKS))
@pytest.mark.slow
def test_what_a_gpu_trained_answers_alike_on_a_cpu_and_as_a_graph(name, tmp_path):
    torch.manual_seed(0)
    network = networks.build(name, ("kettle", "fridge"), {})
    config = replace(CONFIG, epochs=1, steps_per_epoch=30, lr=1e-3)
    series = [home(number, length=2500) for number in (1, 2)]
    fitted = fit(network, series, config, checkpoint=tmp_path / "run.pt")
    assert math.isfinite(fitted.best.validation.score)

    trained = fitted.network
    mains = torch.from_numpy(export.probe_windows(trained.window_length))
    with torch.no_grad():
        on_cpu = trained(mains)
        on_gpu = trained.to("cuda")(mains.to("cuda"))
    np.testing.assert_allclose(on_gpu.power.cpu(), on_cpu.power, rtol=0.02, atol=5.0)

    with joined() as process:
        windows = Windows.of(series, trained, process)
        by_gpu = validate(trained, windows, process)
    assert by_gpu.score == pytest.approx(validate_on_cpu(trained, series).score, rel=0.01)

    trained.to("cpu")
    export.to_onnx(trained, tmp_path / "model.onnx")
    export.check_parity(trained, tmp_path / "model.onnx")


def validate_on_cpu(network, series):
    network.to("cpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        with joined() as process:
            return validate(network, Windows.of(series, network, process), process)
