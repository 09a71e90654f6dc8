"""Secrets out of files: ``LIFELINE_<NAME>_FILE`` for every setting that holds one.

Containers hand over secrets so, and a file's permissions keep what an environment shows.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

PREFIX = "LIFELINE_"
SUFFIX = "_FILE"
SECRET_BYTES_MAX = 65_536
OPEN_TO_OTHERS = 0o007


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting holds a secret."""
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation)


def secret_names(settings: type[BaseSettings]) -> list[str]:
    """Return the names of the settings that hold secrets."""
    return [name for name, field in settings.model_fields.items() if is_secret(field)]


class SecretFiles(PydanticBaseSettingsSource):
    """A source of settings: the files named in the environment, stripped of white space."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the content of the setting's file; raises ``ValueError`` that names the remedy."""
        variable = f"{PREFIX}{field_name.upper()}"
        file = os.environ.get(variable + SUFFIX) if is_secret(field) else None
        if not file:
            return None, field_name, False
        if os.environ.get(variable):
            raise ValueError(f"{variable} and {variable}{SUFFIX} are both given: give one")
        return _content(variable + SUFFIX, Path(file)), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return what the files say."""
        found = {}
        for name, field in self.settings_cls.model_fields.items():
            value, _, _ = self.get_field_value(field, name)
            if value is not None:
                found[name] = value
        return found


def _content(variable: str, file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(SECRET_BYTES_MAX + 1)
        text = content.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise ValueError(f"{variable}: {file} is not UTF-8 text") from None
    except OSError as error:
        raise ValueError(f"{variable}: {file}: {error.strerror}") from None
    if not text or len(content) > SECRET_BYTES_MAX:
        raise ValueError(f"{variable}: {file} must hold the secret, and nothing else")
    return text


def exposed_files(
    settings: type[BaseSettings], environment: Mapping[str, str], others: Iterator[str]
) -> list[str]:
    """Return the files with secrets in them that every user of this machine may read.

    ``others`` are further files: the settings file, the key of the client certificate.
    """
    names = [environment.get(f"{PREFIX}{n.upper()}{SUFFIX}") for n in secret_names(settings)]
    return [name for name in (*names, *others) if name and _is_exposed(Path(name))]


def _is_exposed(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & OPEN_TO_OTHERS)
    except OSError:
        return False
