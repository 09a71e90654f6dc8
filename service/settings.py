"""Settings: one TOML file, and environment variables of the same names (LIFELINE_…)."""

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

LOOPBACK = ("127.0.0.1", "::1", "localhost")
ROOT = Path(__file__).resolve().parent.parent


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
        2 << 30, description="The journal is kept up to this size, unless a consumer needs more"
    )
    journal_age_s_max: float = Field(172_800.0, description="And up to this age, in seconds")
    state_url: SecretStr | None = Field(
        None, description="sqlite:///path; default: data_dir/state.db"
    )
    archive_url: SecretStr | None = Field(
        None, description="duckdb:///folder; default: data_dir/archive"
    )
    catalogue: list[Path] = Field(
        default_factory=list, description="Catalogue files (YAML), imported where they changed"
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

    @model_validator(mode="after")
    def _check(self) -> Self:
        host, colon, port = self.http_listen.rpartition(":")
        if not colon or not host or not port.isdigit() or int(port) > 65_535:
            raise ValueError(
                f"http_listen is host:port, such as 127.0.0.1:8080, not {self.http_listen!r}"
            )
        return self

    def journal_folder(self) -> Path:
        """Return the journal's folder."""
        return self.journal_dir or self.data_dir / "journal"

    def state_location(self) -> str:
        """Return the URL of the state database."""
        if self.state_url is not None:
            return self.state_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'state.db'}"

    def archive_folder(self) -> Path:
        """Return the folder of the embedded archive; raises ``ValueError`` for other archives."""
        if self.archive_url is None:
            return self.data_dir / "archive"
        scheme, _, place = self.archive_url.get_secret_value().partition("://")
        if scheme != "duckdb":
            raise ValueError(
                f"archive_url: no archive {scheme!r} here; write duckdb:///folder or leave it out"
            )
        return Path(place)
