"""The recipe of the model that ships stands in four files, so that each can be run alone: it is one recipe."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from energy_dissagregation_mlops.arena.contests import run_of
from energy_dissagregation_mlops.arena.protocol import Protocol, load_protocol
from energy_dissagregation_mlops.config import Flags, RunConfig, load_run
from energy_dissagregation_mlops.registry import SHIPPED, Registry

CONFIGS = Path(__file__).parents[1] / "configs"


def recipe(run: RunConfig) -> dict[str, object]:
    """What a run does, whatever the homes are."""
    training = asdict(replace(run.training, validation_houses=(), seed=0))
    return {"network": run.network, "options": run.network_options, "training": training}


@pytest.fixture(scope="module")
def general() -> RunConfig:
    return load_run(CONFIGS / "general.yaml", Flags())


@pytest.mark.parametrize(("name", "left_out"), [("without_refit2", "refit2"), ("without_refit20", "refit20")])
def test_a_stand_in_is_trained_as_the_model_that_ships_but_for_one_home(general, name, left_out):
    run = load_run(CONFIGS / f"{name}.yaml", Flags())
    assert recipe(run) == recipe(general)
    assert run.houses == tuple(each for each in general.houses if each != left_out)
    assert run.training.validation_houses == general.training.validation_houses
    assert run.test_houses == (f"{left_out}:1",)


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return load_protocol(CONFIGS / "benchmarks/refit_simulated_60s.yaml")


def test_the_protocol_scores_the_recipe_of_the_model_that_ships(general, protocol):
    run = run_of(protocol, protocol.splits[0], protocol.contestant("gated_unet"), seed=0)
    assert recipe(run) == recipe(general)


def test_a_pupil_in_the_protocol_goes_on_as_its_teachers_were_trained(protocol):
    pupil = protocol.contestant("gated_unet-taught")
    run = run_of(protocol, protocol.splits[0], pupil, seed=0)
    teacher = run_of(protocol, protocol.splits[0], protocol.contestant(pupil.teachers), seed=0)
    shorter = replace(teacher.training, epochs=run.training.epochs, lr=run.training.lr)
    assert recipe(run) == recipe(replace(teacher, training=shorter))


def test_the_model_that_ships_was_made_by_its_recipe(general):
    card = Registry(SHIPPED, shipped=None).resolve("general").card
    assert (card.network, card.members) == (
        "gated_unets",
        ("general@2", "general@3"),
    )  # two seeds, put together
    assert {key: card.network_options[key] for key in general.network_options} == general.network_options
    written = json.loads(json.dumps(asdict(general.training)))  # as a card has it
    assert {key: card.training[key] for key in written} == written
