"""The command line `edmlops`: wiring only.

Rooms are imported inside the commands, so that `edmlops --help` waits for none of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from energy_dissagregation_mlops import __version__, options, settings, terminal
from energy_dissagregation_mlops.train import train

if TYPE_CHECKING:
    from energy_dissagregation_mlops.bundle import Bundle
    from energy_dissagregation_mlops.meter_csv import Columns
    from energy_dissagregation_mlops.registry import Registry
    from energy_dissagregation_mlops.store import Store
    from energy_dissagregation_mlops.tracking.opening import RunStore
    from energy_dissagregation_mlops.vocabulary import Dataset

app = typer.Typer(
    help="Energy disaggregation: a home's meter in, each appliance's power out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
models_app = typer.Typer(help="The models on disk: list, show, promote, roll back.", no_args_is_help=True)
app.add_typer(models_app, name="models")
runs_app = typer.Typer(help="The training runs on record: list, compare.", no_args_is_help=True)
app.add_typer(runs_app, name="runs")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _everywhere(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; anywhere on the line.")
    ] = False,
) -> None:
    """Energy disaggregation: a home's meter in, each appliance's power out."""


@app.command()
def download(
    name: Annotated[str, typer.Argument(help="ukdale or refit.")],
    target_dir: Annotated[
        Path | None, typer.Option(help="The folder to put it in; by default DATA_PATH/raw.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="A mirror to take it from.")] = None,
    accept_hash: Annotated[
        str | None, typer.Option(metavar="md5:…|sha256:…", help="The hash of another edition that you trust.")
    ] = None,
) -> None:
    """Download a public data set: resumed, checked, unpacked."""
    from energy_dissagregation_mlops.datasets import download as downloads

    folder = target_dir or settings.raw_path()
    with terminal.bar(name, in_bytes=True) as update:
        path = downloads.download(name, folder, url=url, accept_hash=accept_hash, progress=update)
    terminal.output().print(
        f"{path} is there, whole and checked.\nNext: edmlops preprocess --data-path {path}"
    )


@app.command()
def simulate(
    houses: Annotated[int, typer.Option(help="How many homes.", min=1)] = 3,
    days: Annotated[int, typer.Option(help="How many days of each.", min=1)] = 28,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.", min=0)] = 7,
    ranges: Annotated[
        Path | None, typer.Option(help="What homes are drawn from. By default configs/simulation.yaml.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="By default DATA_PATH/raw/simulated.h5.")] = None,
) -> None:
    """Make up lifelike homes with metered appliances.

    The file has the layout of UK-DALE's.
    """
    from energy_dissagregation_mlops.datasets import simulated

    path = output or settings.raw_path() / "simulated.h5"
    with terminal.bar("simulating") as update:
        simulated.simulate(
            path,
            houses=houses,
            days=days,
            seed=seed,
            ranges=simulated.simulation_ranges(ranges),
            progress=update,
        )
    terminal.output().print(
        f"{path}: {houses} homes of {days} days\nNext: edmlops preprocess --data-path {path}"
    )


@app.command()
def inspect(
    path: Annotated[Path, typer.Argument(help="A data set's file or folder, or your own meter's file.")],
    house: Annotated[int | None, typer.Option(help="Only this house.")] = None,
    dataset: options.Kind = None,
    time_column: options.TimeColumn = None,
    mains_column: options.MainsColumn = None,
    column: options.ApplianceColumn = None,
    unit: options.Unit = None,
    day_first: options.DayFirst = None,
    time_zone: options.TimeZone = None,
    as_json: options.Json = False,
) -> None:
    """Show what a file holds: houses, meters, spans, gaps, energy."""
    from energy_dissagregation_mlops import choices, inspection
    from energy_dissagregation_mlops.results.homes import show_survey

    columns = choices.columns(
        time=time_column, mains=mains_column, appliances=column, unit=unit, zone_name=time_zone, day_first=day_first
    )  # fmt: skip
    opened = _open(path, dataset, columns)
    with terminal.bar("reading") as update:
        found = inspection.survey(opened, house=house, progress=update)
    show_survey(opened, found, as_json=as_json)


@app.command()
def preprocess(
    data_path: Annotated[
        Path | None, typer.Option(help="A raw file or folder; by default the only one in DATA_PATH/raw.")
    ] = None,
    output_folder: Annotated[Path | None, typer.Option(help="By default DATA_PATH/processed.")] = None,
    house: options.Houses = None,
    appliance: Annotated[
        list[str] | None, typer.Option(help="An appliance to keep; repeat it for more. By default all.")
    ] = None,
    sample_period: Annotated[
        float, typer.Option(help="Of the regular grid, s.", min=1)
    ] = settings.SAMPLE_PERIOD,
    max_gap: Annotated[
        float, typer.Option(help="Longer gaps are left missing, s.", min=0)
    ] = settings.MAX_GAP,
    name: Annotated[
        str | None, typer.Option(help="The data set's name from here on; by default the file tells.")
    ] = None,
    dataset: options.Kind = None,
    time_column: options.TimeColumn = None,
    mains_column: options.MainsColumn = None,
    column: options.ApplianceColumn = None,
    unit: options.Unit = None,
    day_first: options.DayFirst = None,
    time_zone: options.TimeZone = None,
) -> None:
    """Bring raw data onto a regular grid, into the store."""
    from energy_dissagregation_mlops import choices, preprocessing
    from energy_dissagregation_mlops.results.homes import show_stored

    path = data_path or choices.only_file(settings.raw_path())
    columns = choices.columns(
        time=time_column, mains=mains_column, appliances=column, unit=unit, zone_name=time_zone, day_first=day_first
    )  # fmt: skip
    opened = _open(path, dataset, columns, name)
    config = preprocessing.PreprocessConfig(
        sample_period=sample_period, max_gap=max_gap, appliances=tuple(appliance) if appliance else None
    )
    store = _store(output_folder)
    with terminal.bar("preprocessing") as update:
        stored = preprocessing.preprocess(opened, store, config, houses=house, progress=update)
    show_stored(stored)


app.command()(train)


@app.command()
def tune(
    config: Annotated[Path, typer.Argument(help="A run's YAML file with a section 'search'.")],
    trials: Annotated[int, typer.Option(help="Of the whole search, earlier ones among them.", min=1)] = 20,
    jobs: Annotated[int, typer.Option(help="Processes that train side by side.", min=1)] = 1,
    output: Annotated[
        Path | None, typer.Option(help="The best run's YAML; by default in reports/searches.")
    ] = None,
    data_folder: options.DataFolder = None,
    as_json: options.Json = False,
) -> None:
    """Search for a run's best settings, by validation.

    Run it again after an interruption: what is done is kept.
    """
    from energy_dissagregation_mlops.cores import set_up_threads

    set_up_threads()
    from energy_dissagregation_mlops.config import Flags, load_run
    from energy_dissagregation_mlops.results.training import show_search
    from energy_dissagregation_mlops.tuning import search
    from energy_dissagregation_mlops.tuning.space import load_space

    base = load_run(config, Flags())
    wish = search.Wish(
        trials=trials, jobs=jobs, output=output or Path("reports", "searches", f"{base.name}.yaml")
    )
    store = _store(data_folder)
    with terminal.bar("searching") as update:
        found = search.search(
            store, settings.MODELS_PATH.value(), load_space(config, base), wish, progress=update
        )
    show_search(found, as_json=as_json)


@app.command()
def calibrate(
    bundle: options.Bundle = None,
    house: Annotated[
        list[str] | None,
        options.house(help="A home to calibrate on; repeat it. By default what the model was validated on."),
    ] = None,
    stand_in: Annotated[
        list[str] | None,
        options.stand_in(
            help="Calibrate on a home that the model has seen, through one trained without it; repeat it."
        ),
    ] = None,
    data_folder: options.DataFolder = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Rewrite this version's card; by default a version is added.")
    ] = False,
    promote: Annotated[bool, typer.Option(help="Put the new version into production.")] = True,
) -> None:
    """Fit a model's intervals on homes it was not trained on.

    Training does it by itself, on what it validates on.
    """
    from energy_dissagregation_mlops import calibration_run, choices
    from energy_dissagregation_mlops.results.training import show_calibration

    opened, registry = _bundle(bundle), _registry()
    if in_place:
        registry.check_own(opened)
    homes = calibration_run.Homes(
        named=house or (), stand_ins=choices.stand_ins(stand_in or (), resolve=registry.resolve)
    )
    store = _store(data_folder)
    with terminal.bar("calibrating") as update:
        made = calibration_run.calibrate(store, registry, opened, homes, in_place=in_place, progress=update)
    if promote and not in_place:
        registry.promote(made.card.reference)
    show_calibration(made)
    terminal.output().print(f"bundle: {made.folder}")


@app.command()
def evaluate(
    bundle: options.Bundle = None,
    house: Annotated[
        list[str] | None,
        options.house(help="As ukdale:2; repeat it for more. By default all that training has not seen."),
    ] = None,
    data_folder: options.DataFolder = None,
    stand_in: Annotated[
        list[str] | None,
        options.stand_in(help="Score one trained alike without a house that the model has seen; repeat it."),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Write the scores into the model's card, for whoever it is shown to."),
    ] = False,
    picture: Annotated[
        Path | None, typer.Option(help="Draw a day of the first house into this file (png, svg, pdf).")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Score a model on houses that it never saw.

    Each score stands beside those of always-off and of mean power.
    """
    from energy_dissagregation_mlops import choices, evaluation
    from energy_dissagregation_mlops.results.scores import show_evaluations

    drawing = choices.picture_file(picture)
    opened, store, registry = _bundle(bundle), _store(data_folder), _registry()
    if keep:
        registry.check_own(opened)
    others = choices.stand_ins(stand_in or (), resolve=registry.resolve)
    with terminal.bar("evaluating") as update:
        found = evaluation.evaluate_all(opened, store, house or (), stand_ins=others, progress=update)
    show_evaluations(found, as_json=as_json)
    if keep:
        evaluation.keep(opened, found)
    if drawing is not None:
        from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
        from energy_dissagregation_mlops.report import draw_stored

        first = found[0]
        stored, who = store.open(first.house, first.sample_period), registry.resolve(first.bundle)
        terminal.output().print(str(draw_stored(stored, Disaggregator.load(who), drawing)))


