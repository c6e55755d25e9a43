"""What routes share: the engine, the rules, and the bodies that are held."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import FastAPI, Request

from energy_dissagregation_mlops.service.bodies import Bodies
from energy_dissagregation_mlops.service.engine import Engine
from energy_dissagregation_mlops.service.rules import Rules


@dataclass(frozen=True, slots=True)
class State:
    """The state of one application."""

    engine: Engine
    rules: Rules
    bodies: Bodies = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bodies", Bodies(self.rules))


def install(app: FastAPI, state: State) -> None:
    """Give an application its state."""
    app.state.shared = state
    app.state.engine = state.engine


def state_of(request: Request) -> State:
    """The state of the application that a request came to."""
    state = request.app.state.shared
    assert isinstance(state, State)
    return state
