"""Options that several commands take, each declared once."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

Bundle = Annotated[
    str | None,
    typer.Option("--bundle", metavar="NAME[@VERSION]", help="The model; by default the one in production."),
]
Kind = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        metavar="KIND",
        help="ukdale, simulated, nilmtk, channels, refit or tabular; by default the file tells.",
    ),
]
TimeZone = Annotated[
    str | None,
    typer.Option(
        "--time-zone",
        metavar="ZONE",
        help="Local time, as Europe/London; for times without a zone, and for days.",
    ),
]
TimeColumn = Annotated[
    str | None, typer.Option("--time-column", help="The column of times in your own file.")
]
MainsColumn = Annotated[
    list[str] | None,
    typer.Option(
        "--mains-column",
        help="The column of the mains in your own file; repeat it for phases or tariffs, to be added up.",
    ),
]
ApplianceColumn = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="APPLIANCE=COLUMN",
        help="An appliance's column in your own file; repeat it for more.",
    ),
]
DayFirst = Annotated[
    bool | None,
    typer.Option(
        "--day-first/--month-first", help="What 05/06/2024 means, where your own file leaves it open."
    ),
]
Unit = Annotated[
    str | None, typer.Option("--unit", help="W, kW, Wh or kWh, where your own file does not say.")
]
Houses = Annotated[
    list[int] | None, typer.Option("--house", help="A house's number; repeat it for more. By default all.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")]
DataFolder = Annotated[Path | None, typer.Option(help="The store; by default DATA_PATH/processed.")]
MaxGap = Annotated[
    float | None,
    typer.Option(help="Hold a reading so long, s; for a meter that only reports changes.", min=0),
]

# With a help of its own in each command.
house = partial(typer.Option, metavar="DATASET:HOUSE")
stand_in = partial(typer.Option, metavar="BUNDLE=DATASET:HOUSE")
version = partial(typer.Option, metavar="NAME@VERSION")