@app.command()
def benchmark(
    protocol: Annotated[Path, typer.Argument(help="Its YAML file, as configs/benchmarks/refit_60s.yaml.")],
    output: Annotated[
        Path | None,
        typer.Option(help="A folder for what is trained and for the table; by default in reports."),
    ] = None,
    split: Annotated[
        list[str] | None, typer.Option(help="One of the protocol's splits; repeat it. By default all.")
    ] = None,
    contestant: Annotated[
        list[str] | None, typer.Option(help="One of its contestants; repeat it. By default all.")
    ] = None,
    data_folder: options.DataFolder = None,
) -> None:
    """Compare networks and baselines under one protocol.

    What is trained is kept: run again, it goes on where it was.
    """
    from energy_dissagregation_mlops.cores import set_up_threads
    from energy_dissagregation_mlops.results.scores import show_benchmark

    set_up_threads()
    from energy_dissagregation_mlops.arena import benchmark as arena
    from energy_dissagregation_mlops.arena.protocol import load_protocol
    from energy_dissagregation_mlops.arena.table import Table

    wanted = arena.part_of(load_protocol(protocol), splits=split or (), contestants=contestant or ())
    folder = output or Path("reports", "benchmarks", wanted.name)
    places = arena.Places(store=_store(data_folder), raw=settings.raw_path(), output=folder)
    with terminal.bar("benchmark") as update:
        table = Table.of(arena.run(wanted, places, progress=update))
    show_benchmark(wanted.name, table.overall("mae"), table.write(folder))


