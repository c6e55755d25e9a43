"""Files as real meters and people write them, and what is said of those that can't be read."""

from __future__ import annotations

import gzip
import io
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_dissagregation_mlops.errors import DataError, EdmlopsError, UnknownNameError
from energy_dissagregation_mlops.meter_csv import Columns, Form, MeterCsv, Unit
from energy_dissagregation_mlops.meter_csv.holding import held
from energy_dissagregation_mlops.vocabulary import Quantity, Remarks


def opened(text: str | bytes, **columns: object) -> MeterCsv:
    data = text if isinstance(text, bytes) else text.encode()
    return MeterCsv(io.BytesIO(data), Columns(**columns))  # type: ignore[arg-type]


def series(meter: MeterCsv, column: str | None = None, max_rows: int = 1 << 20) -> list[tuple[str, float]]:
    """Readings as ("2024-01-01T00:00:00", watts)."""
    found = list(meter.read(column or meter.channels[0].key, max_rows=max_rows))
    return [
        (str(np.datetime64(round(time * 1000), "ms")).removesuffix(".000"), float(power))
        for part in found
        for time, power in zip(part.time.tolist(), part.power.tolist(), strict=True)
    ]


def watts(meter: MeterCsv, column: str | None = None) -> list[float]:
    return [power for _, power in series(meter, column)]


# --- files of many makes ------------------------------------------------------------------------------


def test_a_plain_file_of_epochs_and_watts_is_read() -> None:
    meter = opened("timestamp,watts\n1700000000,523.4\n1700000010,0\n")
    assert series(meter) == [("2023-11-14T22:13:20", pytest.approx(523.4)), ("2023-11-14T22:13:30", 0.0)]


@pytest.mark.parametrize("scale", ["", "000", "000000", "000000000"])
def test_epochs_in_s_ms_us_and_ns_are_told_apart(scale: str) -> None:
    meter = opened(f"time,power\n1700000000{scale},1\n1700000010{scale},2\n")
    assert series(meter) == [("2023-11-14T22:13:20", 1.0), ("2023-11-14T22:13:30", 2.0)]


def test_a_home_assistant_history_is_read_and_its_unavailable_states_are_missing() -> None:
    meter = opened(
        "entity_id,state,last_changed\n"
        "sensor.house_power,523.4,2024-01-01T00:00:00.123Z\n"
        "sensor.house_power,unavailable,2024-01-01T00:00:10.456Z\n"
        "sensor.house_power,412,2024-01-01T00:00:20.000Z\n"
    )
    found = series(meter)
    assert [time for time, _ in found] == [
        "2024-01-01T00:00:00.123",
        "2024-01-01T00:00:10.456",
        "2024-01-01T00:00:20",
    ]
    assert np.isnan(found[1][1]) and found[2][1] == 412
    assert meter.tallies["state"].missing == 1


def test_a_reading_of_a_home_assistant_history_holds_until_the_next_for_an_hour_at_most() -> None:
    meter = opened(
        "entity_id,state,last_changed\n"
        "sensor.house_power,85,2024-01-01T00:00:00Z\n"
        "sensor.house_power,90,2024-01-01T00:02:30Z\n"
        "sensor.house_power,unavailable,2024-01-01T00:03:00Z\n"
        "sensor.house_power,70,2024-01-01T00:05:00Z\n"
        "sensor.house_power,80,2024-01-01T03:00:00Z\n"
    )
    assert "holds until the next, for 60 min at most" in str(meter.layout)
    found = series(meter)
    assert str(found) == str(series(meter, max_rows=2))  # NaN is not itself
    assert found[:3] == [(f"2024-01-01T00:0{minute}:00", 85.0) for minute in range(3)]
    assert found[3] == ("2024-01-01T00:02:30", 90.0)
    assert [time for time, watt in found if np.isnan(watt)] == ["2024-01-01T00:03:00", "2024-01-01T00:04:00"]
    assert found[6:-1] == [
        (f"2024-01-01T{minute // 60:02}:{minute % 60:02}:00", 70.0) for minute in range(5, 65)
    ]
    assert found[-1] == ("2024-01-01T03:00:00", 80.0)


@given(
    pauses=st.lists(st.integers(0, 9000), min_size=1, max_size=30),
    cuts=st.lists(st.integers(0, 31), max_size=4),
)
def test_what_holds_does_not_depend_on_blocks_and_keeps_every_reading(
    pauses: list[int], cuts: list[int]
) -> None:
    time = np.cumsum([0.0, *pauses])
    power = np.arange(len(time), dtype=np.float64)
    edges = sorted(min(cut, len(time)) for cut in cuts)
    blocks = list(zip(np.split(time, edges), np.split(power, edges), strict=True))
    times, watts = (np.concatenate(each) for each in zip(*held(blocks), strict=True))
    (whole,) = held([(time, power)])
    np.testing.assert_array_equal(times, whole[0])
    np.testing.assert_array_equal(watts, whole[1])
    assert set(zip(time, power, strict=True)) <= set(zip(times, watts, strict=True))
    age = times - time[watts.astype(int)]
    assert (age >= 0).all() and (age < 3600).all() and (np.diff(times) <= 9000).all()
    following = np.append(time[1:], np.inf)[watts.astype(int)]
    assert ((times < following) | (age == 0)).all()


SEVERAL = (
    "entity_id,state,last_changed\n"
    "sensor.grid_power,5,2024-01-01T00:00:00Z\n"
    "sensor.grid_power,7,2024-01-01T00:01:00Z\n"
    "sensor.kettle_power,15,2024-01-01T00:02:00Z\n"
    "sensor.kettle_power,16,2024-01-01T00:03:00Z\n"
)


def test_of_several_meters_one_under_the_other_names_tell_the_mains_and_appliances() -> None:
    meter = opened(SEVERAL)
    assert [(each.name, [one.key for one in each.channels]) for each in meter.meters] == [
        ("mains", ["sensor.grid_power"]),
        ("kettle", ["sensor.kettle_power"]),
    ]
    assert watts(meter) == [5.0, 7.0]
    assert [power for part in meter.read("sensor.kettle_power") for power in part.power] == [15.0, 16.0]


def test_several_meters_whose_names_leave_a_doubt_are_listed() -> None:
    text = SEVERAL.replace("grid", "upstairs").replace("kettle", "downstairs")
    with pytest.raises(
        DataError,
        match=r"2 meters .*sensor\.downstairs_power, sensor\.upstairs_power.*name the one .*or several",
    ):
        opened(text)
    assert watts(opened(text, mains="sensor.upstairs_power")) == [5.0, 7.0]


PHASES = "entity_id,state,last_changed\n" + "".join(
    f"sensor.em_phase_{phase}_power,{100 * row + number},2024-01-01T00:00:{10 * number:02}.{row}Z\n"
    for row, phase in enumerate("abc", 1)
    for number in range(6)
)


@pytest.mark.parametrize("mains", [None, ",".join(f"sensor.em_phase_{phase}_power" for phase in "abc")])
def test_phases_one_under_the_other_are_the_mains_together(mains: str | None) -> None:
    meter = opened(PHASES, mains=mains)
    (found,) = meter.meters
    assert [one.key for one in found.channels] == [f"sensor.em_phase_{phase}_power" for phase in "abc"]
    for row, channel in enumerate(found.channels, 1):
        power = [float(watt) for part in meter.read(channel.key) for watt in part.power]
        assert power == [100.0 * row + number for number in range(6)]
    notes = meter.remarks.notes
    assert notes == (
        () if mains else (
            "The mains is the sum of 3 meters: sensor.em_phase_a_power, sensor.em_phase_b_power, "
            "sensor.em_phase_c_power. If it is not, name its meter.",
        )
    )  # fmt: skip


