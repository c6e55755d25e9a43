from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from energy_dissagregation_mlops import settings
from energy_dissagregation_mlops.errors import ConfigError, UnknownNameError
from energy_dissagregation_mlops.settings import Variable

VARIABLES = {name: value for name, value in vars(settings).items() if isinstance(value, Variable)}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_every_variable_is_called_as_in_the_environment() -> None:
    assert {name: variable.name for name, variable in VARIABLES.items()} == {name: name for name in VARIABLES}


@pytest.mark.parametrize(
    ("name", "default"),
    [("TRAIN_EPOCHS", 5), ("TRAIN_BATCH_SIZE", 32), ("TRAIN_LR", 0.001), ("DATA_PATH", Path("data"))],
)
def test_what_is_not_set_has_its_default(name: str, default: object) -> None:
    assert VARIABLES[name].read() is None
    assert VARIABLES[name].value() == default


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("TRAIN_EPOCHS", " 7 ", 7),
        ("TRAIN_LR", "1e-4", 1e-4),
        ("API_PORT", "0", 0),
        ("MODELS_PATH", "/m", Path("/m")),
        ("API_CORS_ORIGINS", "https://a.example, http://b:8080", ("https://a.example", "http://b:8080")),
        ("API_CORS_ORIGINS", "*", ("*",)),
        ("API_TIME_LIMIT", "2.5", 2.5),
        ("LOG_LEVEL", "WARNING", "warning"),
        ("LOG_FORMAT", "text", "text"),
    ],
)
def test_what_is_set_is_read_when_asked_for(
    name: str, text: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)
    assert VARIABLES[name].value() == value


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAIN_EPOCHS", "  ")
    assert settings.TRAIN_EPOCHS.value() == 5


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TRAIN_EPOCHS", "0"),
        ("TRAIN_EPOCHS", "2.5"),
        ("TRAIN_BATCH_SIZE", "many"),
        ("TRAIN_LR", "nan"),
        ("TRAIN_LR", "inf"),
        ("TRAIN_LR", "-1"),
        ("API_PORT", "65536"),
        ("API_WORKERS", "0"),
        ("API_CORS_ORIGINS", "home.example"),
        ("API_CORS_ORIGINS", "https://a.example/path"),
        ("API_MAX_BODY_BYTES", "0"),
        ("API_TIME_LIMIT", "inf"),
        ("API_KEY_FILE", "/no/such/file"),
        ("LOG_LEVEL", "loud"),
        ("CONFIGS_PATH", "/no/such/folder"),
    ],
)
def test_a_value_that_cannot_be_used_gets_one_line(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(
        ConfigError, match=f"{name} is '{text}' in the environment: expected .*unset it"
    ) as error:
        VARIABLES[name].value()
    assert "\n" not in str(error.value)


def test_a_tilde_is_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("DATA_PATH", "~/homes")
    assert settings.raw_path() == Path("/home/someone/homes/raw")
    assert settings.processed_path() == Path("/home/someone/homes/processed")


def test_a_file_of_ones_own_comes_before_the_one_that_is_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = settings.config_file("appliances.yaml")
    assert shipped.is_file()
    monkeypatch.setenv("CONFIGS_PATH", str(tmp_path))
    assert settings.config_file("appliances.yaml") == shipped.resolve()
    (tmp_path / "appliances.yaml").touch()
    assert settings.config_file("appliances.yaml") == tmp_path / "appliances.yaml"


def test_shipped_files_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings.config_file("appliances.yaml").is_file()


def test_a_file_that_is_nowhere_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match=r"'aplliances.yaml'.*did you mean 'appliances.yaml'"):
        settings.config_file("aplliances.yaml")


# --- the service's ---------------------------------------------------------------------------------


def test_without_a_key_there_is_none() -> None:
    assert settings.api_key() is None


def test_a_key_comes_from_a_variable_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("from a file\n")
    monkeypatch.setenv("API_KEY_FILE", str(tmp_path / "key"))
    assert settings.api_key() == "from a file"
    monkeypatch.setenv("API_KEY", "from a variable")
    with pytest.raises(ConfigError, match="both set"):
        settings.api_key()
    monkeypatch.delenv("API_KEY_FILE")
    assert settings.api_key() == "from a variable"


@pytest.mark.parametrize("content", [b"\n", b"\xff\xfe"])
def test_a_file_without_a_key_is_refused(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_bytes(content)
    monkeypatch.setenv("API_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(ConfigError, match="API_KEY_FILE"):
        settings.api_key()


# --- the page about them ---------------------------------------------------------------------------

SOURCE = Path(settings.__file__).parent
PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
COMPUTED = {"API_MAX_CONCURRENT_REQUESTS": "by the cores"}


def as_written(name: str, default: object) -> str:
    if name in COMPUTED:
        return COMPUTED[name]
    return "none" if default in (None, ()) else f"`{default}`"


def test_the_page_lists_each_variable_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| .+ \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted((name, as_written(name, each.default)) for name, each in VARIABLES.items())


def names_in(tree: ast.AST) -> set[str]:
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    imported = {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    return attributes | imported | {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def test_every_variable_is_read_by_something() -> None:
    own = Path(settings.__file__)
    functions = [node for node in ast.parse(own.read_text()).body if isinstance(node, ast.FunctionDef)]
    outside: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        if path != own:
            outside |= names_in(ast.parse(path.read_text(encoding="utf-8")))
    through = {name for each in functions if each.name in outside for name in names_in(each)}
    assert VARIABLES.keys() - outside - through == set()