@app.command()
def predict(
    meter_file: Annotated[Path, typer.Argument(help="Your meter's CSV or Parquet, or a data set's file.")],
    output: Annotated[
        Path, typer.Option(help="A .parquet or .csv file; daily energy and activations stand beside it.")
    ] = Path("appliances.parquet"),
    bundle: options.Bundle = None,
    house: Annotated[int | None, typer.Option(help="Which house of a file of several.")] = None,
    max_gap: options.MaxGap = None,
    intervals: Annotated[
        bool, typer.Option("--intervals", help="Write where each appliance's power lies, too.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option(help="Draw the liveliest day into this file (png, svg, pdf).")
    ] = None,
    dataset: options.Kind = None,
    time_column: options.TimeColumn = None,
    mains_column: options.MainsColumn = None,
    unit: options.Unit = None,
    day_first: options.DayFirst = None,
    time_zone: options.TimeZone = None,
) -> None:
    """Say what each appliance used: a meter's file in, tables out.

    They are power by sample, energy by day, and every activation.
    """
    from energy_dissagregation_mlops import choices, prediction
    from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
    from energy_dissagregation_mlops.meter_csv.zones import zone as zone_of
    from energy_dissagregation_mlops.results.homes import show_prediction

    drawing = choices.picture_file(picture)
    columns = choices.columns(
        time=time_column, mains=mains_column, unit=unit, zone_name=time_zone, day_first=day_first
    )  # fmt: skip
    opened = _open(meter_file, dataset, columns)
    disaggregator = Disaggregator.load(_bundle(bundle))
    number = choices.only_house(opened) if house is None else house
    zone = zone_of(time_zone or opened.source.time_zone)
    mains = prediction.read_mains(opened, number, disaggregator, max_gap=max_gap, unit_known=unit is not None)
    with terminal.bar("disaggregating") as update:
        made = prediction.predict(
            mains, disaggregator, output, zone=zone, intervals=intervals, progress=update
        )
    show_prediction(made, disaggregator.card)
    if drawing is not None:
        from energy_dissagregation_mlops.report import draw_prediction

        terminal.output().print(str(draw_prediction(meter_file.name, mains, disaggregator, zone, drawing)))


@app.command()
def batch(
    input_address: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="Parquet with a row a reading (home, time, power), or a file a home; a folder or an address as s3://…",
        ),
    ],
    output: Annotated[str, typer.Option(help="The folder or address of the tables; empty, or of this run.")],
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="tcp://HOST:PORT", help="A Dask cluster's; by default this machine's cores."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes on this machine; by default one a core.", min=1)
    ] = None,
    bundle: options.Bundle = None,
    power: Annotated[bool, typer.Option("--power", help="Write the power series too.")] = False,
    price_per_kwh: Annotated[
        float | None, typer.Option(help="In your currency; without it there are no costs.", min=0)
    ] = None,
    by_day: Annotated[
        bool, typer.Option("--by-day", help="Files of a local day in place of a month.")
    ] = False,
    home_column: Annotated[str | None, typer.Option(help="The column that names the home.")] = None,
    max_gap: options.MaxGap = None,
    time_column: options.TimeColumn = None,
    mains_column: options.MainsColumn = None,
    unit: options.Unit = None,
    day_first: options.DayFirst = None,
    time_zone: options.TimeZone = None,
    as_json: options.Json = False,
) -> None:
    """Score many homes on this machine's cores or a Dask cluster.

    Run it again after an interruption: what is done is kept.
    """
    from energy_dissagregation_mlops import choices
    from energy_dissagregation_mlops.batch.cluster import cluster
    from energy_dissagregation_mlops.batch.plan import Options, Partition
    from energy_dissagregation_mlops.batch.run import Request, run
    from energy_dissagregation_mlops.results.homes import show_batch

    columns = choices.columns(
        time=time_column, mains=mains_column, unit=unit, zone_name=time_zone, day_first=day_first
    )  # fmt: skip
    wanted = Options(
        columns=columns, home_column=home_column, max_gap=max_gap, price_per_kwh=price_per_kwh,
        power=power, partition=Partition.DAY if by_day else Partition.MONTH,
    )  # fmt: skip
    request = Request(
        input=input_address, output=output, options=wanted,
        bundle=lambda: _bundle(bundle), bundle_named=bundle is not None,
    )  # fmt: skip
    with terminal.bar("scoring") as update:
        made = run(request, cluster(scheduler, workers=workers), update)
    show_batch(made, output, as_json=as_json)


