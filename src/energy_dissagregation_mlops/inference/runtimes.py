"""What computes a bundle's graph. One contract; ONNX Runtime fills it, tests fill it with arithmetic.

Shapes: N windows, L window_length, A appliances, K core.
"""

from __future__ import annotations

import ctypes
import logging
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import onnxruntime as ort
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NoSuchFile,
)

from energy_dissagregation_mlops.bundle import INPUT, OUTPUTS
from energy_dissagregation_mlops.cores import available_cores
from energy_dissagregation_mlops.errors import BundleError, one_line
from energy_dissagregation_mlops.vocabulary import FloatArray

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_ON_THE_GPU = {
    "use_tf32": "0",  # its ten bits would not give the answers that were evaluated
    # Else every length of a series that is new tries all ways to convolve (microsoft/onnxruntime#6978).
    "cudnn_conv_algo_search": "HEURISTIC",
}
_DRIVER = "libcuda.so.1"  # of the host: its container toolkit lays it into a container that was given a GPU

_logger = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What a network says of the cores of some windows."""

    power: FloatArray  # (N, A, K) W
    on_probability: FloatArray  # (N, A, K)


class Runtime(Protocol):
    """Computes a network on windows of mains."""

    def __call__(self, mains: FloatArray) -> Answer:
        """Answer for windows (N, L) W, NaN where missing."""
        ...


class OnnxRuntime:
    """ONNX Runtime, with as many threads as the process may really use, or on the GPU where its build has one."""

    def __init__(self, graph: Path, *, threads: int | None = None) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or available_cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that wait in a loop take the cores from whoever shares them: with other work on the machine
        # twice as slow, without any no faster (docs/log.md).
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(graph, options, providers=_providers())
        except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile) as error:
            raise BundleError(
                f"{graph} is no graph that ONNX Runtime can run ({one_line(error)}): export the bundle again"
            ) from None

    def __call__(self, mains: FloatArray) -> Answer:
        """Answer for windows (N, L) W, NaN where missing."""
        return Answer(*self._session.run(list(OUTPUTS), {INPUT: np.ascontiguousarray(mains)}))


def _providers() -> list[str | tuple[str, dict[str, str]]]:
    """What computes, the first choice first; the GPU's build falls back to the CPU on a host without a GPU."""
    if _CUDA not in ort.get_available_providers() or not _has_driver():
        return [_CPU]
    ort.preload_dlls()  # CUDA's libraries come as wheels, where no loader looks
    return [(_CUDA, _ON_THE_GPU), _CPU]


@cache
def _has_driver() -> bool:
    """Whether there is an NVIDIA driver. Asked before ONNX Runtime is, which tells of its lack in two coloured lines."""
    try:
        ctypes.CDLL(_DRIVER)
    except OSError:
        _logger.warning("no NVIDIA driver here (%s): computing on the CPU", _DRIVER)
        return False
    return True