def test_a_meters_counter_is_known_though_its_rows_stand_far_below_anothers() -> None:
    rows = [
        f"{meter},{1_700_000_000 + 60 * n},{value(n)}\n"
        for meter, value in (
            ("sensor.garden_energy", lambda n: n % 7),
            ("sensor.grid_energy", lambda n: 5000 + n),
        )
        for n in range(12_000)
    ]
    meter = opened("entity_id,time,kWh\n" + "".join(rows))
    assert str(meter.layout).splitlines()[-1] == "mains: 'sensor.grid_energy', counter in kWh"
    assert "every 60 s" in str(meter.layout)


def test_meters_of_long_names_are_told_apart_to_their_ends() -> None:
    name = f"sensor.{'shelly_' * 9}socket"
    rows = "".join(f"{name}_{end},{n},{1_700_000_000 + 60 * n}\n" for n in range(5) for end in ("one", "two"))
    text = f"entity_id,state,time\n{rows}"
    with pytest.raises(DataError, match=f"2 meters .*{name}_one, {name}_two"):
        opened(text)
    assert watts(opened(text, mains=f"{name}_two")) == [0, 1, 2, 3, 4]


def test_a_persons_own_word_makes_a_meter_an_appliances() -> None:
    meter = opened(SEVERAL, mains="sensor.grid_power", appliances=(("microwave", "sensor.kettle_power"),))
    assert [each.name for each in meter.meters] == ["mains", "microwave"]


def test_influxdbs_annotated_csv_is_read() -> None:
    rows = "".join(
        f",,{table},2024-01-01T00:00:00Z,2024-01-02T00:00:00Z,2024-01-01T00:0{n}:00Z,{watt + n},value,W,{name}\r\n"
        for table, (name, watt) in enumerate([("grid_power", 200), ("kettle_power", 2000)])
        for n in range(3)
    )
    meter = opened(
        "#group,false,false,true,true,false,false,true,true,true\r\n"
        "#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,string,string,string\r\n"
        "#default,mean,,,,,,,,\r\n"
        f",result,table,_start,_stop,_time,_value,_field,_measurement,entity_id\r\n{rows}"
    )
    assert [each.name for each in meter.meters] == ["mains", "kettle"]
    assert series(meter)[0] == ("2024-01-01T00:00:00", 200.0) and len(series(meter)) == 3


@pytest.mark.parametrize("said", ["sensor.grd_power", "sensor.grid_power,sensor.grd_power"])
def test_a_meter_that_is_not_there_is_told_with_those_that_are(said: str) -> None:
    with pytest.raises(UnknownNameError, match=r"meter .*sensor\.grd_power.*sensor\.grid_power"):
        opened(SEVERAL, mains=said)


@pytest.mark.parametrize("others", ["", "plug,1700000000,9,9\n"])
def test_columns_of_phases_may_be_named_beside_meters(others: str) -> None:
    text = f"device,time,one,two\nhouse,1700000000,1,2\nhouse,1700000060,3,4\n{others}"
    meter = opened(text, mains="one,two")
    assert [len(list(meter.read(one.key))) for one in meter.meters[0].channels] == [1, 1]
    with pytest.raises(UnknownNameError, match=r"no column or meter 'three': there is house, .*two"):
        opened(text, mains="three")


def test_the_column_of_numbers_may_be_named_beside_meters() -> None:
    text = (
        SEVERAL.replace("state", "power,wanted").replace(",2024", ",9,2024").replace("changed,9", "changed")
    )
    assert watts(opened(text, mains="wanted")) == [9.0, 9.0]


@pytest.mark.parametrize(
    ("column", "first", "second"),
    [
        ("Device ID", "attic", "cellar"),
        ("Meter", "attic", "cellar"),
        ("name", "attic", "cellar"),
        ("meter_id", "1200", "1300"),
        ("MPAN", "1200", "1300"),
    ],
)
def test_several_meters_are_told_apart_by_the_name_of_their_column(
    column: str, first: str, second: str
) -> None:
    text = f"time,{column},kWh\n" + "".join(
        f"2024-01-01 00:0{n},{name},{power}\n"
        for n, power in enumerate([3, 1, 2])
        for name in (first, second)
    )
    with pytest.raises(DataError, match=f"2 meters .*{first}, {second}"):
        opened(text)
    assert watts(opened(text, mains=first)) == [180_000, 60_000, 120_000]


def quarters(*registers: str, unit: str = "kWh", decimals: int = 3) -> str:
    """Energy of each quarter of an hour as Dutch and Belgian grid operators write it, registers one under the other."""
    return "Van (datum);Van (tijdstip);Tot (datum);Tot (tijdstip);Register;Volume;Eenheid\n" + "".join(
        f"{13 + n // 96}-03-2024;{n // 4 % 24:02}:{n % 4 * 15:02}:00;13-03-2024;09:00:00;{register};"
        f"{value:.{decimals}f};{unit}\n".replace(".", ",")
        for n in range(192)
        for register in registers
        if (value := amount(register, n)) is not None
    )


def amount(register: str, n: int) -> float | None:
    """What a register of day or night counts in a quarter; None where the other one counts."""
    if "Injectie" in register:
        return 9.0
    by_day = 28 <= n % 96 < 88
    return 0.1 + n % 7 / 1000 if by_day is ("Dag" in register) else None


REGISTERS = ("Afname Dag", "Afname Nacht", "Injectie Dag", "Injectie Nacht")


def test_registers_of_day_and_night_one_under_the_other_are_added_up_and_what_is_given_back_is_not() -> None:
    meter = opened(quarters(*REGISTERS))
    (channel,) = meter.meters[0].channels
    assert channel.key == "Afname Dag + Afname Nacht"
    found = series(meter)
    assert watts(meter) == pytest.approx([4000 * (0.1 + n % 7 / 1000) for n in range(192)])
    assert (found[0][0], found[-1][0]) == ("2024-03-13T00:00:00", "2024-03-14T23:45:00")
    assert meter.remarks.notes == (
        "The mains is the sum of 2 meters: Afname Dag, Afname Nacht. If it is not, name its meter.",
    )
    assert meter.remarks.energy_step == pytest.approx(3600)
    assert str(meter.layout).endswith("mains: 'Afname Dag + Afname Nacht', energy of each interval in kWh")
    said = opened(quarters(*REGISTERS), mains="Afname Nacht,Afname Dag")
    assert watts(said) == watts(meter) and said.remarks.notes == ()


@pytest.mark.parametrize("newest_first", [False, True])
def test_registers_that_stand_at_every_time_are_added_up_wherever_blocks_end(
    newest_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        f"2024-03-13 {n // 60:02}:{n % 60:02},Import {part},{n % 7 if part == 'T1' else 1000 - n % 7}"
        for n in range(300)
        for part in ("T1", "T2")
    ]
    text = "time,register,Wh\n" + "\n".join(rows[::-1] if newest_first else rows)
    monkeypatch.setattr("energy_dissagregation_mlops.meter_csv.source.Source.blocks.__defaults__", (500,))
    found = series(opened(text))
    assert sorted(found) == [(f"2024-03-13T{n // 60:02}:{n % 60:02}:00", 60_000.0) for n in range(300)]


