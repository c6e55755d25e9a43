"""What an appliance draws from the moment it is switched on: its parameters and chance give a power trace.

Each class holds one home's appliance; ``trace`` is one use of it. A trace begins when the use begins
and ends with it; it does not know the time of day, the house or any meter. The shapes follow what
UK-DALE's and REFIT's plugs show.

Shapes: T samples, ``STEP`` seconds apart. Units: W, and minutes where a name says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Protocol

import numpy as np

from energy_dissagregation_mlops.datasets.simulated.traces import STEP, Rhythm, flutter, hold, num_samples
from energy_dissagregation_mlops.vocabulary import FloatArray

_WATER_HEAT = 4186.0  # J/(kg K)
_KETTLE_EFFICIENCY = 0.85
_PROGRAMMES = (0.35, 1.0, 2.0)  # heating time of a wash at 30, 40 and 60 degrees, relative to 40
_PROGRAMME_SHARES = (0.35, 0.5, 0.15)


class Load(Protocol):
    """One home's appliance of some kind: a record of its parameters that can be used again and again."""

    def trace(self, rng: np.random.Generator) -> FloatArray:
        """The power of one use, (T,) W."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kettle:
    """Boils what was poured in; the time follows from the water's heat and the element's power."""

    power: float
    litres: float  # what people mostly pour in
    tap: float  # degrees Celsius of the tap's water

    def trace(self, rng: np.random.Generator) -> FloatArray:
        """One boil, (T,) W; seconds = litres * 4186 J/(kg K) * (100 - tap) / (0.85 power), and the switch's lag."""
        litres = np.clip(self.litres * rng.lognormal(0.0, 0.35), 0.3, 1.7)
        # The water that is left from the boil before is still warm now and then.
        start = self.tap + (rng.uniform(10, 45) if rng.random() < 0.2 else 0.0)
        boiling = litres * _WATER_HEAT * (100.0 - start) / (_KETTLE_EFFICIENCY * self.power)
        power = self.power * rng.normal(1.0, 0.012)
        return flutter(hold(power, boiling + rng.uniform(4, 14)), 0.004, rng)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fridge:
    """A compressor by thermostat: start-up spike, decay to its running power, a defrost now and then."""

    power: float
    on_minutes: float
    off_minutes: float
    spike: float  # times the running power
    defrost_chance: float  # a cycle
    defrost_power: float
    defrost_minutes: float

    def trace(self, rng: np.random.Generator, *, demand: float = 1.0) -> FloatArray:
        """One cycle, the pause after it included, (T,) W.

        ``demand`` is the warmth to be pumped out, relative to a mild and quiet hour.
        """
        on = 60.0 * self.on_minutes * demand * rng.lognormal(0.0, 0.12)
        off = 60.0 * self.off_minutes / demand * rng.lognormal(0.0, 0.16)
        if rng.random() >= self.defrost_chance:
            return np.concatenate((self._running(on, rng), hold(0.0, off)))
        heating = hold(self.defrost_power, 60.0 * self.defrost_minutes * rng.lognormal(0.0, 0.15))
        drip = hold(0.0, rng.uniform(180, 480))
        return np.concatenate(
            (flutter(heating, 0.004, rng), drip, self._running(1.7 * on, rng), hold(0.0, off))
        )

    def _running(self, seconds: float, rng: np.random.Generator) -> FloatArray:
        time = STEP * np.arange(num_samples(seconds), dtype=np.float32)
        # Fuller at first, while the refrigerant's pressure builds up.
        shape = 1.0 + 0.18 * np.exp(-time / 150.0) - 0.05 * np.minimum(time / 1200.0, 1.0)
        running = flutter((self.power * shape).astype(np.float32), 0.008, rng)
        running[0] *= self.spike * rng.uniform(0.6, 1.0)
        return running


