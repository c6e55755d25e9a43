"""Which provider of ONNX Runtime computes."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import onnxruntime
import pytest

from energy_dissagregation_mlops.inference import runtimes

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def test_the_build_for_cpus_computes_on_the_cpu() -> None:
    assert runtimes._providers() == [CPU]


@pytest.fixture
def gpu_build(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """ONNX Runtime as built for GPUs."""
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["TensorrtExecutionProvider", CUDA, CPU]
    )
    runtimes._has_driver.cache_clear()
    yield
    runtimes._has_driver.cache_clear()


@pytest.mark.usefixtures("gpu_build")
def test_the_build_for_gpus_computes_there_in_full_precision_and_else_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = []
    monkeypatch.setattr(runtimes, "_DRIVER", None)  # this process itself: it can be loaded
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: loaded.append(True))
    assert runtimes._providers() == [(CUDA, {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}), CPU]
    assert loaded == [True]


@pytest.mark.usefixtures("gpu_build")
def test_the_build_for_gpus_says_once_that_there_is_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runtimes, "_DRIVER", "libabsent.so.1")
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: pytest.fail("there is nothing to load"))
    with caplog.at_level(logging.WARNING, logger=runtimes.__name__):
        assert runtimes._providers() == runtimes._providers() == [CPU]
    assert [record.message for record in caplog.records] == [
        "no NVIDIA driver here (libabsent.so.1): computing on the CPU"
    ]