@app.command()
def export(
    bundle: options.Bundle = None,
    output: Annotated[Path | None, typer.Option(help="Copy the checked graph to this file.")] = None,
    quantise: Annotated[
        bool, typer.Option("--quantise", help="Make it a model of its own in 8-bit integers, NAME-int8.")
    ] = False,
    data_folder: Annotated[
        Path | None, typer.Option(help="The store it was trained on; by default DATA_PATH/processed.")
    ] = None,
) -> None:
    """Check a model's ONNX graph, and copy it out; or quantise it.

    What that loses in accuracy is measured on what the model was validated on.
    """
    from energy_dissagregation_mlops.export import checked_graph, copied_graph
    from energy_dissagregation_mlops.quantisation import quantise as quantised
    from energy_dissagregation_mlops.results.models import show_export, show_quantised

    opened = _bundle(bundle)
    if quantise:
        made = quantised(_store(data_folder), _registry(), opened)
        show_quantised(made, copied_graph(made, output))
        return
    path, parity = checked_graph(opened, output)
    show_export(opened, path, parity)


@models_app.command("list")
def list_models(as_json: options.Json = False) -> None:
    """List every version of every model."""
    from energy_dissagregation_mlops.results.models import show_models

    show_models(_registry(), as_json=as_json)


@models_app.command("show")
def show_model(
    reference: Annotated[
        str | None, typer.Argument(metavar="[NAME[@VERSION]]", help="By default the one in production.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show a model's card."""
    from energy_dissagregation_mlops.results.models import show_card

    show_card(_bundle(reference), as_json=as_json)


@models_app.command("promote")
def promote_model(
    reference: Annotated[
        str, typer.Argument(metavar="NAME@VERSION", help="The version to serve from now on.")
    ],
) -> None:
    """Put a version into production, once its files are checked."""
    promoted = _registry().promote(reference)
    terminal.output().print(f"{promoted.card.reference} is in production")


@models_app.command("rollback")
def roll_back_model(name: Annotated[str, typer.Argument(metavar="NAME", help="The model.")]) -> None:
    """Put the version before the one in production back."""
    found = _registry().rollback(name)
    terminal.output().print(f"{found.card.reference} is in production again")


@runs_app.command("list")
def list_runs(
    name: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="Only this model's runs; by default all.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """List every training run, the newest first."""
    from energy_dissagregation_mlops.results.training import show_runs
    from energy_dissagregation_mlops.tracking import reading

    show_runs(reading.recorded_runs(_runs(), name), as_json=as_json)


@runs_app.command("compare")
def compare_runs(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN RUN...", help="Each its first digits, or its model as home@3.")
    ],
    as_json: options.Json = False,
) -> None:
    """Show where runs differ, and what each came to."""
    from energy_dissagregation_mlops.results.training import show_comparison
    from energy_dissagregation_mlops.tracking import reading

    show_comparison(reading.compared(_runs(), runs), as_json=as_json)


def _registry() -> Registry:
    from energy_dissagregation_mlops.registry import Registry

    return Registry(settings.MODELS_PATH.value())


def _store(folder: Path | None) -> Store:
    from energy_dissagregation_mlops.store import Store

    return Store(folder or settings.processed_path())


def _runs() -> RunStore:
    from energy_dissagregation_mlops.tracking.opening import RunStore

    return RunStore(settings.MODELS_PATH.value())


def _bundle(reference: str | None) -> Bundle:
    return _registry().resolve(reference)


def _open(path: Path, kind: str | None, columns: Columns, name: str | None = None) -> Dataset:
    from energy_dissagregation_mlops.datasets.opening import open_dataset

    return open_dataset(path, kind=kind, name=name, columns=columns)


def main() -> None:
    """Run `edmlops`."""
    terminal.run(app)
