"""The Open Inference Protocol's tensors: requests taken apart and answers put together.

JSON tensors, and the binary data extension that Triton's clients use (the JSON first, its length in a header, the
tensors' bytes after it). Source: https://github.com/kserve/open-inference-protocol and Triton's
protocol/extension_binary_data.md. It does not know what a model makes of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from energy_dissagregation_mlops.meter_csv.cells import MAX_NUMBER
from energy_dissagregation_mlops.service.bodies import check_json
from energy_dissagregation_mlops.service.problems import RequestError, from_validation
from energy_dissagregation_mlops.service.rules import Rules
from energy_dissagregation_mlops.service.writing import written
from energy_dissagregation_mlops.vocabulary import BoolArray, FloatArray

JSON_LENGTH = "Inference-Header-Content-Length"
DATATYPES: Mapping[str, str] = {"FP32": "<f4", "FP64": "<f8", "BOOL": "?"}
NUMBERS = ("FP32", "FP64")
Tensor = FloatArray | BoolArray


class _Part(BaseModel):
    # Clients add parameters of their own: what is not known is passed over, as the protocol asks.
    model_config = ConfigDict(strict=True, allow_inf_nan=False, frozen=True)

    name: str
    parameters: dict[str, JsonValue] = Field(default_factory=dict)


class InputTensor(_Part):
    """A tensor that is sent: its data here, or as bytes behind the JSON."""

    shape: list[int] = Field(min_length=1, max_length=8, fail_fast=True)
    datatype: str
    data: list[JsonValue] | None = None


class OutputTensor(_Part):
    """A tensor that is wanted."""


class InferenceRequest(BaseModel):
    """What an inference request says in JSON."""

    model_config = ConfigDict(
        strict=True, allow_inf_nan=False, frozen=True,
        json_schema_extra={
            "examples": [
                {"inputs": [{"name": "mains", "shape": [5], "datatype": "FP32", "data": [120, 2900, 2880, 130, 125]}]}
            ]
        },
    )  # fmt: skip

    id: str | None = Field(default=None, max_length=200)
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    inputs: list[InputTensor] = Field(min_length=1, max_length=16, fail_fast=True)
    outputs: list[OutputTensor] | None = Field(default=None, max_length=16, fail_fast=True)


class OutputTensorAnswer(BaseModel):
    """A tensor that is answered, its data in order of rows."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float | bool | None]


