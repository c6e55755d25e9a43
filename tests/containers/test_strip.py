"""What is cut out of the images' libraries: nothing that they need."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the images' libraries are Linux's")


@pytest.fixture
def stripper() -> ModuleType:
    spec = importlib.util.spec_from_file_location("strip", ROOT / "dockerfiles" / "strip.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of a package with a compiled module, as its wheel brings it."""
    folder = tmp_path / "yaml"
    shutil.copytree(Path(yaml.__file__).parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_a_library_is_smaller_and_works_as_before(stripper: ModuleType, package: Path) -> None:
    (library,) = package.glob("_yaml*.so")
    if int.from_bytes(library.read_bytes()[40:48], "little") == 0:
        pytest.skip("the library here is stripped already, as in the dev image")
    before = library.stat().st_size
    taken = stripper.strip(library)
    assert taken > before / 10 and library.stat().st_size == before - taken
    program = "import yaml; print(yaml.__file__, yaml.load('a: [1, 2]', yaml.CSafeLoader))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(package.parent)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"{package / '__init__.py'} {{'a': [1, 2]}}\n", done.stderr
    assert stripper.strip(library) == 0


@pytest.mark.parametrize("content", [b"", b"INPUT(libother.so.1)\n", b"\x7fELF\x01\x01" + bytes(100)])
def test_what_is_no_library_of_this_kind_is_left_alone(
    stripper: ModuleType, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "libsome.so"
    path.write_bytes(content)
    assert stripper.strip(path) == 0
    assert path.read_bytes() == content


def test_every_library_of_a_folder_is_cut_once(
    stripper: ModuleType, package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (library,) = package.glob("_yaml*.so")
    library.with_name("libalso.so").symlink_to(library)
    (package / "nvidia" / "lib").mkdir(parents=True)
    of_nvidia = Path(shutil.copy2(library, package / "nvidia" / "lib"))
    as_it_came = of_nvidia.read_bytes()
    monkeypatch.setattr(sys, "argv", ["strip.py", str(package.parent)])
    stripper.main()
    assert capsys.readouterr().out.endswith("out of 1 libraries\n")
    assert of_nvidia.read_bytes() == as_it_came
    assert stripper.strip(library) == 0
