"""The service is as its own OpenAPI document says: schemathesis asks a real server thousands of things."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running import KEY, app_of, running

from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.service.rules import Rules


@pytest.fixture
def promoted(registry: Registry, make_bundle: Callable[..., Bundle]) -> Registry:
    registry.promote(make_bundle().card.reference)
    registry.promote(make_bundle().card.reference)
    return registry


def references(document: object) -> Iterator[str]:
    if isinstance(document, dict):
        if isinstance(document.get("$ref"), str):
            yield document["$ref"]
        for each in document.values():
            yield from references(each)
    elif isinstance(document, list):
        for each in document:
            yield from references(each)


def test_every_reference_of_the_document_leads_somewhere(promoted: Registry) -> None:
    document = app_of(promoted, Rules(key=KEY)).openapi()
    found = set(references(document))
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert len(found) > 20
    assert found - known == set()
    assert "HTTPValidationError" not in str(document)


def test_every_operation_says_in_which_ways_it_fails(promoted: Registry) -> None:
    for key in (None, KEY):
        paths = app_of(promoted, Rules(key=key)).openapi()["paths"]
        for path, operations in paths.items():
            for method, operation in operations.items():
                assert ("security" in operation) == (key is not None and operation["tags"] != ["server"])
                assert ("401" in operation["responses"]) == ("security" in operation), (path, method)


@pytest.mark.slow
@pytest.mark.parametrize(("key", "examples"), [(None, 10), (KEY, 1)])
def test_requests_made_from_the_document_are_answered_as_it_says(
    promoted: Registry, key: str | None, examples: int, tmp_path: Path
) -> None:
    config = Path(__file__).with_name("schemathesis.toml")
    with running(app_of(promoted, Rules(key=key))) as address:
        run = subprocess.run(
            [
                Path(sys.executable).with_name("st"), "--config-file", config, "run", f"{address}/openapi.json",
                "--max-examples", str(examples), "--seed", "1", "--no-color",
                *(("--header", f"Authorization: Bearer {key}") if key else ()),
            ],
            cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False,
        )  # fmt: skip
    assert run.returncode == 0, run.stdout
    generated = re.search(r"(\d[\d,]*) generated, \1 passed", run.stdout)
    assert generated is not None and int(generated[1].replace(",", "")) > 300, run.stdout
    assert "unresolvable" not in run.stdout.lower(), run.stdout
