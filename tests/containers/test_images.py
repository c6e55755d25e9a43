"""What is in the images, how large they are, and how fast they are built again."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(1500)]

Inspect = Callable[[str], dict[str, Any]]


def inside(image: str, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", "run", "--rm", "--network=none", "--entrypoint", command[0], image, *command[1:]],
        capture_output=True, text=True,
    )  # fmt: skip


def installed(image: str, *modules: str) -> set[str]:
    program = f"import importlib.util as u; print(*(m for m in {modules} if u.find_spec(m)))"
    return set(inside(image, "python", "-c", program).stdout.split())


@pytest.mark.parametrize(
    ("name", "has", "lacks"),
    [
        ("api", {"onnxruntime", "fastapi"}, {"torch", "h5py", "pandas", "pyarrow", "typer", "pytest"}),
        ("cli", {"onnxruntime", "pyarrow", "h5py"}, {"torch", "onnx", "fastapi", "pytest"}),
        ("train", {"torch", "onnx", "onnxruntime"}, {"h5py", "pandas", "pyarrow", "pytest"}),
        ("dev", {"torch", "fastapi", "pytest", "mypy"}, set()),
        (
            "tracking",
            {"mlflow", "flask", "sqlalchemy"},
            {"torch", "onnxruntime", "energy_dissagregation_mlops"},
        ),
    ],
)
def test_an_image_holds_what_its_service_needs_and_no_more(
    images: dict[str, str], name: str, has: set[str], lacks: set[str]
) -> None:
    assert installed(images[name], *has, *lacks) == has


def test_every_module_of_the_api_and_the_trimmed_packages_can_be_imported(images: dict[str, str]) -> None:
    program = (
        "import pkgutil, importlib, energy_dissagregation_mlops.service as s, energy_dissagregation_mlops.api\n"
        "[importlib.import_module(m.name) for m in pkgutil.walk_packages(s.__path__, s.__name__ + '.')]"
    )
    assert inside(images["api"], "python", "-W", "error", "-c", program).stderr == ""
    program = "import numpy.testing, pyarrow.parquet, pyarrow.csv, matplotlib.pyplot, h5py, blosc2, py7zr, onnxruntime"
    said = inside(images["cli"], "python", "-c", program).stderr.splitlines()
    assert [
        line for line in said if "font cache" not in line
    ] == []  # Matplotlib says so where that takes 5 s
    program = (
        "import torch, torch.onnx, torch.export, onnx, onnxscript, onnxruntime.quantization, sympy, networkx"
    )
    assert inside(images["train"], "python", "-c", program).stderr == ""


@pytest.mark.parametrize("name", ["api", "train", "cli", "dev", "tracking"])
def test_an_image_says_what_it_is_and_runs_as_nobody(
    images: dict[str, str], inspect: Inspect, name: str
) -> None:
    config = inspect(images[name])["Config"]
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    assert labels.items() >= {
        "title": f"energy-disaggregation-{name}", "version": "9.8.7", "revision": "abc123", "source": "here",
        "licenses": "NOASSERTION",
    }.items()  # fmt: skip
    assert config["User"] == "10001:10001"
    secrets = [
        each for each in config["Env"] if re.search("KEY|TOKEN|SECRET|PASSWORD", each.partition("=")[0])
    ]
    assert secrets == []


@pytest.mark.parametrize("name", ["api", "train", "cli", "tracking"])
def test_no_compiler_no_cache_and_no_source_is_left_in_an_image(images: dict[str, str], name: str) -> None:
    program = "for each in gcc cc make git uv; do command -v $each; done; find /build /tmp -mindepth 1; ls -d /root/.cache"
    assert inside(images[name], "sh", "-c", program).stdout == ""


@pytest.mark.parametrize(
    ("name", "modules"),
    [
        ("api", ["energy_dissagregation_mlops.registry", "numpy", "onnxruntime"]),
        ("train", ["energy_dissagregation_mlops.registry", "numpy", "torch"]),
        ("cli", ["energy_dissagregation_mlops.registry", "numpy", "pyarrow"]),
        ("dev", ["numpy", "torch", "pytest", "mlflow"]),  # the package's source is mounted
        ("tracking", ["mlflow.server.fastapi_app", "flask"]),
    ],
)
def test_what_an_image_holds_is_compiled_to_bytecode(
    images: dict[str, str], name: str, modules: list[str]
) -> None:
    program = (
        "import importlib.util as u, os\n"
        f"for m in {modules}:\n"
        "    assert os.path.exists(u.cache_from_source(u.find_spec(m).origin)), m"
    )
    assert inside(images[name], "python", "-c", program).stderr == ""


def test_layers_keep_within_their_sizes(images: dict[str, str]) -> None:
    command = [sys.executable, ROOT / "scripts" / "image_sizes.py"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin:/usr/local/bin", "TAG": "test"}
    )
    sys.stdout.write(done.stdout)  # pytest shows it where the test fails
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_size_that_is_too_large_is_found(images: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("image_sizes", ROOT / "scripts" / "image_sizes.py")
    assert spec is not None and spec.loader is not None
    sizes = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sizes)
    monkeypatch.setattr(sizes, "AT_MOST", {"api": (10, 300)})
    monkeypatch.setattr(sizes, "TAG", "test")
    monkeypatch.setattr(sys, "argv", ["image_sizes"])
    with pytest.raises(SystemExit, match="too large: api"):
        sizes.main()


def test_one_image_has_every_command(engine: None) -> None:
    reference = "energy-disaggregation:test"
    command = ["docker", "build", "--network=host", "--quiet", f"--tag={reference}", "."]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert "--resume" in inside(reference, "edmlops", "train", "--help").stdout
    assert installed(reference, "torch", "onnx", "h5py", "pyarrow") == {"torch", "onnx", "h5py", "pyarrow"}


def test_a_changed_line_of_source_is_built_in_seconds_from_a_small_context(
    images: dict[str, str], tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    assert 0 < context_size(tree, tmp_path / "sent") < 2e6
    seconds_to_build(tree)
    with (tree / "src/energy_dissagregation_mlops/registry.py").open("a") as source:
        source.write("\n# changed\n")
    assert seconds_to_build(tree) < 10


def context_size(tree: Path, folder: Path) -> int:
    """The bytes of the files that the builder is sent: it is asked to give them back."""
    command = ["docker", "build", "--quiet", "--file=-", f"--output={folder}", "."]
    subprocess.run(command, cwd=tree, input=b"FROM scratch\nCOPY . /\n", check=True, capture_output=True)
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def seconds_to_build(tree: Path) -> float:
    """The time that the largest service's image takes."""
    began = time.monotonic()
    command = ["docker", "build", "--network=host", "--file=dockerfiles/train.dockerfile"]
    done = subprocess.run(
        [*command, "--tag=energy-disaggregation-train:rebuilt", "."], cwd=tree, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return time.monotonic() - began
