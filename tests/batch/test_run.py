"""Many homes in, tables and a manifest out: the same as predict's, however homes lie."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from many_homes import DAY, T0, home, names, tree, write_files, write_rows

from energy_dissagregation_mlops.batch import homes as room
from energy_dissagregation_mlops.batch import scoring
from energy_dissagregation_mlops.batch.plan import bucket_of
from energy_dissagregation_mlops.batch.run import Manifest
from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.datasets.tabular import Tabular
from energy_dissagregation_mlops.errors import ConfigError, DataError, EdmlopsError, UnknownNameError
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.prediction import predict, read_mains

Score = Callable[..., Manifest]


def table(output: Path, name: str) -> pd.DataFrame:
    """A table of an output as pandas reads it, all its files together."""
    return pd.read_parquet(output / name)


def predicted(rows: pa.Table, folder: Path, bundle: Bundle) -> tuple[pd.DataFrame, ...]:
    """What `edmlops predict` says of a home's rows in a file of their own."""
    folder.mkdir()
    pq.write_table(rows.drop_columns(["home"]), folder / "home.parquet")
    disaggregator = Disaggregator.load(bundle)
    mains = read_mains(Tabular(folder / "home.parquet"), 1, disaggregator)
    files = predict(mains, disaggregator, folder / "out.parquet", zone=ZoneInfo("UTC")).files
    return tuple(pd.read_parquet(file) for file in files)


def only(frame: pd.DataFrame, home_name: str, columns: list[str]) -> pd.DataFrame:
    return frame.loc[frame["home"] == home_name, columns].reset_index(drop=True)


def ragged(name: str) -> pa.Table:
    """A home whose readings do not lie on the grid: between its points, with gaps, without values, twice."""
    rows = home(name).to_pandas()
    rows["power"] = rows["power"].where(rows.index % 97 > 3)
    rows.loc[500:, "time"] += pd.Timedelta(seconds=17)
    rows = pd.concat([rows[:700], rows[760:], rows[900:910]])
    return pa.Table.from_pandas(rows, home(name).schema, preserve_index=False)


@pytest.mark.parametrize("lie", ["rows", "files"])
def test_each_home_is_told_what_predict_tells_it_to_the_last_bit(
    score: Score, bundle: Bundle, tmp_path: Path, lie: str
) -> None:
    homes = [*(home(name) for name in names(5)), ragged("h5")]
    source = (write_rows if lie == "rows" else write_files)(tmp_path / "in", homes)
    manifest = score(source, tmp_path / "out", power=True)
    assert (manifest.homes_done, manifest.homes_refused, manifest.rows_in) == (
        6, 0, 5 * 2 * DAY + len(homes[-1])
    )  # fmt: skip
    power, daily, uses = (table(tmp_path / "out", name) for name in ("power", "daily", "activations"))
    for rows in homes:
        name = rows["home"][0].as_py()
        expected_power, expected_daily, expected_uses = predicted(rows, tmp_path / name, bundle)
        pd.testing.assert_frame_equal(
            only(power, name, list(expected_power)), expected_power, check_exact=True
        )
        pd.testing.assert_frame_equal(only(uses, name, list(expected_uses)), expected_uses, check_exact=True)
        mine = daily[daily["home"] == name].pivot(index="day", columns="appliance", values="energy_kwh")
        for appliance in ("mains", "kettle", "fridge", "other"):
            assert mine[appliance].tolist() == expected_daily[f"{appliance}_kwh"].tolist()


