"""The Open Inference Protocol: by Triton's own client against a real server, and by hand where it can't go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import httpx
import numpy as np
import pytest
import uvicorn
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.service.app import create_app
from energy_dissagregation_mlops.service.engine import Engine, EngineLimits
from energy_dissagregation_mlops.service.rules import Rules

MAINS = np.array([160, 2700, np.nan, np.nan, np.nan, np.nan, 110], np.float32)
POWER = np.array([[0, 2500, *[np.nan] * 4, 0], [100, 100, *[np.nan] * 4, 0]], np.float32)


@pytest.fixture
def address(registry: Registry, make_bundle: Callable[..., Bundle]) -> Iterator[str]:
    """A real server on a free port."""
    registry.promote(make_bundle().card.reference)
    limits = EngineLimits(threads=2, max_concurrent=8, time_limit=60)
    config = uvicorn.Config(create_app(Engine(registry, limits=limits), Rules()), port=0, log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(address: str) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(address) as client:
        yield client


def test_a_client_finds_server_and_model(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("plain") and client.is_model_ready("plain", "1")
    assert not client.is_model_ready("other")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    metadata = client.get_model_metadata("plain")
    assert metadata["inputs"] == [{"name": "mains", "datatype": "FP32", "shape": [-1]}]
    assert [each["shape"] for each in metadata["outputs"]] == [[2, -1], [2, -1], [-1]]
    assert metadata["properties"] == {"sample_period": "60.0", "appliances": "kettle,fridge"}


@pytest.mark.parametrize("is_binary", [True, False])
@pytest.mark.parametrize("shape", [(7,), (1, 7)])
def test_a_client_infers(
    client: triton.InferenceServerClient, is_binary: bool, shape: tuple[int, ...]
) -> None:
    mains = triton.InferInput("mains", list(shape), "FP32")
    # The client refuses to write NaN as JSON.
    given = MAINS if is_binary else np.nan_to_num(MAINS)
    mains.set_data_from_numpy(given.reshape(shape), binary_data=is_binary)
    wanted = [triton.InferRequestedOutput(name, binary_data=is_binary) for name in ("on", "power")]
    found = client.infer("plain", [mains], outputs=wanted, request_id="mine")
    expected = POWER if is_binary else np.nan_to_num(POWER)
    np.testing.assert_array_equal(found.as_numpy("power"), expected)
    np.testing.assert_array_equal(found.as_numpy("on"), expected > 0)
    assert found.as_numpy("other") is None
    assert found.get_response()["id"] == "mine"


@pytest.mark.parametrize("algorithm", ["gzip", None])
def test_a_client_that_asks_for_nothing_gets_everything(
    client: triton.InferenceServerClient, algorithm: str | None
) -> None:
    mains = triton.InferInput("mains", [7], "FP32")
    mains.set_data_from_numpy(MAINS)
    found = client.infer(
        "plain", [mains], model_version="1",
        request_compression_algorithm=algorithm, response_compression_algorithm=algorithm,
    )  # fmt: skip
    np.testing.assert_array_equal(found.as_numpy("power"), POWER)
    np.testing.assert_array_equal(
        found.as_numpy("other"), np.array([60, 100, *[np.nan] * 4, 110], np.float32)
    )


@pytest.mark.parametrize(
    ("name", "version", "shape", "message"),
    [
        ("mains", "2", [7], "no version"),
        ("main", "1", [7], "named 'mains'"),
        ("mains", "1", [0], "from 1 to"),
    ],
)
def test_a_client_is_told_what_is_wrong(
    client: triton.InferenceServerClient, name: str, version: str, shape: list[int], message: str
) -> None:
    mains = triton.InferInput(name, shape, "FP32")
    mains.set_data_from_numpy(MAINS[: shape[0]])
    with pytest.raises(InferenceServerException, match=message):
        client.infer("plain", [mains], model_version=version)


@pytest.mark.parametrize(
    ("tensor", "field"),
    [
        ({"shape": [2], "data": [1]}, "inputs.0.shape"),
        ({"shape": [-1], "data": [1]}, "inputs.0.shape"),
        ({"shape": [1], "data": ["1"]}, "inputs.0.data"),
        ({"shape": [1], "data": [True]}, "inputs.0.data"),
        ({"shape": [1, 2], "data": [[1], 2]}, "inputs.0.data"),
        ({"shape": [1], "datatype": "INT8", "data": [1]}, "inputs.0.datatype"),
        ({"shape": [1], "data": [1], "parameters": {"binary_data_size": 4}}, "inputs.0.shape"),
        ({"shape": [1], "parameters": {"binary_data_size": "4"}}, "inputs.0.parameters.binary_data_size"),
        ({"shape": [], "data": []}, "inputs.0.shape"),
    ],
)
@pytest.mark.anyio
async def test_a_tensor_that_is_none_is_refused_by_its_field(
    served: httpx.AsyncClient, tensor: dict[str, object], field: str
) -> None:
    body = {"inputs": [{"name": "mains", "datatype": "FP32", **tensor}]}
    answer = await served.post("/v2/models/plain/infer", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert answer.json()["error"] == answer.json()["detail"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("names", "detail"),
    [
        (["mask", "mains"], "inputs.0.name: expected an input named 'mains', found 'mask'"),
        (["mains", "mask"], "inputs.1.name: expected an input named 'mains', found 'mask'"),
        (["mains", "mains"], "inputs: expected one named 'mains', found 2"),
    ],
)
async def test_an_input_that_no_model_takes_is_refused(
    served: httpx.AsyncClient, names: list[str], detail: str
) -> None:
    tensor = {"datatype": "FP32", "shape": [1], "data": [100]}
    body = {"inputs": [{"name": name, **tensor} for name in names]}
    answer = await served.post("/v2/models/plain/infer", json=body)
    assert (answer.status_code, answer.json()["error"]) == (422, detail)


@pytest.mark.anyio
@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 30, "0" * 12 + "3", "0" * 12 + "9" * 5000, "x"])
async def test_a_length_of_the_json_that_cannot_be_is_refused(served: httpx.AsyncClient, length: str) -> None:
    headers = {"Inference-Header-Content-Length": length}
    answer = await served.post("/v2/models/plain/infer", content=b"{}", headers=headers)
    assert answer.status_code == 400


@pytest.mark.anyio
async def test_json_tensors_may_be_nested_and_hold_null(served: httpx.AsyncClient) -> None:
    tensor = {"name": "mains", "datatype": "FP64", "shape": [1, 3], "data": [[160, None, 2700]]}
    answer = await served.post("/v2/models/plain/infer", json={"inputs": [tensor]})
    power, on, other = answer.json()["outputs"]
    # One missing reading is bridged by the one before it, as everywhere.
    assert (power["shape"], power["data"]) == ([2, 3], [0, 0, 2500, 100, 100, 100])
    assert (on["datatype"], on["data"][:3]) == ("BOOL", [False, False, True])
    assert other["data"] == [60, 60, 100]
