"""Which provider of ONNX Runtime computes."""

from __future__ import annotations

import onnxruntime
import pytest

from energy_dissagregation_mlops.inference import runtimes

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def test_the_build_for_cpus_computes_on_the_cpu() -> None:
    assert runtimes._providers() == [CPU]


def test_the_build_for_gpus_computes_there_in_full_precision_and_else_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = []
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["TensorrtExecutionProvider", CUDA, CPU]
    )
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: loaded.append(True))
    assert runtimes._providers() == [(CUDA, {"use_tf32": "0"}), CPU]
    assert loaded == [True]
