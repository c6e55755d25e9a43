"""A file whose writes fail raises an OSError, and nothing crashes: not then, not when the process ends."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np
import pytest

from energy_dissagregation_mlops.datasets.new_hdf5 import NewHdf5, new_hdf5


def fill(file: h5py.File) -> None:
    """Tables that grow and are read while they grow, deflated and not, and attributes."""
    noise = np.random.default_rng(0).normal(size=200_000)
    for name, how in (("packed", {"compression": "gzip", "shuffle": True}), ("plain", {})):
        table = file.require_group("a").create_dataset(
            name, (0,), "f8", maxshape=(None,), chunks=(4096,), **how
        )
        for start in range(0, len(noise), 50_000):
            table.resize((start + 50_000,))
            table[start : start + 50_000] = noise[start : start + 50_000]
            table.attrs["rows"] = len(table)
        file.flush()
        file.copy(table, file, name=f"copy of {name}")


def test_it_is_byte_for_byte_the_file_that_h5py_writes(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w", libver="earliest") as file:
        fill(file)
    (tmp_path / "b.h5").write_bytes(b"older")
    with new_hdf5(tmp_path / "b.h5") as made, made.filling() as file:
        fill(file)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@pytest.mark.parametrize("limit", [0, 500, 5_000, 300_000, 1_700_000, 4_000_000])
def test_a_limit_to_its_size_is_an_error_and_no_crash(tmp_path, limit):
    script = f"""
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_new_hdf5 import fill, new_hdf5
try:
    with new_hdf5(Path({str(tmp_path / "a.h5")!r})) as made, made.filling() as file:
        fill(file)
except OSError as error:
    sys.exit(100 + error.errno)
"""
    made = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    )  # fmt: skip
    assert (made.returncode, made.stderr) == (100 + errno.EFBIG, "")
    assert (tmp_path / "a.h5").stat().st_size <= limit


def fill_beyond_a_limit(file: h5py.File) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, limits[1]))
    try:
        fill(file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_failure_is_told_after_each_part_and_at_the_end(tmp_path):
    with ExitStack() as stack:
        made = stack.enter_context(new_hdf5(tmp_path / "a.h5"))
        for write in (fill_beyond_a_limit, lambda file: file.require_group("b")):
            with pytest.raises(OSError, match="File too large"), made.filling() as file:
                write(file)
        with pytest.raises(OSError, match="File too large"):
            stack.close()


def interrupted(made: NewHdf5, reached: list[str]) -> None:
    with made.filling() as file:
        for number in range(2000):
            if number == 100:
                signal.raise_signal(signal.SIGINT)
            file[str(number)] = number
        file.flush()
        reached.append("the end of the part")
    reached.append("what is after it")


def test_ctrl_c_waits_for_the_end_of_a_part_and_is_not_lost(tmp_path):
    reached: list[str] = []
    with pytest.raises(KeyboardInterrupt), new_hdf5(tmp_path / "a.h5") as made:
        interrupted(made, reached)
    assert reached == ["the end of the part"]


def test_what_the_block_raises_goes_on(tmp_path):
    with pytest.raises(KeyboardInterrupt), new_hdf5(tmp_path / "a.h5"):
        raise KeyboardInterrupt
    with pytest.raises(FileNotFoundError), new_hdf5(tmp_path / "nowhere" / "a.h5"):
        pass