def test_counters_of_registers_one_under_the_other_are_told_apart() -> None:
    rows = "".join(
        f"{1_700_000_000 + 900 * n};{part};{count};kWh\n"
        for n in range(50)
        for part, count in (("Afname Dag", 4000 + n // 2), ("Afname Nacht", 2000 + n // 3))
    )
    meter = opened(f"tijd;register;stand;eenheid\n{rows}")
    assert [one.key for one in meter.channels] == ["Afname Dag", "Afname Nacht"]
    assert {one.form for one in meter.layout.series} == {Form.COUNTER}


@pytest.mark.parametrize(
    ("unit", "form", "power"),
    [
        ("kWh", Form.INTERVAL, 60_000),
        ("[Wh]", Form.INTERVAL, 60),
        ("KW", Form.POWER, 1000),
        ("W", Form.POWER, 1),
        ("EUR", Form.POWER, 1),
    ],
)
def test_a_column_beside_may_say_the_unit(unit: str, form: Form, power: float) -> None:
    rows = "".join(f"{1_700_000_000 + 60 * n},{n % 3},{unit}\n" for n in range(30))
    meter = opened(f"time,consumption,what\n{rows}")
    assert (meter.layout.series[0].form, watts(meter)[1]) == (form, power)
    assert watts(opened(f"time,consumption,what\n{rows}", unit=Unit.KW))[1] == 1000
    assert watts(opened(f"time,power (W),what\n{rows}"))[1] == 1


def test_a_unit_of_energy_beside_is_not_a_power_s() -> None:
    rows = "".join(f"{1_700_000_000 + 60 * n},{n % 3},{n},kWh\n" for n in range(30))
    meter = opened(f"time,power,energy,energy_unit\n{rows}")
    assert str(meter.layout).endswith("mains: 'power', power in W")


def test_each_meter_s_own_unit_counts_wherever_its_rows_stand() -> None:
    rows = "".join(
        f"{1_700_000_000 + 60 * n},{name},{n % 3},{unit}\n"
        for name, unit in (("boiler", "°C"), ("kettle", "W"), ("grid", "kWh"))
        for n in range(300)
    )
    meter = opened(f"time,meter,value,unit\n{rows}")
    assert [(one.name, one.unit) for one in meter.layout.series] == [("mains", Unit.KWH), ("kettle", Unit.W)]
    with pytest.raises(
        DataError, match="column 'unit' says W and kWh of one meter: keep the rows of one, or say"
    ):
        opened(f"time,value,unit\n{rows.replace('grid,', '').replace('kettle,', '').replace('boiler,', '')}")


def test_a_column_of_any_name_that_alone_tells_rows_of_one_time_apart_names_meters() -> None:
    rows = "".join(
        f"2024-01-01 00:{n:02},one,{field},{n % 7 + place}\n"
        for n in range(30)
        for place, field in enumerate(["Voltage", "Power (active)", "Current"])
    )
    text = f"time,device,_field,_value\n{rows}"
    assert watts(opened(text)) == [n % 7 + 1 for n in range(30)]
    assert watts(opened(text, mains="Current")) == [n % 7 + 2 for n in range(30)]
    with pytest.raises(DataError, match=r"3 meters .*\(left, middle, right\); name the one"):
        opened(
            text.replace("Voltage", "left").replace("Power (active)", "middle").replace("Current", "right")
        )


def test_several_meters_in_a_column_of_another_name_are_refused_and_coarse_times_are_not() -> None:
    rows = "".join(f"2024-01-01 00:0{n},{site},{n}\n" for n in range(4) for site in "AB")
    with pytest.raises(DataError, match=r"2 meters .*\(A, B\)"):
        opened(f"time,site,power\n{rows}")
    parts = "".join(f"2024-01-0{day},{part},{part % 7}\n" for day in (1, 2) for part in range(1, 49))
    with pytest.raises(DataError, match=r"rows of one time differ by column 'period'.*part of the time"):
        opened(f"date,period,kWh\n{parts}")
    coarse = "".join(f"2024-01-01 00:0{n // 2},230,{n}\n" for n in range(8))
    assert len(series(opened(f"time,voltage,power\n{coarse}"))) == 8


def test_a_column_of_notes_is_none_of_meters() -> None:
    assert watts(opened("time,power,name\n1700000000,1,\n1700000060,2,holiday\n")) == [1.0, 2.0]


def test_a_german_spreadsheet_with_two_time_columns_decimal_commas_and_a_bom_is_read() -> None:
    meter = opened(
        "\ufeffDatum;Uhrzeit;Leistung [W]\r\n31.12.2024;23:59:50;0,5\r\n31.12.2024;23:59:55;1.234,5\r\n\r\n",
        time_zone="Europe/Berlin",
    )
    assert series(meter) == [("2024-12-31T22:59:50", 0.5), ("2024-12-31T22:59:55", 1234.5)]
    assert meter.header == ("Datum", "Uhrzeit", "Leistung [W]")
    assert meter.layout.dialect.delimiter == ";" and meter.layout.dialect.decimal == ","


def test_latin_1_and_utf_16_files_are_read() -> None:
    text = "Zeit;Zähler;Leistung (W)\n2024-01-01 00:00;Küche;5\n2024-01-01 00:01;Küche;6\n"
    assert watts(opened(text.encode("latin-1"))) == [5.0, 6.0]
    assert watts(opened(text.encode("utf-16"))) == [5.0, 6.0]


def test_a_british_supplier_s_half_hours_are_mean_power() -> None:
    meter = opened(
        "Consumption (kwh), Estimated Cost Inc. Tax (p), Start, End\n"
        "0.113,  2.1, 2024-03-31T00:00:00+00:00, 2024-03-31T00:30:00+00:00\n"
        "0.250,  5.1, 2024-03-31T00:30:00+00:00, 2024-03-31T02:00:00+01:00\n"
        "0.100,  2.0, 2024-03-31T02:00:00+01:00, 2024-03-31T02:30:00+01:00\n"
    )
    assert meter.layout.series[0].form is Form.INTERVAL and meter.layout.sample_period == 1800
    assert series(meter) == [
        ("2024-03-31T00:00:00", pytest.approx(226.0)),
        ("2024-03-31T00:30:00", pytest.approx(500.0)),
        ("2024-03-31T01:00:00", pytest.approx(200.0)),
    ]


def test_an_emporia_export_gives_both_legs_its_zone_and_its_appliances() -> None:
    meter = opened(
        "Time Bucket (America/New_York),Mains_A (kWatts),Mains_B (kWatts),1-Microwave (kWatts)\n"
        "01/13/2024 00:00:00,0.5,0.25,0\n"
        "01/13/2024 00:01:00,0.6,0.25,No CT\n"
    )
    mains, microwave = meter.meters
    assert [channel.key for channel in mains.channels] == ["Mains_A (kWatts)", "Mains_B (kWatts)"]
    assert microwave.name == "microwave"
    assert series(meter)[0] == ("2024-01-13T05:00:00", 500.0)


def test_a_shelly_s_total_is_its_mains() -> None:
    meter = opened(
        "timestamp,a_act_power,b_act_power,total_act_power,a_voltage\n"
        "1704067200,100,50,150,230.1\n1704067260,100,60,160,230.2\n"
    )
    assert meter.meters[0].channels[0].key == "total_act_power"


def kwh_of_mains(meter: MeterCsv) -> float:
    """Energy of all that is added up, where readings are evenly spaced."""
    powers = [power for one in meter.meters[0].channels for power in watts(meter, one.key)]
    return sum(powers) * meter.layout.sample_period / 3.6e6


def test_an_iotawatt_s_two_mains_are_added_up_and_its_circuits_are_not() -> None:
    meter = opened(
        "Time,Main1,Main2,Dryer\n2024-01-01 00:00:00,300.5,120.25,0\n2024-01-01 00:00:05,310.5,121.25,0\n"
    )
    assert [channel.key for channel in meter.meters[0].channels] == ["Main1", "Main2"]
    assert watts(meter, "Main1") == [300.5, 310.5] and watts(meter, "Main2") == [120.25, 121.25]


def test_a_shelly_pro_3em_s_own_csv_is_energy_of_each_minute_in_wh() -> None:
    meter = opened(
        "timestamp,a_total_act_energy,a_total_act_ret_energy,a_max_act_power,a_avg_voltage,"
        "b_total_act_energy,b_total_act_ret_energy,b_max_act_power,b_avg_voltage\n"
        "1704067200,2.5,0,800,230.1,1.0,0,80,230.2\n1704067260,2.0,0,700,230.3,0.5,0,80,230.4\n"
        "1704067320,3.0,0,900,230.3,1.0,0,80,230.4\n"
    )
    a, b = meter.meters[0].channels
    assert (a.key, b.key) == ("a_total_act_energy", "b_total_act_energy")
    assert meter.layout.series[0].unit is Unit.WH and meter.layout.series[0].form is Form.INTERVAL
    assert watts(meter, a.key) == [150.0, 120.0, 180.0] and watts(meter, b.key) == [60.0, 30.0, 60.0]


HOMEWIZARD = (
    "time,Import T1 kWh,Import T2 kWh,Export T1 kWh,Export T2 kWh,L1 max W,L2 max W,L3 max W\n"
    "2024-01-01 06:15,1000.000,2000.000,5,7,900,0,0\n"
    "2024-01-01 06:30,1000.100,2000.000,5,7,900,0,0\n"
    "2024-01-01 06:45,1000.300,2000.000,5,7,900,0,0\n"
    "2024-01-01 07:00,1000.400,2000.000,5,7,900,0,0\n"
    "2024-01-01 07:15,1000.400,2000.200,5,7,900,0,0\n"
    "2024-01-01 07:30,1000.400,2000.250,5,7,900,0,0\n"
)


def test_a_homewizard_p1_s_two_tariffs_are_two_counters() -> None:
    meter = opened(HOMEWIZARD)
    assert [one.form for one in meter.layout.series] == [Form.COUNTER, Form.COUNTER]
    # 0.1 kWh in a quarter of an hour is 400 W. The low tariff ends at seven.
    assert watts(meter, "Import T1 kWh") == pytest.approx([400, 800, 400, 0, 0])
    # 0.2 kWh after 45 minutes at rest are shared by the hour, as a slow counter's are.
    assert watts(meter, "Import T2 kWh") == pytest.approx([200, 200, 200, 200, 200])
    assert kwh_of_mains(meter) == pytest.approx(0.4 + 0.25)


def test_each_tariff_s_counter_may_start_again_by_itself() -> None:
    meter = opened(
        "time,Import T1 kWh,Import T2 kWh\n"
        "2024-01-01 00:00,10.5,7.0\n2024-01-01 00:15,10.6,7.1\n2024-01-01 00:30,10.7,7.2\n"
        "2024-01-01 00:45,10.8,0.0\n2024-01-01 01:00,10.9,0.1\n" + "".join(
            f"2024-01-01 {hour:02}:00,{10.9 + 0.1 * (hour - 1):.1f},{0.1 * hour:.1f}\n" for hour in range(2, 24)
        )
    )  # fmt: skip
    assert not np.isnan(watts(meter, "Import T1 kWh")).any()
    found = watts(meter, "Import T2 kWh")
    assert np.isnan(found[2]) and not np.isnan(found[3:]).any()
    assert [meter.tallies[f"Import T{n} kWh"].resets for n in (1, 2)] == [0, 1]


def test_a_counter_that_stands_still_where_a_file_begins_is_no_energy_of_each_interval() -> None:
    # Read every second, the first lines are of the day tariff alone.
    rows = "".join(
        f"{1704067200 + n},{1000 + n // 3600 / 100:.2f},{2000 + n // 18_000:.2f}\n" for n in range(20_000)
    )
    meter = opened(f"time,Import T1 kWh,Import T2 kWh\n{rows}")
    assert [one.form for one in meter.layout.series] == [Form.COUNTER, Form.COUNTER]
    assert sum(watts(meter, "Import T2 kWh")) / 3.6e6 == pytest.approx(1)
    alone = opened(
        "time,Import kWh\n" + "".join(f"{1704067200 + n},{2000 + n // 18_000}\n" for n in range(20_000))
    )
    assert alone.layout.series[0].form is Form.COUNTER


def test_energy_that_is_the_same_in_each_interval_is_no_counter() -> None:
    rows = "".join(f"2024-01-01 0{n}:00,0.25\n" for n in range(9))
    assert watts(opened(f"time,kWh\n{rows}")) == [250.0] * 9


@pytest.mark.parametrize("said", ["left,right", "left, Right", "right,left"])
def test_columns_that_a_person_names_are_added_up(said: str) -> None:
    meter = opened("time,left,right,power\n1700000000,1,20,3\n1700000060,2,30,4\n", mains=said)
    assert sorted(channel.key for channel in meter.meters[0].channels) == ["left", "right"]
    with pytest.raises(UnknownNameError, match="no column 'middle'"):
        opened("time,left,right\n1700000000,1,20\n1700000060,2,30\n", mains="left,middle")


@pytest.mark.parametrize(
    ("header", "mains"),
    [
        ("Production (W),Consumption (W),Self Consumption (W),Import (W)", "Consumption (W)"),
        ("Net grid W,House W,Solar W", "House W"),
        ("Energy Produced (Wh),Energy Consumed (Wh),Imported from Grid (Wh)", "Energy Consumed (Wh)"),
        ("Energie vom Netz bezogen [Wh],Produktion [Wh],Verbrauch [Wh]", "Verbrauch [Wh]"),
        ("Grid (W),Home office (W),Heat pump consumption (W),Load 1 (W)", "Grid (W)"),
        ("Grid consumption (W),Consumption (W)", "Consumption (W)"),
        ("Mains (W),House (W)", "Mains (W)"),
    ],
)
def test_what_the_home_uses_is_the_mains_before_what_the_grid_gives(header: str, mains: str) -> None:
    rows = "".join(f"{1700000000 + 60 * n}{',5' * (header.count(',') + 1)}\n" for n in range(2))
    assert [one.key for one in opened(f"time,{header}\n{rows}").meters[0].channels] == [mains]


def test_comments_a_line_of_units_and_a_cut_last_line_are_passed_over() -> None:
    meter = opened(
        "# Eastron SDM230\n# exported 2024\ntime,power,voltage\n,kW,V\n"
        "2024-01-01 00:00:00,0.5,230\n2024-01-01 00:00:10,0.6,231\n2024-01-0"
    )
    assert watts(meter) == [500.0, pytest.approx(600.0)]
    assert meter.tallies[meter.channels[0].key].without_time == 1


@pytest.mark.parametrize(
    ("header", "unit", "power"),
    [
        ("time,kWh", Unit.KWH, 180_000),
        ("time,Wh", Unit.WH, 180),
        ("time,kW", Unit.KW, 3000),
        (",kW", Unit.KW, 3000),
    ],
)
def test_a_header_of_units_alone_says_the_unit(header: str, unit: Unit, power: float) -> None:
    meter = opened(f"{header}\n2024-01-01 00:00,3\n2024-01-01 00:01,1\n2024-01-01 00:02,2\n")
    assert meter.layout.series[0].unit is unit and watts(meter)[0] == pytest.approx(power)


def test_watts_beside_volts_are_the_mains_by_their_unit_alone() -> None:
    assert watts(opened("time,V,W\n1700000000,235,500\n1700000060,236,400\n")) == [500.0, 400.0]


def test_blank_lines_and_a_spreadsheet_s_empty_rows_are_no_rows() -> None:
    meter = opened("time,power\n\n1700000000,1\n\n1700000001,2\n" + ",\n" * 9 + "\n")
    assert watts(meter) == [1.0, 2.0] and meter.tallies["power"].rows == 2


def test_the_distance_of_rows_is_true_time_where_the_offset_changes() -> None:
    meter = opened("start,kwh\n2024-03-31T00:30:00+00:00,1\n2024-03-31T02:00:00+01:00,0.5\n")
    assert meter.layout.sample_period == 1800


def test_a_file_without_a_header_is_read() -> None:
    assert watts(opened("1303132929 222.20\n1303132930 223.20\n")) == [
        pytest.approx(222.2),
        pytest.approx(223.2),
    ]


def test_columns_without_a_header_are_no_phases_and_are_asked_about() -> None:
    text = "1303132929 222.20 236\n1303132930 223.20 235\n"
    with pytest.raises(DataError, match="column 2, column 3 could each be the mains"):
        opened(text)
    assert watts(opened(text, mains="column 2")) == [pytest.approx(222.2), pytest.approx(223.2)]


def test_an_offset_is_no_power() -> None:
    rows = "".join(f"2024-06-03 00:0{n}:00 +0100 {{zone}},{n}\n" for n in range(3))
    assert series(opened("time,power\n" + rows.format(zone="BST")))[0] == ("2024-06-02T23:00:00", 0.0)
    with pytest.raises(DataError, match="no usable timestamp column"):
        opened("time,power\n" + rows.format(zone="(British)"))
    assert watts(opened("1700000000 -1500\n1700000060 12\n")) == [-1500.0, 12.0]


@pytest.mark.parametrize("space", [" ", "\xa0", "\u202f", "\u2009", "'"])
def test_thousands_are_grouped_by_any_space_beside_a_decimal_comma(space: str) -> None:
    cells = [f"1{space}234,5", f"-2{space}000,25", "3,5", f"12{space}345{space}678,5"]
    rows = "".join(f"2024-06-01 00:0{n};{cell}\n" for n, cell in enumerate(cells))
    expected = [1234.5, -2000.25, 3.5, pytest.approx(12_345_678.5)]
    assert watts(opened("time;power (W)\n" + rows)) == expected
    # And where no number below a thousand shows what the comma is.
    assert watts(opened("time;power (W)\n" + "".join(rows.splitlines(keepends=True)[:2]))) == expected[:2]


def test_decimal_commas_between_commas_are_told() -> None:
    rows = "".join(f"2024-06-01 00:{n:02},{n % 3},{n:03}\n" for n in range(60))
    with pytest.raises(
        DataError, match=r"'2024-06-01 00:00,0,000' has a cell more than there are names.*decimal"
    ):
        opened("time,power (kW)\n" + rows)
    assert watts(opened("time,power (kW)\n" + rows, mains="power (kW)"))[:3] == [0, 1000, 2000]
    assert watts(opened("time,power (kW),status\n" + rows))[:3] == [0, 1000, 2000]


@pytest.mark.parametrize("row", ["{time},{power},", "{time},{power}.5,0", "{power},{time},7"])
def test_a_last_column_without_a_name_is_no_decimals(row: str) -> None:
    rows = [row.format(time=f"2024-06-01 00:0{n}", power=100 + n) for n in range(9)]
    header = "power,time" if row.startswith("{power}") else "time,power"
    assert [int(power) for power in watts(opened("\n".join([header, *rows]) + "\n"))] == list(range(100, 109))


def test_quoted_cells_with_decimal_commas_are_read() -> None:
    assert watts(opened('"time","power"\n"2024-01-01 00:00:00","0,5"\n"2024-01-01 00:00:01","0,75"\n')) == [
        0.5,
        0.75,
    ]


@pytest.mark.parametrize(
    ("header", "cells", "unit", "expected"),
    [
        ("Power", ["169 W", "165 W"], Unit.W, [169, 165]),
        ("Power", ["0.169 kW", "0.165 kW"], Unit.KW, [169, 165]),
        ("Power", ["980 W", "1.2 kW", "1.1 kW"], Unit.KW, [980, 1200, 1100]),  # Grafana's formatted data
        ("Power", ['"1,234 W"', '"345 W"'], Unit.W, [1234, 345]),
        ("Power", ['"1,234.5 W"', '"345 W"'], Unit.W, [1234.5, 345]),
        ("Power", ['"1,234 kW"', '"0,345 kW"'], Unit.KW, [1234, 345]),  # a decimal comma
        ("Power (kW)", ["169 W", "0.2"], Unit.KW, [169, 200]),
        ("Energy", ["0.01 kWh", "20 Wh", "0.01 kWh"], Unit.KWH, [600, 1200, 600]),
    ],
)
def test_units_may_stand_in_the_cells(
    header: str, cells: list[str], unit: Unit, expected: list[float]
) -> None:
    rows = "".join(f"{1700000000 + 60 * n},{cell}\n" for n, cell in enumerate(cells))
    meter = opened(f"time,{header}\n{rows}")
    assert meter.layout.series[0].unit is unit and watts(meter) == pytest.approx(expected)


def test_a_counter_may_have_its_unit_in_each_cell() -> None:
    rows = "".join(f"{1700000000 + 60 * n},{100 + n // 2 / 100:.2f} kWh\n" for n in range(50))
    meter = opened(f"time,Reading\n{rows}")
    assert meter.layout.series[0].form is Form.COUNTER
    assert sum(watts(meter)) * 60 / 3.6e6 == pytest.approx(0.24)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["345", '"1,234"'], [345, 1234]),
        (["345", "1.234"], [345, 1234]),
        (["0", "1.234"], [0, 1.234]),  # an idle plug's kW
        (['"0,345"', '"1,234"'], [0.345, 1.234]),
        (["1.234", "2.345"], [1.234, 2.345]),
        (['"1,234"', '"2,345"'], [1.234, 2.345]),
        (['"1,234.5"', '"1,235"'], [1234.5, 1235]),
        (['"1.234,500"', '"1.235,750"'], [1234.5, 1235.75]),
        (['"1.234.567"', '"234.567"'], [1_234_567, 234_567]),
        (["345"] * 400 + ["1.234"], [345.0] * 400 + [1234]),
    ],
)
def test_marks_of_thousands_and_of_decimals_are_told_apart(cells: list[str], expected: list[float]) -> None:
    rows = "".join(f"{1700000000 + 60 * n},{cell}\n" for n, cell in enumerate(cells))
    assert watts(opened(f"time,power\n{rows}")) == pytest.approx(expected)