def test_energy_and_cost_by_hand(score: Score, tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", [home("h0")])
    score(source, tmp_path / "out", price_per_kwh=0.5)
    daily = table(tmp_path / "out", "daily")
    kettle = daily[daily["appliance"] == "kettle"]
    # Nine minutes of 2,500 W a day.
    assert kettle["day"].tolist() == [date(2023, 11, 15), date(2023, 11, 16)]
    assert kettle["energy_kwh"].tolist() == pytest.approx([0.375, 0.375])
    assert kettle["cost"].tolist() == pytest.approx([0.1875, 0.1875])
    assert kettle["measured_hours"].tolist() == [24, 24]


def test_without_a_price_there_is_no_cost(score: Score, tmp_path: Path) -> None:
    score(write_files(tmp_path / "in", [home("h0")]), tmp_path / "out")
    assert table(tmp_path / "out", "daily")["cost"].isna().all()
    assert not (tmp_path / "out" / "power").exists()


def test_a_folder_a_home_gives_the_same_tables_as_rows_of_many(score: Score, tmp_path: Path) -> None:
    homes = [home(name) for name in names(4)]
    apart = tmp_path / "apart"
    for rows in homes:
        folder = apart / f"home={rows['home'][0].as_py()}"
        folder.mkdir(parents=True)
        pq.write_table(rows.slice(0, DAY).drop_columns(["home"]), folder / "0.parquet")
        pq.write_table(rows.slice(DAY).drop_columns(["home"]), folder / "1.parquet")
    score(apart, tmp_path / "a", power=True)
    score(write_rows(tmp_path / "in", homes), tmp_path / "b", power=True)
    for name in ("power", "daily", "activations"):
        left, right = (
            table(tmp_path / output, name).drop(columns="bucket").sort_values(["home"], kind="stable")
            for output in "ab"
        )
        pd.testing.assert_frame_equal(left.reset_index(drop=True), right.reset_index(drop=True))


def test_files_lie_by_local_month_or_day_and_by_bucket(score: Score, tmp_path: Path) -> None:
    # Two days around the end of a month in UTC; in Denmark it ends an hour earlier.
    month_end = 1_701_216_000  # 2023-11-29T00:00Z
    source = write_rows(tmp_path / "in", [home("h3", days=3, start=month_end)])
    columns = {"time_zone": "Europe/Copenhagen"}
    months = score(source, tmp_path / "months", columns=columns, power=True)
    days = score(source, tmp_path / "days", columns=columns, power=True, partition="day")
    bucket = f"{bucket_of('h3', 16):05d}"
    assert [file.path for file in months.files if file.path.startswith("power")] == [
        f"power/date=2023-{month}/bucket={bucket}/part.parquet" for month in ("11", "12")
    ]
    assert {file.path.split("/")[1]: file.rows for file in days.files if file.path.startswith("power")} == {
        "date=2023-11-29": 23 * 60, "date=2023-11-30": DAY, "date=2023-12-01": DAY, "date=2023-12-02": 60,
    }  # fmt: skip
    for output, manifest in ((tmp_path / "months", months), (tmp_path / "days", days)):
        for file in manifest.files:
            assert pq.read_metadata(output / file.path).num_rows == file.rows
        uses = table(output, "activations")
        local = uses["start"].dt.tz_convert("Europe/Copenhagen").dt.strftime("%Y-%m-%d")
        assert len(uses) > 100 and all(map(str.startswith, local, uses["date"].astype(str)))
        assert uses["date"].nunique() == (2 if output.name == "months" else 4)


def test_rows_that_lie_in_folders_of_days_are_read_as_rows(score: Score, tmp_path: Path) -> None:
    homes = [home(name) for name in names(3)]
    for number in range(2):
        folder = tmp_path / "in" / f"day={number}"
        folder.mkdir(parents=True)
        rows = pa.concat_tables([each.slice(number * DAY, DAY) for each in homes])
        pq.write_table(rows, folder / "part.parquet")
    score(tmp_path / "in", tmp_path / "a", power=True)
    score(write_rows(tmp_path / "flat", homes), tmp_path / "b", power=True)
    found, expected = tree(tmp_path / "a"), tree(tmp_path / "b")
    del found["manifest.json"], expected["manifest.json"]  # they name the input
    assert found == expected


def test_a_worker_loads_the_model_once_for_one_core(
    score: Score, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[int | None] = []
    load = Disaggregator.load

    def counted(opened: Bundle, *, threads: int | None = None) -> Disaggregator:
        loads.append(threads)
        return load(opened, threads=threads)

    monkeypatch.setattr(scoring.Disaggregator, "load", counted)
    score(write_rows(tmp_path / "in", [home(name) for name in names(20)]), tmp_path / "out")
    assert set(loads) == {1} and len(loads) <= 2  # two threads of this worker may both be the first


def test_homes_that_cannot_be_scored_stand_in_a_table_with_their_reasons(
    score: Score, tmp_path: Path
) -> None:
    source = write_files(tmp_path / "in", [home("h1")])
    (source / "empty.csv").write_text("")
    (source / "one.csv").write_text("time,power\n2024-01-01T00:00:00Z,100\n")
    (source / "words.csv").write_text("time,power\n2024-01-01T00:00:00Z,many\n2024-01-01T00:01:00Z,few\n")
    (source / "nothing.csv").write_text("time,power\n2024-01-01T00:00:00Z,\n2024-01-01T00:01:00Z,\n")
    (source / "binary.csv").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    for name, factor in (("kilowatts", 0.001), ("milliwatts", 1000)):
        minutes = ((T0 + 60 * minute, factor * (90 + minute % 60)) for minute in range(DAY))
        rows = [f"{time},{power:.3f}\n" for time, power in minutes]
        (source / f"{name}.csv").write_text("".join(["time,load\n", *rows]))
    manifest = score(source, tmp_path / "out")
    assert (manifest.homes_done, manifest.homes_refused) == (1, 7)
    refused = table(tmp_path / "out", "refused").set_index("home")["reason"]
    names_in_order = ["binary", "empty", "kilowatts", "milliwatts", "nothing", "one", "words"]
    assert sorted(refused.index) == names_in_order
    assert "in 1.0 days no reading is above 0.149" in refused["kilowatts"]
    assert "1,440 of 1,440 readings are above 25,000" in refused["milliwatts"]
    assert "HDF5" in refused["binary"] and "empty file" in refused["empty"]
    assert not any(str(tmp_path) in reason for reason in refused)  # the same wherever the input lies


def test_a_home_of_little_power_is_scored_where_a_person_says_the_unit(score: Score, tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", [home("h1")])
    little = "".join(f"{T0 + 60 * minute},{8 + minute % 3}\n" for minute in range(DAY))
    (source / "little.csv").write_text("time,load\n" + little)
    assert score(source, tmp_path / "unsaid").homes_refused == 1
    assert score(source, tmp_path / "said", columns={"unit": "W"}).homes_done == 2


def test_a_file_that_cannot_be_read_is_refused_and_the_others_count(score: Score, tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in", [home(name, days=2) for name in names(3)])
    (source / "2.parquet").write_bytes((source / "0.parquet").read_bytes()[:5000])
    manifest = score(source, tmp_path / "out")
    assert (manifest.homes_done, manifest.homes_refused) == (3, 0)
    assert [(each.home, each.source) for each in manifest.refused] == [(None, "2.parquet")]


def test_rows_without_a_home_are_counted_and_homes_may_be_numbers(score: Score, tmp_path: Path) -> None:
    rows = home("h1")
    numbered = rows.set_column(0, "home", pa.array([7] * (len(rows) - 5) + [None] * 5, pa.int64()))
    (tmp_path / "in").mkdir()
    pq.write_table(numbered, tmp_path / "in" / "0.parquet")
    manifest = score(tmp_path / "in", tmp_path / "out")
    assert table(tmp_path / "out", "daily")["home"].unique().tolist() == ["7"]
    assert [each.reason for each in manifest.refused] == ["5 rows name no home"]


def test_an_input_in_which_nothing_can_be_scored_is_an_error(score: Score, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("")
    with pytest.raises(DataError, match=r"no home could be scored.*empty file"):
        score(tmp_path / "in", tmp_path / "out")


def test_what_is_no_input_is_told(score: Score, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder or file"):
        score(tmp_path / "nothing", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no file that ends in \.csv or \.parquet"):
        score(tmp_path / "empty", tmp_path / "out")
    both = write_files(write_rows(tmp_path / "in", [home("h1")]) / "more", [home("h2")]).parent
    with pytest.raises(DataError, match="both CSV and Parquet"):
        score(both, tmp_path / "out")
    with pytest.raises(UnknownNameError, match="flat"):
        score(write_rows(tmp_path / "rows", [home("h1")]), tmp_path / "out", home_column="flat")


def test_an_address_that_nothing_reads_is_told(score: Score, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        score("nowhere://x/y", tmp_path / "out")


def test_an_output_that_holds_something_else_is_left_alone(score: Score, tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", [home("h1")])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"holds thesis\.txt"):
        score(source, tmp_path / "out")
    assert tree(tmp_path / "out") == {"thesis.txt": b"mine"}


@pytest.mark.parametrize("output", ["scored", "../in/a/scored"])
def test_an_output_inside_the_input_is_refused(score: Score, tmp_path: Path, output: str) -> None:
    """It would be input of the run that goes on with it."""
    source = write_rows(tmp_path / "in", [home("h1")])
    before = tree(source)
    with pytest.raises(ConfigError, match="lies in the input"):
        score(source, f"{source}/{output}")
    assert tree(source) == before
    assert score(source, f"{source}/_scored").homes_done == 1  # what is left out of every input


def test_the_same_run_again_changes_nothing(score: Score, tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in", [home(name) for name in names(3)])
    columns = {"time_zone": "Europe/Copenhagen", "unit": "W"}
    first = score(source, tmp_path / "out", columns=columns)
    before = tree(tmp_path / "out")
    assert score(source, tmp_path / "out", columns=columns) == first
    assert tree(tmp_path / "out") == before


def test_what_a_run_that_was_killed_at_its_very_end_left_is_removed(score: Score, tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in", [home(name) for name in names(3)])
    columns = {"time_zone": "Europe/Copenhagen", "unit": "W"}
    first = score(source, tmp_path / "out", columns=columns)
    (tmp_path / "out" / "_run").mkdir()
    (tmp_path / "out" / "_run" / "plan.json").touch()
    assert score(source, tmp_path / "out", columns=columns) == first
    assert not (tmp_path / "out" / "_run").exists()


def test_one_parquet_file_is_an_input(score: Score, tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in", [home(name) for name in names(3)], files=1)
    assert score(source / "0.parquet", tmp_path / "out").homes_done == 3


def test_a_file_s_name_without_its_ending_names_the_home(score: Score, tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", [home("h1")])
    (source / "north").mkdir()
    (source / "h1.csv").rename(source / "north" / "flat.4.csv")
    score(source, tmp_path / "out")
    assert table(tmp_path / "out", "daily")["home"].unique().tolist() == ["north/flat.4"]


def test_a_record_that_was_taken_away_is_missed(
    score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_files(tmp_path / "in", [home("h1")])
    monkeypatch.setattr("energy_dissagregation_mlops.batch.cluster.carry_out", lambda *_: iter(()))
    with pytest.raises(EdmlopsError, match=r"done/00000\.json is gone"):
        score(source, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_two_runs_give_the_same_bytes(score: Score, tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in", [home(name) for name in names(6)])
    score(source, tmp_path / "a", power=True)
    score(source, tmp_path / "b", power=True)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_another_price_or_input_needs_another_output(score: Score, tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", [home("h1")])
    score(source, tmp_path / "out", price_per_kwh=0.3)
    with pytest.raises(ConfigError, match="of a run with other options:"):
        score(source, tmp_path / "out", price_per_kwh=0.4)
    write_files(source / "more", [home("h2")])
    with pytest.raises(ConfigError, match="another input_sha256"):
        score(source, tmp_path / "out", price_per_kwh=0.3)


def test_a_home_has_the_same_bucket_everywhere() -> None:
    # BLAKE2b of eight bytes, big end first: b2sum -l 64 says so too.
    assert bucket_of("h3", 1000) == int("2c3d21c8ce43fdd4", 16) % 1000


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_chunks_are_handed_on_whole_and_held_where_there_is_one(count: int) -> None:
    held = room._held(iter(range(count)))  # type: ignore[arg-type]
    assert isinstance(held, list) == (count < 2)
    assert list(held) == list(range(count))


def test_another_model_is_not_mixed_in(
    score: Score, make_bundle: Callable[[], Bundle], bundle: Bundle, tmp_path: Path
) -> None:
    source = write_files(tmp_path / "in", [home("h1")])
    score(source, tmp_path / "out")
    with pytest.raises(ConfigError, match="another bundle and another bundle_sha256"):
        score(source, tmp_path / "out", named=make_bundle())
    score(source, tmp_path / "out", named=bundle)
