"""The page that people write programs by says what is written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from many_homes import home, write_files

from energy_dissagregation_mlops.batch.run import Manifest

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def section() -> str:
    return PAGE.read_text(encoding="utf-8").partition("## Batch output")[2]


def documented() -> dict[str, list[tuple[str, str]]]:
    """The tables of the page: their columns and types, in order."""
    tables: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for row in section().partition("`manifest.json`, written last")[0].splitlines():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        if len(cells) == 4 and cells[0] not in ("table", "---"):
            name = cells[0] or name
            tables.setdefault(name, []).append((cells[1], cells[2]))
    return tables


def written(output: Path, table: str) -> list[tuple[str, str]]:
    schema: pa.Schema = pq.read_schema(next((output / table).rglob("*.parquet")))
    return [(field.name, str(field.type)) for field in schema]


def test_the_tables_have_the_columns_that_the_page_names(
    score: Callable[..., Manifest], tmp_path: Path
) -> None:
    manifest = score(write_files(tmp_path / "in", [home("h1")]), tmp_path / "out", power=True)
    tables = documented()
    assert sorted(tables) == sorted(manifest.rows_out)
    each = tables["power"].index(("APPLIANCE", "float"))
    tables["power"][each : each + 1] = [("kettle", "float"), ("fridge", "float")]
    for name, columns in tables.items():
        assert columns == written(tmp_path / "out", name)


def test_the_manifest_has_the_fields_that_the_page_names(
    score: Callable[..., Manifest], tmp_path: Path
) -> None:
    score(write_files(tmp_path / "in", [home("h1")]), tmp_path / "out")
    found = json.loads((tmp_path / "out" / "manifest.json").read_text())
    rows = section().partition("`manifest.json`, written last")[2].splitlines()
    first = [row.split("|")[1] for row in rows if row.startswith("| `")]
    assert {name for cell in first for name in re.findall(r"`(\w+)`", cell)} == set(found)
    named = re.findall(r"`(\w+)`", next(row for row in rows if row.startswith("| `plan`")))
    assert set(named) - {"plan"} == set(found["plan"])