def test_whole_numbers_of_another_column_group_nothing() -> None:
    meter = opened("time,power (kW),volts\n1700000000,1.234,235\n1700000060,2.345,236\n")
    assert watts(meter) == pytest.approx([1234, 2345])


def test_american_dates_with_a_twelve_hour_clock_are_read() -> None:
    meter = opened("Date,Usage (kW)\n1/5/2024 1:00:00 PM,5\n1/15/2024 12:00:00 AM,7\n")
    assert series(meter) == [("2024-01-05T13:00:00", 5000.0), ("2024-01-15T00:00:00", 7000.0)]


def test_a_spanish_twelve_hour_clock_is_read() -> None:
    meter = opened("Fecha,Potencia (W)\n15/01/2024 1:00 p. m.,5\n16/01/2024 12:00 a. m.,7\n")
    assert series(meter) == [("2024-01-15T13:00:00", 5.0), ("2024-01-16T00:00:00", 7.0)]


@pytest.mark.parametrize("header", ["Date/Time", "timestamp", "Datum", "Zeit"])
def test_a_spreadsheet_s_days_are_times_where_the_header_says_time(header: str) -> None:
    rows = "45321.5,16500\n45321.5006944444,16600\n45321.5013888889,16700\n"  # whole Excel, saved as CSV
    meter = opened(f"{header},Power\n{rows}")
    assert series(meter) == [
        ("2024-01-30T12:00:00", 16500.0), ("2024-01-30T12:01:00", 16600.0), ("2024-01-30T12:02:00", 16700.0),
    ]  # fmt: skip
    assert meter.layout.sample_period == 60


