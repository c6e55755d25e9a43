"""The training service: `edmlops train`, `python -m energy_dissagregation_mlops.train`, or under torchrun.

Wiring only; rooms are imported inside the command.
"""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from energy_dissagregation_mlops import options, settings, terminal
from energy_dissagregation_mlops.cores import set_up_threads

if TYPE_CHECKING:
    from energy_dissagregation_mlops.training.progress import Progress

_PACKAGE = "energy_dissagregation_mlops"
logger = logging.getLogger(f"{_PACKAGE}.train")  # run as a module, __name__ is another


def train(
    config: Annotated[
        Path | None, typer.Option(help="A run's YAML file, as configs/demo.yaml; by default the defaults.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Rounds of training; TRAIN_EPOCHS.", min=1)] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Windows of a step; TRAIN_BATCH_SIZE.", min=1)
    ] = None,
    lr: Annotated[float | None, typer.Option(help="The highest learning rate; TRAIN_LR.")] = None,
    house: Annotated[
        list[str] | None,
        options.house(help="A house to train on; repeat it. By default all but the test houses."),
    ] = None,
    test_house: Annotated[
        list[str] | None, options.house(help="A house to keep unseen; repeat it. By default one of several.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The model's name.")] = None,
    start: Annotated[
        str | None, options.version(help="A model of yours whose weights to begin with.")
    ] = None,
    teacher: Annotated[
        list[str] | None, options.version(help="A model of yours to learn from beside the truth; repeat it.")
    ] = None,
    member: Annotated[
        list[str] | None,
        options.version(help="A model of yours to answer with, in place of a training; repeat it."),
    ] = None,
    data_folder: options.DataFolder = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run that was interrupted.")
    ] = False,
    promote: Annotated[
        bool | None,
        typer.Option(
            "--promote/--no-promote",
            help="Put the new version into production; by default if it beats always-off.",
        ),
    ] = None,
) -> None:
    """Train a network on processed houses; put it into production."""
    set_up_threads()
    from energy_dissagregation_mlops import choices
    from energy_dissagregation_mlops.config import Flags, load_run
    from energy_dissagregation_mlops.registry import Registry
    from energy_dissagregation_mlops.results.training import epoch_line, show_trained, training_note
    from energy_dissagregation_mlops.store import Store
    from energy_dissagregation_mlops.tracking import recording
    from energy_dissagregation_mlops.training.distributed import is_first_process

    if not is_first_process():
        logging.getLogger(_PACKAGE).setLevel(logging.WARNING)  # one of them tells
    run = load_run(config, Flags(epochs=epochs, batch_size=batch_size, lr=lr))
    changes = {
        "houses": tuple(house) if house else None,
        "test_houses": tuple(test_house) if test_house else None,
        "name": name,
        "start": start,
        "teachers": tuple(teacher) if teacher else None,
        "members": tuple(member) if member else None,
    }
    run = dataclasses.replace(run, **{key: value for key, value in changes.items() if value is not None})  # type: ignore[arg-type]
    registry = Registry(settings.MODELS_PATH.value())
    store = Store(data_folder or settings.processed_path())
    with terminal.bar("training") as update:

        def report(progress: Progress) -> None:
            update(progress.step, progress.steps, training_note(progress))
            line = epoch_line(progress)
            if line is not None:
                logger.info(line)

        try:
            bundle = recording.train(store, registry, run, resume=resume, report=report)
        except KeyboardInterrupt:
            logger.info("`edmlops train --resume`, with the same settings, goes on with this run")
            raise
    if bundle is None:
        return
    if promote is None:
        promote = choices.worth_promoting(bundle)
    if promote:
        registry.promote(bundle.card.reference)
    show_trained(bundle, promoted=promote)


def main() -> None:
    """Run the training service."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(train)
    terminal.run(app)


if __name__ == "__main__":
    main()
