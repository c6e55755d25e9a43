"""Which provider of ONNX Runtime computes."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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


def test_onnx_runtime_keeps_no_record_of_its_use_and_tells_nobody(tmp_path: Path) -> None:
    # By itself it names the device, keeps events in a cache, and sends them, but where it finds that it is tested (CI).
    silent = ("CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in silent}
    subprocess.run(
        [sys.executable, "-c", f"import {runtimes.__name__}"], check=True,
        env=environment | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert list(tmp_path.iterdir()) == []
