"""Settings: one TOML file, and environment variables of the same names (LIFELINE_…)."""

import json
import os
import socket
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from ingest.broker_url import BrokerUrl

LOOPBACK = ("127.0.0.1", "::1", "localhost")
ROOT = Path(__file__).resolve().parent.parent


class SettingsError(Exception):
    """The settings make no sense; the message names each that is wrong, and the remedy."""


class Settings(BaseSettings):
    """Everything the service can be told. The environment wins over the file."""

    model_config = SettingsConfigDict(env_prefix="LIFELINE_", extra="forbid")

    mqtt_url: SecretStr = Field(
        SecretStr("mqtt://127.0.0.1:1883"),
        description="The broker: mqtt[s]://[user:password@]host:port",
    )
    mqtt_client_id: str = Field(
        "lifeline", description="The identity of the persistent session at the broker"
    )
    http_listen: str = Field("127.0.0.1:8080", description="host:port of the HTTP interface")
    data_dir: Path = Field(Path(".lifeline"), description="Where everything below is kept")
    journal_dir: Path | None = Field(None, description="Journal; default: data_dir/journal")
    journal_bytes_max: int = Field(
        2 << 30,
        gt=0,
        description="The journal is kept up to this size, unless a consumer needs more",
    )
    journal_age_s_max: float = Field(172_800.0, description="And up to this age, in seconds")
    journal_url: SecretStr | None = Field(
        None,
        description="postgresql://user:password@host:port/database, the same as state_url: the "
        "journal there, and a second instance stands by; default: files in journal_dir",
    )
    state_url: SecretStr | None = Field(
        None,
        description="sqlite:///path, or postgresql://user:password@host:port/database; default: "
        "data_dir/state.db",
    )
    instance: str | None = Field(
        None, description="What this instance is called by one that stands by; default: host:port"
    )
    archive_url: SecretStr | None = Field(
        None, description="duckdb:///folder; default: data_dir/archive"
    )
    catalogue: Annotated[list[Path], NoDecode] = Field(
        default_factory=list,
        description="Catalogue files (YAML), imported where they changed: a JSON list, or paths "
        "with : between them",
    )
    templates: Path = Field(ROOT / "config" / "templates", description="Folder of templates")
    admin_key: SecretStr | None = Field(
        None, description="Becomes an admin key of the HTTP interface at the first start"
    )
    clock: Literal["wall", "data"] = Field(
        "wall", description="'data' takes time from the readings: for recordings and simulation"
    )
    snapshot_interval_s: float = Field(60.0, gt=0, description="Between two snapshots of the core")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources, the strongest first: arguments, environment, the TOML file."""
        del dotenv_settings, file_secret_settings
        file = os.environ.get("LIFELINE_SETTINGS")
        toml = TomlConfigSettingsSource(settings_cls, Path(file) if file else None)
        return init_settings, env_settings, toml

    @property
    def http_host(self) -> str:
        """The address that the HTTP interface listens on."""
        return self.http_listen.rpartition(":")[0].strip("[]")

    @property
    def http_port(self) -> int:
        """The port that the HTTP interface listens on."""
        return int(self.http_listen.rpartition(":")[2])

    @property
    def open_reads(self) -> bool:
        """Whether reading needs no key: on loopback only."""
        return self.http_host in LOOPBACK

    @field_validator("catalogue", mode="before")
    @classmethod
    def _split(cls, files: Any) -> Any:
        if not isinstance(files, str):
            return files
        return json.loads(files) if files.startswith("[") else files.split(os.pathsep)

    @field_validator("http_listen")
    @classmethod
    def _check_listen(cls, listen: str) -> str:
        host, colon, port = listen.rpartition(":")
        if not colon or not host or not port.isdecimal() or int(port) > 65_535:
            raise ValueError(f"write host:port, such as 127.0.0.1:8080, not {listen!r}")
        return listen

    @field_validator("mqtt_url")
    @classmethod
    def _check_mqtt(cls, url: SecretStr) -> SecretStr:
        BrokerUrl.parse(url.get_secret_value())
        return url

    @field_validator("state_url")
    @classmethod
    def _check_state(cls, url: SecretStr | None) -> SecretStr | None:
        from storage.state import StateError, parse_url  # noqa: PLC0415  heavy

        try:
            parse_url(url.get_secret_value()) if url is not None else None
        except StateError as error:
            raise ValueError(str(error)) from None
        return url

    @model_validator(mode="after")
    def _check_journal(self) -> Self:
        if self.journal_url is not None:
            scheme = self.journal_url.get_secret_value().partition("://")[0]
            if scheme != "postgresql":
                raise ValueError("journal_url: write postgresql://…, or leave it out for files")
            if self.journal_url != self.state_url:
                raise ValueError(
                    "journal_url: must be the same as state_url, so that what is judged and what "
                    "is recorded are in one database"
                )
        return self

    @field_validator("archive_url")
    @classmethod
    def _check_archive(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            scheme, _, place = url.get_secret_value().partition("://")
            if scheme != "duckdb" or not place:
                raise ValueError(f"no archive {scheme!r} here; write duckdb:///folder")
        return url

    @property
    def archive_is_shared(self) -> bool:
        """Whether two instances write to the same archive: not where it is a folder."""
        url = self.archive_url.get_secret_value() if self.archive_url is not None else "duckdb:"
        return not url.startswith("duckdb:")

    def instance_name(self) -> str:
        """Return what this instance is called."""
        return self.instance or f"{socket.gethostname()}:{self.http_port}"

    def journal_folder(self) -> Path:
        """Return the journal's folder."""
        return self.journal_dir or self.data_dir / "journal"

    def state_location(self) -> str:
        """Return the URL of the state database."""
        if self.state_url is not None:
            return self.state_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'state.db'}"

    def archive_folder(self) -> Path:
        """Return the folder of the embedded archive."""
        if self.archive_url is None:
            return self.data_dir / "archive"
        return Path(self.archive_url.get_secret_value().partition("://")[2])


def load_settings(**given: object) -> Settings:
    """Return the settings, with those ``given`` that are not None; raises ``SettingsError``."""
    file = os.environ.get("LIFELINE_SETTINGS")
    try:
        if file:
            tomllib.loads(Path(file).read_text(encoding="utf-8"))  # a missing one is no empty one
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except (OSError, ValueError) as error:
        if isinstance(error, ValidationError):
            raise SettingsError("\n".join(map(_told, error.errors()))) from None
        raise SettingsError(f"LIFELINE_SETTINGS: {file}: {error}") from None


def _told(fault: Any) -> str:
    if not fault["loc"]:  # of several settings together
        name, _, words = fault["msg"].removeprefix("Value error, ").partition(": ")
        return f"LIFELINE_{name.upper()}: {words}"
    name = str(fault["loc"][0])
    if fault["type"] == "extra_forbidden":
        return f"{name}: there is no such setting; there are {', '.join(Settings.model_fields)}"
    return f"LIFELINE_{name.upper()}: {fault['msg'].removeprefix('Value error, ')}"