@dataclass(frozen=True, slots=True, kw_only=True)
class WashingMachine:
    """Fill, heat while the drum turns, wash, rinse, spin."""

    heater: float
    motor: float  # the drum's reversals
    spin: float
    heat_minutes: float  # at 40 degrees
    wash_minutes: float
    rinses: float
    top_ups: float = 0.0  # at most: short heatings after the long one, by which a thermostat keeps it warm

    def trace(self, rng: np.random.Generator) -> FloatArray:
        """One programme, (T,) W."""
        load = rng.lognormal(0.0, 0.15)
        programme = rng.choice(_PROGRAMMES, p=_PROGRAMME_SHARES)
        heating = self._tumble(60.0 * self.heat_minutes * programme * load, rng)
        heating += self.heater * rng.normal(1.0, 0.01)
        washing = self._tumble(60.0 * self.wash_minutes * rng.lognormal(0.0, 0.1), rng)
        self._heat_again(washing, rng)
        self._keep_warm(washing, rng)
        parts = [self._fill(rng), heating, washing]
        for _ in range(round(self.rinses)):
            parts += [self._drain(rng), self._spin(rng, seconds=rng.uniform(40, 110), top=0.55)]
            parts += [self._fill(rng), self._tumble(rng.uniform(150, 330), rng)]
        parts += [self._drain(rng), self._spin(rng, seconds=rng.uniform(300, 600), top=1.0)]
        parts += [Rhythm(high=0.6 * self.motor, low=3.0, high_seconds=6, low_seconds=24).play(90, rng)]
        return flutter(np.concatenate(parts), 0.012, rng)

    def _heat_again(self, washing: FloatArray, rng: np.random.Generator) -> None:
        for _ in range(rng.integers(0, 4)):
            burst = num_samples(rng.uniform(25, 100))
            start = rng.integers(0, max(1, washing.size - burst))
            washing[start : start + burst] += self.heater * (washing[start : start + burst] < self.heater)

    def _keep_warm(self, washing: FloatArray, rng: np.random.Generator) -> None:
        """On as soon as the water is a little colder, off as soon as it is warm: at even intervals, from the start."""
        if round(self.top_ups) == 0:
            return
        period, burst = rng.uniform(75, 260), rng.uniform(20, 75)
        for turn in range(rng.integers(0, round(self.top_ups) + 1)):
            start = num_samples((turn + rng.normal(0.6, 0.1)) * period)
            washing[start : start + num_samples(burst * rng.lognormal(0.0, 0.25))] += self.heater
        np.minimum(washing, np.float32(self.heater + 1.8 * self.motor), out=washing)

    def _tumble(self, seconds: float, rng: np.random.Generator) -> FloatArray:
        drum = Rhythm(high=self.motor, low=8.0, high_seconds=12, low_seconds=6, power_spread=0.3)
        return np.minimum(drum.play(seconds, rng), np.float32(1.8 * self.motor))

    def _fill(self, rng: np.random.Generator) -> FloatArray:
        drum = Rhythm(high=0.7 * self.motor, low=10.0, high_seconds=4, low_seconds=26, power_spread=0.2)
        return drum.play(rng.uniform(60, 170), rng)

    def _drain(self, rng: np.random.Generator) -> FloatArray:
        return hold(32.0, rng.uniform(35, 80))

    def _spin(self, rng: np.random.Generator, *, seconds: float, top: float) -> FloatArray:
        """Faster in steps with pauses to spread the laundry; most power while it accelerates."""
        time = np.linspace(0.0, 1.0, num_samples(seconds), dtype=np.float32)
        steps = np.floor(1 + time * rng.integers(2, 5)) / 4.0
        speed = 0.3 + 0.7 * np.minimum(steps, 1.0) * time
        return np.asarray(self.spin * top * speed + 30.0, dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dishwasher:
    """Wash with a first heating, rinse with a second, dry; the circulation pump between."""

    heater: float
    pump: float
    first_heat_minutes: float
    second_heat_minutes: float
    wash_minutes: float
    dry_minutes: float
    dry_power: float

    def trace(self, rng: np.random.Generator) -> FloatArray:
        """One programme, (T,) W."""
        intensity = rng.choice((0.75, 1.0, 1.25), p=(0.25, 0.6, 0.15))
        parts = [self._drain(rng)]
        if rng.random() < 0.5:
            parts += [self._pump(rng.uniform(180, 480), rng), self._drain(rng)]
        parts += [self._fill(rng), self._heat(60.0 * self.first_heat_minutes * intensity, rng)]
        parts += [self._pump(60.0 * self.wash_minutes * intensity * rng.lognormal(0.0, 0.06), rng)]
        parts += [self._drain(rng), self._fill(rng), self._pump(rng.uniform(180, 420), rng)]
        parts += [self._drain(rng), self._fill(rng), self._pump(rng.uniform(60, 240), rng)]
        parts += [self._heat(60.0 * self.second_heat_minutes * intensity, rng)]
        parts += [self._pump(rng.uniform(60, 300), rng), self._drain(rng)]
        parts += [hold(self.dry_power, 60.0 * self.dry_minutes), self._drain(rng)]
        return flutter(np.concatenate(parts), 0.006, rng)

    def _pump(self, seconds: float, rng: np.random.Generator) -> FloatArray:
        """The water goes to the upper and the lower spray arm by turns."""
        arms = Rhythm(
            high=self.pump, low=0.78 * self.pump, high_seconds=70, low_seconds=45, power_spread=0.03
        )
        return arms.play(seconds, rng)

    def _heat(self, seconds: float, rng: np.random.Generator) -> FloatArray:
        heating = self._pump(seconds * rng.lognormal(0.0, 0.07), rng)
        sag = np.linspace(1.0, 0.97, heating.size, dtype=np.float32)
        return heating + np.float32(self.heater * rng.normal(1.0, 0.01)) * sag

    def _fill(self, rng: np.random.Generator) -> FloatArray:
        return hold(12.0, rng.uniform(50, 110))

    def _drain(self, rng: np.random.Generator) -> FloatArray:
        return hold(30.0, rng.uniform(25, 60))


@dataclass(frozen=True, slots=True, kw_only=True)
class Microwave:
    """A magnetron, all the time or by turns at part power; lamp, fan and plate meanwhile."""

    power: float  # drawn, not the cooking power on its label
    idle: float
    minutes: float
    period: float  # s of one turn at part power
    full_power: float  # share of the uses

    def trace(self, rng: np.random.Generator) -> FloatArray:
        """One use, stirred and put back now and then, (T,) W."""
        power = self.power * rng.normal(1.0, 0.012)
        duty = 1.0 if rng.random() < self.full_power else rng.uniform(0.25, 0.8)
        magnetron = Rhythm(
            high=power,
            low=self.idle,
            high_seconds=duty * self.period,
            low_seconds=(1.0 - duty) * self.period,
            time_spread=0.02,
        )
        parts = [magnetron.play(self._seconds(rng), rng)]
        if rng.random() < 0.2:
            parts += [hold(0.0, rng.uniform(14, 40)), magnetron.play(0.6 * self._seconds(rng), rng)]
        whole = np.concatenate(parts)
        sag = np.linspace(1.0, 0.96, whole.size, dtype=np.float32)  # a warm magnetron draws less
        return flutter(whole * sag, 0.006, rng)

    def _seconds(self, rng: np.random.Generator) -> float:
        return float(np.clip(60.0 * self.minutes * rng.lognormal(0.0, 0.55), 20, 600))


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What no plug measures: full power at first, then by a thermostat's turns (or not, with a duty of 1)."""

    power: float
    idle: float
    minutes: float
    preheat_minutes: float
    period: float  # s of one turn
    duty: float  # share of a turn at full power
    flutter: float  # noise, a share of the power
    spread: float  # of the power from use to use, log-normal

    def trace(self, rng: np.random.Generator) -> FloatArray:
        """One use, (T,) W."""
        seconds = 60.0 * self.minutes * float(np.clip(rng.lognormal(0.0, 0.35), 0.3, 2.5))
        scale = rng.lognormal(0.0, self.spread)
        thermostat = Rhythm(
            high=self.power * scale,
            low=self.idle,
            high_seconds=self.duty * self.period,
            low_seconds=(1.0 - self.duty) * self.period,
        )
        preheat = hold(self.power * scale, min(60.0 * self.preheat_minutes, seconds))
        whole = np.concatenate((preheat, thermostat.play(max(0.0, seconds - STEP * preheat.size), rng)))
        return flutter(whole, self.flutter, rng)


KINDS: Mapping[str, type[Load]] = {
    "kettle": Kettle,
    "washing machine": WashingMachine,
    "dishwasher": Dishwasher,
    "microwave": Microwave,
}


def kind_of(name: str) -> type[Load]:
    """The class of the load that is called so; a Session for whatever has no class of its own."""
    return KINDS.get(name, Session)


def parameters_of(kind: type[Load]) -> tuple[str, ...]:
    """The names of a load's parameters."""
    return tuple(field.name for field in fields(kind))  # type: ignore[arg-type]


def required_of(kind: type[Load]) -> tuple[str, ...]:
    """The names of those that have to be given."""
    return tuple(field.name for field in fields(kind) if field.default is MISSING)  # type: ignore[arg-type]
