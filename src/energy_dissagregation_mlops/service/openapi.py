"""The service's own description: bodies that are read by hand are documented from the records they become.

Which operations ask for a key is told by their tag: all do but those of ``OPEN``.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from energy_dissagregation_mlops.service.negotiation import CSV, JSON
from energy_dissagregation_mlops.service.problems import Problem, documented
from energy_dissagregation_mlops.service.schemas import (
    CsvOptions,
    DisaggregationAnswer,
    DisaggregationRequest,
    PredictionAnswer,
    PredictionRequest,
    PromotionRequest,
)
from energy_dissagregation_mlops.service.tensors import InferenceRequest

OPEN = "server"
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
COMPUTING = (400, 406, 408, 413, 415, 422, 429, 503)  # what a route that computes may answer beside 200
_REFERENCE = "#/components/schemas/{model}"
_HAND_READ: tuple[type[BaseModel], ...] = (
    DisaggregationRequest,
    PredictionRequest,
    PromotionRequest,
    InferenceRequest,
    Problem,
)
# FastAPI documents its own errors for any path with a parameter; ours are all text, which can't be wrong.
_NOT_OURS = ("HTTPValidationError", "ValidationError")

Document = dict[str, Any]  # OpenAPI's own shape, as FastAPI gives and takes it
Responses = dict[int | str, Document]

CSV_EXAMPLE = "time,power\n2024-06-01T00:00:00Z,120\n2024-06-01T00:01:00Z,2900\n2024-06-01T00:02:00Z,130\n"
TABLE_EXAMPLE = '"time","mains","kettle","other"\n2024-06-01T00:00:00Z,120.0,0.0,120.0\n'

DISAGGREGATION_RESPONSES: Responses = {
    200: {
        "description": "What each appliance took.",
        "model": DisaggregationAnswer,
        "content": {CSV: {"schema": {"type": "string"}, "example": TABLE_EXAMPLE}},
    },
    **documented(404, *COMPUTING),
}
PREDICTION_RESPONSES: Responses = {
    200: {"description": "W of each appliance.", "model": PredictionAnswer},
    **documented(*COMPUTING),
}


def body_of(model: type[BaseModel], **others: Document) -> Document:
    """A request's body, as an operation documents it: JSON, and other media types by name."""
    schema = {"$ref": _REFERENCE.format(model=model.__name__)}
    return {"requestBody": {"required": True, "content": {JSON: {"schema": schema}, **others}}}


def disaggregation_body() -> Document:
    """JSON with its options inside, or a CSV with its options in the query."""
    table = {"schema": {"type": "string"}, "example": CSV_EXAMPLE}
    return {**body_of(DisaggregationRequest, **{CSV: table}), "parameters": _query_of(CsvOptions)}


def describe(app: FastAPI, *, keyed: bool) -> None:
    """Let an application document itself; ``keyed``: whether it asks for a key."""

    def document() -> Document:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, keyed=keyed)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI, *, keyed: bool) -> Document:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    _, definitions = models_json_schema(
        [(model, "validation") for model in _HAND_READ], ref_template=_REFERENCE
    )
    components = document.setdefault("components", {})
    schemas = {**components.get("schemas", {}), **definitions["$defs"]}
    components["schemas"] = {
        name: schema for name, schema in sorted(schemas.items()) if name not in _NOT_OURS
    }
    for path in document["paths"].values():
        for operation in path.values():
            if _NOT_OURS[0] in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
    if keyed:
        components["securitySchemes"] = SCHEMES
        for path in document["paths"].values():
            for operation in path.values():
                if OPEN not in operation["tags"]:
                    operation["security"] = [{name: []} for name in SCHEMES]
                    operation["responses"].update(
                        {str(status): told for status, told in documented(401).items()}
                    )
    return document


def _query_of(model: type[BaseModel]) -> list[Document]:
    """A record's fields as parameters of a query."""
    schema = model.model_json_schema()
    parameters = []
    for name, given in schema["properties"].items():
        field = {key: value for key, value in given.items() if key not in ("anyOf", "default", "title")}
        field |= next(each for each in given["anyOf"] if each != {"type": "null"})
        if "$ref" in field:
            field |= schema["$defs"][field.pop("$ref").rpartition("/")[2]]
        if "$ref" in field.get("items", {}):
            field["items"] = schema["$defs"][field["items"]["$ref"].rpartition("/")[2]]
        parameters.append(
            {
                "name": name, "in": "query", "required": False, "schema": field, "explode": False,
                "description": f"with a {CSV} body only: {field.pop('description', '')}",
            }
        )  # fmt: skip
    return parameters