def test_a_spreadsheet_s_days_with_a_decimal_comma_are_local_time() -> None:
    meter = opened("Datum;Leistung (W)\n45321,5;1,5\n45321,5006944;2,5\n", time_zone="Europe/Berlin")
    assert series(meter) == [("2024-01-30T11:00:00", 1.5), ("2024-01-30T11:01:00", 2.5)]


def test_a_spreadsheet_s_days_are_asked_about_where_no_header_says_time() -> None:
    text = "x,power\n45321.5,16500\n45321.5006944444,16600\n"
    with pytest.raises(
        DataError, match=r"column 'x' holds numbers such as 45321\.5: .* name it as the column of times"
    ):
        opened(text)
    assert series(opened(text, time="x"))[0] == ("2024-01-30T12:00:00", 16500.0)


def test_a_counter_of_five_digits_is_no_time() -> None:
    meter = opened("time,energy_wh\n2024-01-30 12:00,45321\n2024-01-30 12:01,45322\n")
    assert series(meter)[0] == ("2024-01-30T12:00:00", pytest.approx(60.0))
    with pytest.raises(DataError, match="no usable timestamp column"):
        opened("power,energy_wh\n5,45321\n6,45322\n")
    with pytest.raises(DataError, match="no usable timestamp column"):
        opened("week,start,end\n5,45321,45322\n6,45322,45323\n")


