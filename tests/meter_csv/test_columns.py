"""Which columns are added up as the mains by their names alone, and which are asked about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_dissagregation_mlops.errors import DataError
from energy_dissagregation_mlops.meter_csv.columns import Unit, listed, mains_of, named

SHELLY_PRO_3EM = [  # a part of /emdata/0/data.csv
    f"{phase}_{what}"
    for phase in "abc"
    for what in (
        *("total_act_energy", "fund_act_energy", "total_act_ret_energy", "fund_act_ret_energy"),
        *(
            "lag_react_energy",
            "max_act_power",
            "min_act_power",
            "max_aprt_power",
            "avg_voltage",
            "avg_current",
        ),
    )
]
HOMEWIZARD_APP = [
    *("Import T1 kWh", "Import T2 kWh", "Export T1 kWh", "Export T2 kWh"),
    *("L1 max W", "L2 max W", "L3 max W"),
]
HOMEWIZARD_API = [
    *("total_power_import_kwh", "total_power_import_t1_kwh", "total_power_import_t2_kwh"),
    *("total_power_export_kwh", "active_power_w", "active_power_l1_w", "active_power_l2_w"),
]


@pytest.mark.parametrize(
    ("header", "mains"),
    [
        pytest.param(["Main1", "Main2"], ["Main1", "Main2"], id="IoTaWatt"),
        pytest.param(["Main_1", "Main_2", "Dryer_circuit"], ["Main_1", "Main_2"], id="IoTaWatt with a circuit"),
        pytest.param(
            ["a_act_power", "a_aprt_power", "a_voltage", "b_act_power", "b_aprt_power", "b_voltage"],
            ["a_act_power", "b_act_power"],
            id="Shelly 3EM, its status polled",
        ),
        pytest.param(
            ["a_act_power", "b_act_power", "c_act_power", "total_act_power"],
            ["total_act_power"],
            id="Shelly 3EM with the total",
        ),
        pytest.param(
            SHELLY_PRO_3EM,
            ["a_total_act_energy", "b_total_act_energy", "c_total_act_energy"],
            id="Shelly Pro 3EM, its own CSV",
        ),
        pytest.param(HOMEWIZARD_APP, ["Import T1 kWh", "Import T2 kWh"], id="HomeWizard P1, the app's CSV"),
        pytest.param(HOMEWIZARD_API, ["total_power_import_kwh"], id="HomeWizard P1, its API polled"),
        pytest.param(HOMEWIZARD_API[4:], ["active_power_w"], id="HomeWizard P1, power alone"),
        pytest.param(HOMEWIZARD_API[5:], HOMEWIZARD_API[5:], id="HomeWizard P1, power of phases"),
        pytest.param(["L1", "L2", "L3"], ["L1", "L2", "L3"], id="three phases"),
        pytest.param(["L1 [W]", "L2 [W]", "Garage [W]"], ["L1 [W]", "L2 [W]"], id="phases beside a circuit"),
        pytest.param(["Power L1", "Power L2", "Power"], ["Power"], id="phases beside their total"),
        pytest.param(["Import T1", "Import T2", "Import"], ["Import"], id="tariffs beside their total"),
        pytest.param(
            ["energy_consumption_tarif_1", "energy_consumption_tarif_2", "energy_production_tarif_1"],
            ["energy_consumption_tarif_1", "energy_consumption_tarif_2"],
            id="Home Assistant's DSMR",
        ),
        pytest.param(
            ["Bezug HT (kWh)", "Bezug NT (kWh)", "Einspeisung HT (kWh)", "Einspeisung NT (kWh)"],
            ["Bezug HT (kWh)", "Bezug NT (kWh)"],
            id="a German meter of two tariffs",
        ),
        pytest.param(["HP (kWh)", "HC (kWh)"], ["HP (kWh)", "HC (kWh)"], id="a French meter of two tariffs"),
        pytest.param(["Day kWh", "Night kWh"], ["Day kWh", "Night kWh"], id="day and night"),
        pytest.param(["Peak kWh", "Off-Peak kWh"], ["Peak kWh", "Off-Peak kWh"], id="peak and off-peak"),
        pytest.param(["Tariff 1 kWh", "Tariff 2 kWh"], ["Tariff 1 kWh", "Tariff 2 kWh"], id="tariffs by number"),
        pytest.param(
            ["shellyem3_98cdac_channel_a_power", "shellyem3_98cdac_channel_b_power"],
            ["shellyem3_98cdac_channel_a_power", "shellyem3_98cdac_channel_b_power"],
            id="Home Assistant's Shelly 3EM",
        ),
        pytest.param(["Mains_A (kWatts)", "Mains_B (kWatts)"], ["Mains_A (kWatts)", "Mains_B (kWatts)"], id="Emporia"),
        pytest.param(["Active power (W)", "Apparent power (VA)"], ["Active power (W)"], id="Eastron"),
        pytest.param(["kW L1", "kW L2", "V L1", "V L2", "A L1", "A L2"], ["kW L1", "kW L2"], id="units before phases"),
        pytest.param(["W", "V", "Phase angle (deg)", "Phase"], ["W"], id="an angle"),
        pytest.param(["Phase A", "Phase B"], ["Phase A", "Phase B"], id="phases by letter"),
        pytest.param(
            ["consumo_kWh", "energiaVertida_kWh", "energiaGenerada_kWh", "energiaAutoconsumida_kWh"],
            ["consumo_kWh"],
            id="a Spanish grid operator",
        ),
        pytest.param(["Effect A+ (kW)", "Effect A- (kW)"], ["Effect A+ (kW)"], id="what is drawn and given, by signs"),
        pytest.param(["1-0:1.8.0 (kWh)", "1-0:2.8.0 (kWh)"], ["1-0:1.8.0 (kWh)"], id="by OBIS codes"),
        pytest.param(["Gemessener Verbrauch (kWh)", "Reststrom (kWh)"], ["Gemessener Verbrauch (kWh)"], id="an Austrian one"),
        pytest.param(
            ["Pac to user(W)", "Pac to grid(W)", "Local Load Power(W)"], ["Local Load Power(W)"], id="what goes to the grid"
        ),
        pytest.param(
            ["Netzbezug (W)", "Netzeinspeisung (W)", "Eigenverbrauch (W)", "Hausverbrauch (W)"],
            ["Hausverbrauch (W)"],
            id="a German home with sun",
        ),
        pytest.param(["Netzbezug (W)", "PV (W)", "Netzeinspeisung (W)"], ["Netzbezug (W)"], id="its grid alone"),
        pytest.param(["Power from/to grid (W)", "PV (W)"], ["Power from/to grid (W)"], id="what goes either way"),
        pytest.param(["Grid feed-in (W)", "Fed into grid (W)", "Consumption (W)"], ["Consumption (W)"], id="what is fed in"),
        pytest.param(["Förbrukning (kWh)", "Produktion (kWh)"], ["Förbrukning (kWh)"], id="a Swedish one"),
        pytest.param(["Power phase 1", "Power phase 2"], ["Power phase 1", "Power phase 2"], id="phases by number"),
    ],
)  # fmt: skip
def test_names_that_leave_no_doubt_are_the_mains(header: list[str], mains: list[str]) -> None:
    numeric = [name for name in header if "appliance" not in name]
    assert mains_of(numeric, header, "a.csv") == mains


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(["Plug 1 (W)", "Plug 2 (W)"], id="plugs"),
        pytest.param(["Circuit 1", "Circuit 2"], id="circuits"),
        pytest.param(["House A", "House B"], id="two homes"),
        pytest.param(["Main", "Main 2"], id="a total or a phase"),
        pytest.param(["a", "b"], id="nothing said"),
        pytest.param(["Power L1", "Power b"], id="two ways of counting"),
        pytest.param(["Import L1 (W)", "Import L2 (W)", "Import T1 (kWh)", "Import T2 (kWh)"], id="two measures"),
        pytest.param(["Main1", "Main2", "Main floor lights"], id="another name like it"),
    ],
)  # fmt: skip
def test_names_that_leave_a_doubt_are_asked_about(header: list[str]) -> None:
    with pytest.raises(DataError, match=r"could each be the mains; name the mains column, or .* with commas"):
        mains_of(header, header, "a.csv")


def test_prices_and_what_is_given_back_are_no_mains() -> None:
    for name in ("Price (EUR/kWh)", "total_act_ret_energy", "Returned (Wh)", "Einspeisung (kWh)"):
        assert named(name).is_foreign, name


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("Main (kWhs)", Unit.KWH),
        ("watt_hours", Unit.WH),
        ("WattHours", Unit.WH),
        ("Kilowatt-hours used", Unit.KWH),
        ("Kilowattstunden", Unit.KWH),
        ("Watts", Unit.W),
        ("watt_hourly_mean", Unit.W),
        ("Energy kWh", Unit.KWH),
    ],
)
def test_units_may_be_written_in_words(name: str, unit: Unit) -> None:
    assert named(name).unit is unit


@pytest.mark.parametrize("name", ["Power (mW)", "Energy [MWh]", "Energy (MJ)", "heat [J]"])
def test_units_that_are_not_known_are_no_watts(name: str) -> None:
    assert named(name).is_foreign


def test_a_shelly_s_active_energy_is_in_wh() -> None:
    assert named("a_total_act_energy").unit is Unit.WH
    assert named("a_act_power").unit is None


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("Main1", ["Main1"]),
        ("Main1,Main2", ["Main1", "Main2"]),
        ("main1 , MAIN2", ["Main1", "Main2"]),
        ("Main1,Main1,Main2", ["Main1", "Main2"]),
        ("Power, L1 (W),Power, L2 (W)", ["Power, L1 (W)", "Power, L2 (W)"]),
        ("Power, L1 (W), Main1", ["Power, L1 (W)", "Main1"]),
        ("Main1,Main3", ["Main1", "Main3"]),
        ("x,y", ["x,y"]),
        ("Main1,", ["Main1"]),
    ],
)
def test_several_names_stand_with_commas_between(said: str, names: list[str]) -> None:
    assert listed(said, ["time", "Main1", "Main2", "Power, L1 (W)", "Power, L2 (W)"]) == names


@given(
    st.lists(st.text("ab, ", min_size=1, max_size=4).map(str.strip).filter(bool), min_size=1, max_size=5, unique_by=str.lower)
)  # fmt: skip
def test_every_column_can_be_named_whatever_commas_it_holds(header: list[str]) -> None:
    for name in header:
        assert listed(name, header) == [name]
