"""A YAML file of keys and values, read, and checked against what it should say.

It does not know where the file lies, nor what is made of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from energy_dissagregation_mlops.errors import ConfigError, first_fault, one_line

Content = TypeVar("Content")


def read_yaml(path: Path) -> dict[str, Any]:
    """What a YAML file of keys and values says; nothing where it is empty.

    Raises:
        ConfigError: it can't be read, or holds something else.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file; `ls configs` shows those there are") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: expected YAML ({one_line(error, longest=None)}); correct it") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected keys with values, found {type(content).__name__}; correct it")
    return content


def read_yaml_as(form: TypeAdapter[Content], path: Path) -> Content:
    """What a YAML file says, in the form that it should have.

    Raises:
        ConfigError: it can't be read, or has another form; the message names the first wrong line.
    """
    content = read_yaml(path)
    if not content:
        raise ConfigError(f"{path}: expected keys with values, found nothing; correct it")
    try:
        return form.validate_python(content)
    except ValidationError as error:
        where, fault, _ = first_fault(error)
        raise ConfigError(f"{path}: {where or 'the file'}: {fault}; correct that line") from None