def test_dates_with_the_month_in_words_are_read() -> None:
    for first, second in (
        ("12 Mar 2024 10:00", "12 Mar 2024 10:01"),
        ('"Mar 12, 2024 10:00 AM"', '"Mar 12, 2024 10:01 AM"'),
        ('"March 12, 2024, 10:00:00"', '"March 12, 2024, 10:01:00"'),
    ):
        meter = opened(f"time,power\n{first},1\n{second},2\n")
        assert series(meter) == [("2024-03-12T10:00:00", 1.0), ("2024-03-12T10:01:00", 2.0)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2024-03-12 15:45:00 to 2024-03-12 16:00:00", "2024-03-12 16:00:00 to 2024-03-12 16:15:00"),
        ("12.03.2024 15:45 - 12.03.2024 16:00", "12.03.2024 16:00 - 12.03.2024 16:15"),
        ("12.03.2024 15:45-16:00", "12.03.2024 16:00-16:15"),
        ("12.03.2024;15:45-16:00", "12.03.2024;16:00-16:15"),
        ("12.03.2024;15:45 - 16:00", "12.03.2024;16:00 - 16:15"),
        ("12.03.2024;15:45 \u2013 16:00", "12.03.2024;16:00 \u2013 16:15"),
        ("2024-03-12T15:45:00Z/2024-03-12T16:00:00Z", "2024-03-12T16:00:00Z/2024-03-12T16:15:00Z"),
    ],
)
def test_of_a_time_from_and_to_its_beginning_counts(first: str, second: str) -> None:
    names = "day;from-to" if ";" in first else "when"
    third = second.replace("16:15", "16:30").replace("16:00", "16:15")
    meter = opened(f"{names};kWh\n{first};1\n{second};2\n{third};1\n")
    assert series(meter)[:2] == [("2024-03-12T15:45:00", 4000.0), ("2024-03-12T16:00:00", 8000.0)]


def test_a_clock_s_offset_is_no_end() -> None:
    rows = "".join(f"2024-03-12;{hour:02}:00-05:00;{hour}\n" for hour in range(9))
    assert series(opened(f"day;clock;power\n{rows}"))[1] == ("2024-03-12T06:00:00", 1.0)


@pytest.mark.parametrize(("header", "first"), [("Hora", 1), ("Hour Ending", 1), ("hour", 0)])
def test_the_hour_of_a_day_may_be_a_number(header: str, first: int) -> None:
    rows = "".join(f"{day}/03/2024;{hour + first};{hour % 7},5\n" for day in (12, 13) for hour in range(24))
    meter = opened(f"Fecha;{header};Consumo_kWh\n{rows}25/03/2024;{25 + first};7,5\n")
    found = series(meter)
    assert len(found) == 48 and meter.tallies["Consumo_kWh"].without_time == 1
    assert found[0] == ("2024-03-12T00:00:00", 500.0) and found[-1] == ("2024-03-13T23:00:00", 2500.0)
    assert f"'Fecha' + '{header}' (hour {first} begins the day)" in str(meter.layout)


def test_a_moment_that_stays_the_same_is_not_the_readings() -> None:
    rows = "".join(
        f"03/{day}/2024,03/16/2024 06:00:00, {hour:02}:00,{hour}\n" for day in (12, 13) for hour in range(24)
    )
    meter = opened(f"USAGE_DATE,REVISION_DATE,USAGE_START_TIME,USAGE_KWH\n{rows}")
    assert series(meter)[25] == ("2024-03-13T01:00:00", 1000.0)


def test_a_number_that_names_a_place_is_not_the_mains() -> None:
    rows = "".join(f"643007570000000000;8716867000030;{1_700_000_000 + 60 * n};{n % 3}\n" for n in range(9))
    meter = opened(f"point;product;from;amount\n{rows}")
    assert watts(meter)[:2] == [0, 1]


def test_a_gzipped_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "home.csv.gz"
    path.write_bytes(gzip.compress(b"time,power\n1700000000,1\n1700000001,2\n"))
    assert watts(MeterCsv(path)) == [1.0, 2.0]


def test_appliances_are_known_by_their_names_and_their_status_columns_are_not() -> None:
    meter = opened(
        "time,aggregate,kettle_power,Washing Machine 1,Washing Machine 2,kettle_status,fridge temperature,Kettle (%)\n"
        "1700000000,500,0,1,2,0,4,9\n1700000010,501,0,1,2,0,4,9\n"
    )
    assert {one.name: [channel.key for channel in one.channels] for one in meter.meters} == {
        "mains": ["aggregate"],
        "kettle": ["kettle_power"],
        "washing machine": ["Washing Machine 1", "Washing Machine 2"],
    }


def test_a_person_s_own_word_beats_the_guess() -> None:
    text = "when,power,pump,then\n1700000000,1,20,1600000000\n1700000060,2,30,1600000060\n"
    meter = opened(text, time="then", mains="pump", appliances=(("kettle", "power"),), unit=Unit.KW)
    assert series(meter)[0] == ("2020-09-13T12:26:40", 20_000.0)
    assert meter.meters[1].name == "kettle" and watts(meter, "power") == [1000.0, 2000.0]


def test_apparent_power_is_called_so() -> None:
    meter = opened("time,apparent power (VA)\n1700000000,1\n1700000060,2\n")
    assert meter.channels[0].quantity is Quantity.APPARENT


def test_rows_flagged_as_missing_are_missing() -> None:
    meter = opened("time,power,missing\n1700000000,1,False\n1700000060,2,True\n1700000120,3,False\n")
    assert np.isnan(watts(meter)[1]) and meter.tallies["power"].flagged == 1


def test_a_layout_can_be_shown() -> None:
    shown = str(opened("time;power\n1700000000;1,5\n1700000060;2\n").layout)
    assert shown.splitlines() == [
        "file: utf-8, delimiter ;, decimal sign ,",
        "time: 'time', UTC where it names no zone, every 60 s",
        "mains: 'power', power in W",
    ]


# --- what is said of the readings ---------------------------------------------------------------------


def remarks(meter: MeterCsv) -> Remarks:
    for channel in meter.meters[0].channels:
        list(meter.read(channel.key))
    return meter.remarks


def test_what_was_added_up_is_said_where_nobody_asked_for_it() -> None:
    text = "time,Main1,Main2\n1700000000,1,20\n1700000060,2,30\n"
    assert remarks(opened(text)).notes == (
        "The mains is the sum of 2 columns: Main1, Main2. If it is not, name its column.",
    )
    assert remarks(opened(text, mains="Main1,Main2")).notes == ()
    assert remarks(opened(text, mains="Main1")).notes == ()


def test_what_was_left_out_of_a_file_is_said() -> None:
    rows = "".join(f"2024-03-31 0{n // 6}:{n % 6}0,{n},0\n" for n in range(36))
    more = "2024-03-31 06:00,40,1\nyesterday,41,0\n2024-03-31 06:20,1,0\n2024-03-31 06:30,2,0\n"
    meter = opened(f"time,kWh,missing\n{rows}{more}", time_zone="Europe/London")
    assert remarks(meter).notes == (
        "1 rows have no usable time and are left out.",
        "1 rows are marked as missing by another column.",
        "6 readings lie in an hour that the clocks skip in spring and are left out.",
        "The counter fell 1 times: those intervals are missing.",
    )