class InferenceAnswer(BaseModel):
    """What is inferred, in JSON."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensorAnswer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """A request whose tensors are found."""

    request: InferenceRequest
    behind: bytes  # the tensors' bytes, one after the other


def taken_apart(body: bytes, json_length: str | None, rules: Rules) -> Inference:
    """Read a request's body.

    Args:
        body: inflated.
        json_length: what the header of that name says.
        rules: how much may be in it.

    Raises:
        RequestError: 400, it is no JSON or its length is wrong; 422, it is not as expected or too long.
    """
    length = _length(json_length, len(body))
    head = body[:length]
    check_json(head, rules)
    try:
        request = InferenceRequest.model_validate_json(head)
    except ValidationError as error:
        raise from_validation(error) from None
    return Inference(request=request, behind=body[length:])


def _length(given: str | None, size: int) -> int:
    if given is None:
        return size
    if not (given.isascii() and given.isdecimal() and len(given) <= 12 and int(given) <= size):
        raise RequestError(
            400, f"expected the JSON's bytes, at most {size}; found {given[:20]!r}", field=JSON_LENGTH
        )
    return int(given)


def tensor(found: Inference, name: str) -> NDArray[np.float64]:
    """The tensor of numbers of a request that has no other, flat; null is NaN.

    Raises:
        RequestError: 422, it is absent, not alone, of another type, or not of its shape.
    """
    # Triton refuses names that a model does not take, and one that comes twice.
    for place, each in enumerate(found.request.inputs):
        if each.name != name:
            raise RequestError(
                422,
                f"expected an input named {name!r}, found {each.name[:40]!r}",
                field=f"inputs.{place}.name",
            )
    given, *more = found.request.inputs
    if more:
        raise RequestError(422, f"expected one named {name!r}, found {1 + len(more)}", field="inputs")
    size = _binary_size(given)
    return _values(given, found.behind[:size] if size else None)


def _binary_size(given: InputTensor) -> int:
    size = given.parameters.get("binary_data_size", 0)
    if type(size) is not int or size < 0:
        raise RequestError(422, "expected a number of bytes", field="inputs.0.parameters.binary_data_size")
    return size


def _values(given: InputTensor, binary: bytes | None) -> NDArray[np.float64]:
    field = "inputs.0"
    if given.datatype not in NUMBERS:
        raise RequestError(
            422, f"expected {' or '.join(NUMBERS)}, found {given.datatype[:20]!r}", field=f"{field}.datatype"
        )
    if any(side < 0 for side in given.shape):
        raise RequestError(422, "expected sides of 0 or more", field=f"{field}.shape")
    count = math.prod(given.shape)
    if binary is None:
        values = _flat(given.data or [], f"{field}.data")
    elif len(binary) != count * np.dtype(DATATYPES[given.datatype]).itemsize:
        raise RequestError(
            422,
            f"expected the bytes of {count:,} numbers, found {len(binary):,} bytes",
            field=f"{field}.shape",
        )
    else:
        values = np.frombuffer(binary, DATATYPES[given.datatype]).astype(np.float64)
    if len(values) != count:
        raise RequestError(
            422,
            f"expected {count:,} numbers, found {len(values):,}: mend shape or data",
            field=f"{field}.shape",
        )
    return values


def _flat(data: list[JsonValue], field: str) -> NDArray[np.float64]:
    """JSON's numbers, nested or not, in order of rows."""
    while data and all(type(each) is list for each in data):
        data = [inner for each in data if isinstance(each, list) for inner in each]
    if not set(map(type, data)) <= {int, float, type(None)}:
        raise RequestError(422, "expected numbers or null, all nested alike", field=field)
    return np.array([None if each is None else _bounded(each) for each in data], np.float64)


def _bounded(number: JsonValue) -> float:
    assert isinstance(number, int | float)
    return float(min(max(number, -MAX_NUMBER), MAX_NUMBER))


def put_together(
    found: Inference, outputs: Mapping[str, Tensor], *, name: str, version: str
) -> tuple[bytes, int | None]:
    """An answer's body, and how much of it is JSON where tensors' bytes follow.

    Raises:
        RequestError: 422, an output is wanted that there is not.
    """
    request = found.request
    told: list[dict[str, object]] = []
    behind: list[bytes] = []
    for each in _wanted(request, outputs):
        values = outputs[each.name]
        one: dict[str, object] = {"name": each.name, "shape": values.shape, "datatype": _datatype(values)}
        if _is_binary(each, request):
            content = values.astype(values.dtype.newbyteorder("<")).tobytes()
            behind.append(content)
            one["parameters"] = {"binary_data_size": len(content)}
        else:
            one["data"] = np.ascontiguousarray(values).ravel()
        told.append(one)
    head: dict[str, object] = {"model_name": name, "model_version": version, "outputs": told}
    if request.id:
        head["id"] = request.id
    content = written(head)
    return (b"".join((content, *behind)), len(content)) if behind else (content, None)


def _wanted(request: InferenceRequest, outputs: Mapping[str, Tensor]) -> list[OutputTensor]:
    if not request.outputs:
        return [OutputTensor(name=name) for name in outputs]
    for place, each in enumerate(request.outputs):
        if each.name not in outputs:
            known = ", ".join(outputs)
            raise RequestError(
                422, f"expected one of {known}, found {each.name[:40]!r}", field=f"outputs.{place}.name"
            )
    return request.outputs


def _is_binary(wanted: OutputTensor, request: InferenceRequest) -> bool:
    every = request.parameters.get("binary_data_output", False)
    return wanted.parameters.get("binary_data", every) is True


def _datatype(values: Tensor) -> str:
    return "BOOL" if values.dtype == np.bool_ else "FP32"