def test_the_coarsest_of_several_counters_is_the_one_to_know_of() -> None:
    rows = "".join(f"{1700000000 + 60 * n},{n // 3 / 100:.3f},{n // 2 / 1000:.3f}\n" for n in range(90))
    meter = opened(f"time,Import T1 kWh,Import T2 kWh\n{rows}")
    assert remarks(meter).energy_step == pytest.approx(36_000)


# --- energy -------------------------------------------------------------------------------------------


def test_a_counter_becomes_the_mean_power_between_readings() -> None:
    meter = opened(
        "time,energy_kwh\n2024-01-01 00:00:00,100.00\n2024-01-01 00:01:00,100.01\n2024-01-01 00:03:00,100.05\n"
    )
    assert meter.layout.series[0].form is Form.COUNTER
    # 0.01 kWh in 60 s, then 0.04 kWh in 120 s.
    assert series(meter) == [
        ("2024-01-01T00:00:00", pytest.approx(600.0)),
        ("2024-01-01T00:01:00", pytest.approx(1200.0)),
    ]


def test_a_counter_without_a_unit_is_asked_about() -> None:
    rows = "".join(f"{1700000000 + 60 * n},{1000 + n}\n" for n in range(40))
    with pytest.raises(
        DataError, match=r"only ever rises, from 1000 to 1039.*kWh or Wh.*name another column"
    ):
        opened(f"time,state\n{rows}")
    assert watts(opened(f"time,state\n{rows}", unit=Unit.WH))[0] == pytest.approx(60.0)


# --- local time ---------------------------------------------------------------------------------------


def local(start: str, minutes: int, count: int, *, newest_first: bool = False) -> str:
    """A file of London wall-clock times, evenly spaced in true time; watts are minutes since the start."""
    from zoneinfo import ZoneInfo

    first = datetime.fromisoformat(start).replace(tzinfo=UTC)
    steps = [n * minutes for n in range(count)]
    lines = [
        f"{(first + timedelta(minutes=n)).astimezone(ZoneInfo('Europe/London')):%Y-%m-%d %H:%M},{n}"
        for n in steps
    ]
    return "time,power\n" + "\n".join(lines[::-1] if newest_first else lines) + "\n"


@pytest.mark.parametrize("day", ["2024-03-30T22:00", "2024-10-26T22:00"])
@pytest.mark.parametrize("minutes", [1, 15, 30, 60])
@pytest.mark.parametrize("newest_first", [False, True])
def test_the_days_on_which_clocks_change_come_out_evenly(day: str, minutes: int, newest_first: bool) -> None:
    count = 360 // minutes
    meter = opened(local(day, minutes, count, newest_first=newest_first), time_zone="Europe/London")
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    expected = [
        ((start + timedelta(minutes=n * minutes)).strftime("%Y-%m-%dT%H:%M:00"), n * minutes)
        for n in range(count)
    ]
    assert series(meter, max_rows=7) == (expected[::-1] if newest_first else expected)
    if "10-26" in day:
        assert meter.tallies["power"].repeated_hour == 120 // minutes


def test_rows_in_the_hour_that_spring_skips_are_left_out_counted_and_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = "".join(f"2024-03-31 {hour:02}:{minute},5\n" for hour in range(6) for minute in ("00", "30"))
    meter = opened(f"time,power\n{rows}", time_zone="Europe/London")
    with caplog.at_level(logging.WARNING):
        assert len(watts(meter)) == 10
    assert meter.tallies["power"].skipped_hour == 2
    assert "2 rows stand in an hour that the clocks skip" in caplog.text


@pytest.mark.parametrize("name", ["localtime", "Factory", "right/Europe/London", "+99:99", "UTC+25"])
def test_a_time_zone_is_a_place_s_or_utc(name: str) -> None:
    text = "time,power\n2024-06-01 12:00,1\n2024-06-01 12:01,2\n"
    with pytest.raises(UnknownNameError, match=r"no time zone .*expected an IANA name such as Europe/London"):
        opened(text, time_zone=name)


def test_offsets_that_no_clock_has_are_refused() -> None:
    rows = "".join(f"2024-06-01 12:0{n}+99:99,{n}\n" for n in range(3))
    with pytest.raises(
        DataError, match=r"3 of 3 rows have no usable time \(one is '2024-06-01 12:00\+99:99'\)"
    ):
        watts(opened(f"time,power\n{rows}"))


def test_dates_that_could_be_read_both_ways_are_settled_by_a_later_one() -> None:
    meter = opened("time,power\n05/06/2024 00:00,1\n13/06/2024 00:10,2\n")
    assert series(meter)[0] == ("2024-06-05T00:00:00", 1.0)
    meter = opened("time,power\n05/06/2024 00:00,1\n05/13/2024 00:10,2\n")
    assert series(meter)[0] == ("2024-05-06T00:00:00", 1.0)


def test_dates_that_follow_one_another_settle_their_order() -> None:
    rows = "".join(f"{day:02}/06/2024 {hour:02}:00,5\n" for day in (1, 2, 3) for hour in range(24))
    assert series(opened(f"time,power\n{rows}"))[24][0] == "2024-06-02T00:00:00"


def test_a_date_that_nothing_settles_is_refused_with_its_remedy() -> None:
    text = "time,power\n05/06/2024 00:00,1\n05/06/2024 00:10,2\n"
    with pytest.raises(
        DataError, match=r"05/06/2024 could be day or month first.*YYYY-MM-DD.*--day-first or --month-first"
    ):
        opened(text)
    assert series(opened(text, day_first=True))[0][0] == "2024-06-05T00:00:00"
    assert series(opened(text, day_first=False))[0][0] == "2024-05-06T00:00:00"


@pytest.mark.parametrize(
    ("header", "zone"),
    [
        ("Date/Time", "UTC"),
        ("Bucket (America/Argentina/Buenos_Aires)", "America/Argentina/Buenos_Aires"),
        ("time America/Port-au-Prince", "America/Port-au-Prince"),
        ("Time (UTC+1)", "Etc/GMT-1"),
        ("Time (Europe/Brussels UTC+1)", "Europe/Brussels"),  # whose summer is another
        ("Time GMT-05:00", "Etc/GMT+5"),
        ("Time (UTC+05:30)", "UTC"),
        ("Time (UTC+25)", "UTC"),
    ],
)
def test_a_header_names_a_zone_only_where_there_is_one(header: str, zone: str) -> None:
    text = f"{header},power\n2024-06-01 12:00,1\n2024-06-01 12:01,2\n"
    assert opened(text).layout.time_zone == zone
    assert opened(text, time_zone="Europe/London").layout.time_zone == "Europe/London"


@pytest.mark.parametrize(
    ("header", "in_utc"),
    [
        ("Date/time UTC", True),
        ("timestamp (UTC)", True),
        ("time_utc", True),
        ("GMT", True),
        ("Time (UTC+02:00)", False),
        ("Time (GMT/BST)", False),
        ("outcome time", False),
    ],
)
def test_times_that_the_header_says_are_utc_are_not_shifted(header: str, in_utc: bool) -> None:
    text = f"{header},power\n2024-06-01 12:00,1\n2024-06-01 12:01,2\n"
    meter = opened(text, time_zone="Europe/London")
    assert series(meter)[0][0] == f"2024-06-01T{12 if in_utc else 11}:00:00"
    assert meter.layout.time_zone == "Europe/London"  # whose days are still meant
    assert f"{'UTC' if in_utc else 'Europe/London'} where it names no zone" in str(meter.layout)


# --- what can't be read -------------------------------------------------------------------------------

BAD = {
    "empty": ("", "found an empty file"),
    "no time": ("foo,power\nbar,1\nbaz,2\n", "no usable timestamp column.*ISO 8601.*'foo,power'"),
    "header alone": ("time,power\n", "found one line: 'time,power'"),
    "units of another kind in cells": (
        "time,power\n2024-01-01 00:00,169 W\n2024-01-01 00:01,165 W\n2024-01-01 00:02,1.65 kWh\n",
        "line 4, column 'power': expected a number of W or kW, found '1.65 kWh'",
    ),
    "units of no power": (
        "time,power\n2024-01-01 00:00,1.69 A\n2024-01-01 00:01,1.65 A\n",
        "no column of plain numbers.*below it '2024-01-01 00:01,1.65 A'",
    ),
    "unknown times": (
        "time,power\n2024-01-01 00:00 BST,169\n2024-01-01 00:01 BST,165\n",
        "no usable timestamp column.*below it '2024-01-01 00:01 BST,165'",
    ),
    "one row": ("time,power\n2024-01-01 00:00,1\n", "found 1 with a time; give a longer file"),
    "all missing": ("time,power\n1700000000,\n1700000001,nan\n", "holds no number at all"),
    "mostly missing": (
        "time,power\n1700000000,1\n" + "".join(f"17000000{n},unknown\n" for n in range(10, 20)),
        "10 of 11 rows of column 'power' can't be used",
    ),
    "text": (
        "time,power\n1700000000,5\n1700000001,hello\n1700000002,3\n",
        "line 3, column 'power': expected a number, found 'hello'",
    ),
    "1970": (
        "time,power\n1970-01-01 00:00,1\n1970-01-01 00:10,2\n",
        "one is 1970-01-01; expected 1990 to 2100",
    ),
    "2200": (
        "time,power\n2200-01-01 00:00,1\n2200-01-01 00:10,2\n",
        "one is 2200-01-01; expected 1990 to 2100",
    ),
    "no power": (
        "time,voltage\n2024-01-01 00:00,5\n2024-01-01 00:01,4\n",
        "no column of power.*time, voltage",
    ),
    "columns of times": (
        "day,"
        + ",".join(f"{n // 4:02}:{n % 4 * 15:02}" for n in range(96))
        + "\n"
        + "".join(f"2024-01-0{day}" + ",5" * 96 + "\n" for day in (1, 2, 3)),
        r"96 columns are named by times \(00:00, .*\): write one reading a row, with its date and time",
    ),
    "times side by side": (
        "entity,unit,2024-01-01T00:00Z,2024-01-01T01:00Z,2024-01-01T02:00Z\ngrid,kWh,1,2,3\n",
        "3 times stand in one line: expected one reading a row",
    ),
    "years of two digits": (
        "time;power\n13-03-24 00:30;0,150\n13-03-24 00:45;0,150\n",
        "no usable timestamp column.*'13-03-24 00:45;0,150': write years in four digits",
    ),
    "many powers": (
        f"time,{','.join(f'x{n}' for n in range(99))}\n2024-01-01 00:00{',5' * 99}\n2024-01-01 00:01{',4' * 99}\n",
        r"x0, x1, .*x11, \.\.\. could each be the mains",
    ),
    "two powers": ("time,x,y\n2024-01-01 00:00,5,1\n2024-01-01 00:01,4,1\n", "x, y could each be the mains"),
    "parquet": (b"PAR1 and more", "found a Parquet file"),
    "spreadsheet": (b"PK\x03\x04 and more", "spreadsheet.*save or unpack it as CSV"),
    "binary": (b"\x00\x01\x02 and more", "found binary data"),
    "damaged gzip": (gzip.compress(b"time,power\n1700000000,5\n" * 99)[:-20], "compressed data is damaged"),
    "impossible dates": (
        "time,power\n2024-13-01 00:00,1\n2024-02-30 00:10,2\n2024-02-30 00:20,2\n",
        r"3 of 3 rows have no usable time \(one is '2024-13-01 00:00'\); correct the column of times",
    ),
}


def test_a_number_that_no_meter_says_is_missing() -> None:
    found = watts(
        opened("time,power\n1700000000,1e93\n1700000001,-inf\n1700000002,3\n1700000003,4\n1700000004,5\n")
    )
    assert np.isnan(found[:2]).all() and found[2:] == [3.0, 4.0, 5.0]


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said_in_one_line(name: str) -> None:
    text, message = BAD[name]
    with pytest.raises(DataError, match=message) as caught:
        series(opened(text))
    assert "\n" not in str(caught.value)


def test_names_that_do_not_exist_are_answered_with_those_that_do(tmp_path: Path) -> None:
    text = "time,power\n1700000000,5\n1700000001,3\n"
    with pytest.raises(UnknownNameError, match="no column 'wats': there is time, power"):
        opened(text, mains="wats")
    with pytest.raises(UnknownNameError, match=r"no time zone 'London'.*Europe/London"):
        opened(text, time_zone="London")
    with pytest.raises(UnknownNameError, match=r"no appliance 'ketle'.*did you mean 'kettle'"):
        opened(text, appliances=(("ketle", "power"),))
    with pytest.raises(DataError, match="can't be read"):
        MeterCsv(tmp_path / "absent.csv")


@given(
    st.one_of(
        st.binary(max_size=300),
        st.text('0123456789-+:.,;T Z\n\r\t|"/#eWhkPMé', max_size=120).map(str.encode),
    )
)
@settings(max_examples=100, deadline=None)
def test_no_bytes_at_all_cause_another_error_than_the_package_s_own(data: bytes) -> None:
    try:
        series(opened(b"time,power\n1700000000,1\n1700000001,2\n" + data))
        series(opened(data))
    except EdmlopsError:
        pass


# --- round trips --------------------------------------------------------------------------------------

DIALECTS = {
    "plain": (",", ".", lambda t: f"{t:%Y-%m-%dT%H:%M:%SZ}"),
    "european": (";", ",", lambda t: f"{t:%d.%m.%Y %H:%M:%S}"),
    "tabs and slashes": ("\t", ".", lambda t: f"{t:%Y/%m/%d %H:%M:%S}"),
    "epoch": ("|", ",", lambda t: f"{t.timestamp():.0f}"),
    "offset": (",", ".", lambda t: f"{t + timedelta(hours=5, minutes=30):%Y-%m-%d %H:%M:%S+05:30}"),
    "quoted": (",", ",", lambda t: f'"{t:%Y-%m-%d %H:%M:%S}"'),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@given(
    powers=st.lists(
        st.one_of(st.none(), st.floats(-1e4, 1e5, allow_nan=False).map(lambda p: round(p, 3))),
        min_size=4,
        max_size=40,
    ).filter(lambda powers: sum(p is not None for p in powers) > len(powers) / 2),
    start=st.datetimes(datetime(1991, 1, 1), datetime(2090, 1, 1)),
    step=st.integers(1, 7200),
)
@settings(max_examples=40, deadline=None)
def test_a_series_survives_every_dialect(
    dialect: str, powers: list[float | None], start: datetime, step: int
) -> None:
    delimiter, decimal, written = DIALECTS[dialect]
    quote = '"' if dialect == "quoted" else ""
    first = start.replace(microsecond=0, tzinfo=UTC)
    times = [first + timedelta(seconds=step * n) for n in range(len(powers))]
    cells = ["" if p is None else f"{quote}{p}{quote}".replace(".", decimal) for p in powers]
    lines = [f"{written(t)}{delimiter}{cell}" for t, cell in zip(times, cells, strict=True)]
    meter = opened(f"time{delimiter}power\n" + "\n".join(lines))
    parts = list(meter.read("power"))
    assert np.concatenate([part.time for part in parts]).tolist() == [t.timestamp() for t in times]
    expected = np.array([np.nan if p is None else p for p in powers]).astype(np.float32)
    np.testing.assert_array_equal(np.concatenate([part.power for part in parts]), expected)
