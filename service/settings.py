"""Settings: one TOML file, and environment variables of the same names (LIFELINE_…)."""

import json
import math
import os
import socket
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from ingest.broker_url import BrokerUrl
from ingest.groups import PAYLOAD_BYTES_WHOLE
from ingest.limits import Allowance, Limits
from service.secret_files import SecretFiles, exposed_files, is_secret
from service.webhook_settings import WebhookSettings

LOOPBACK = ("127.0.0.1", "::1", "localhost")
ROOT = Path(__file__).resolve().parent.parent


class SettingsError(Exception):
    """The settings make no sense; the message names each that is wrong, and the remedy."""


class GatewayLimit(BaseModel, extra="forbid"):
    """Limits of one gateway; what is left out is as for all. 0 is no limit."""

    frames_per_s: float | None = Field(None, ge=0)
    bytes_per_s: float | None = Field(None, ge=0)
    frames_burst: float | None = Field(None, ge=0)
    bytes_burst: float | None = Field(None, ge=0)


class Settings(BaseSettings):
    """Everything the service can be told. The environment wins over the file."""

    model_config = SettingsConfigDict(env_prefix="LIFELINE_", env_ignore_empty=True, extra="forbid")

    mqtt_url: SecretStr = Field(
        SecretStr("mqtt://127.0.0.1:1883"),
        description="The broker: mqtt[s]://[user:password@]host:port[?ca=&cert=&key=]",
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
        None,
        description="duckdb:///folder, influxdb[s]://[user:password@]host:port/database or "
        "influxdb2[s]://token@host:port/organisation/bucket; default: data_dir/archive",
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
    viewer_key: SecretStr | None = Field(
        None, description="Becomes a key that may only read: for Prometheus"
    )
    gateway_frames_per_s: float = Field(
        2_000.0, ge=0, description="Frames that a gateway may send for long; 0 is no limit"
    )
    gateway_frames_burst: float = Field(
        200_000.0, ge=0, description="And how many at once, as after an outage; 0 is no limit"
    )
    gateway_bytes_per_s: float = Field(
        16_777_216.0, ge=0, description="Bytes of payload that a gateway may send for long"
    )
    gateway_bytes_burst: float = Field(
        2_147_483_648.0, ge=0, description="And how many at once, as after an outage"
    )
    gateway_limits: dict[str, GatewayLimit] = Field(
        default_factory=dict,
        description="Other limits for single gateways, by id: frames_per_s, frames_burst, "
        "bytes_per_s, bytes_burst",
    )
    clock: Literal["wall", "data"] = Field(
        "wall", description="'data' takes time from the readings: for recordings and simulation"
    )
    clock_jump_s: float = Field(
        86_400.0,
        gt=0,
        description="How far a data clock leaps ahead on the word of one frame; further takes two",
    )
    snapshot_interval_s: float = Field(60.0, gt=0, description="Between two snapshots of the core")
    disk_free_bytes_min: int | None = Field(
        None,
        ge=0,
        description="Below this free space on a disk the oldest archive gives way, then frames are "
        "left with the broker; default: 2 GiB, or a twentieth of a disk smaller than 40 GiB",
    )
    webhooks: list[WebhookSettings] = Field(
        default_factory=list,
        description="Endpoints that are told of alarms: [[webhooks]] tables, or a JSON list; see "
        "[webhooks](webhooks.md)",
    )
    public_url: str = Field(
        "", description="Where links in webhooks lead, such as https://lifeline.example"
    )
    outbox_days: float = Field(
        30.0, gt=0, description="Notices that all consumers are done with are kept so long, in days"
    )
    outbox_days_max: float = Field(
        365.0, gt=0, description="And those that somebody still waits for so long at most, in days"
    )
    transitions_days: float | None = Field(
        None,
        gt=0,
        description="Ended alarms and their transitions are kept so long; default: always",
    )
    audit_days: float | None = Field(
        None, gt=0, description="The audit is kept so long, in days; default: always"
    )
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
        """Return the sources, the strongest first.

        They are arguments, environment, the files of secrets it names, and the TOML file.
        """
        del dotenv_settings, file_secret_settings
        file = os.environ.get("LIFELINE_SETTINGS")
        toml = TomlConfigSettingsSource(settings_cls, Path(file) if file else None)
        return init_settings, env_settings, SecretFiles(settings_cls), toml

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

    def limits(self) -> Limits:
        """Return what gateways may send; with the data's clock, whatever they like."""
        if self.clock == "data":  # time runs otherwise there, and nobody else is to be protected
            return Limits()
        default = GatewayLimit(
            frames_per_s=self.gateway_frames_per_s,
            bytes_per_s=self.gateway_bytes_per_s,
            frames_burst=self.gateway_frames_burst,
            bytes_burst=self.gateway_bytes_burst,
        ).model_dump()
        own = {
            name: _allowance({**default, **limit.model_dump(exclude_none=True)})
            for name, limit in self.gateway_limits.items()
        }
        return Limits(_allowance(default), own)

    def exposed_files(self) -> list[str]:
        """Return the files of secrets that every user of this machine may read."""
        return exposed_files(type(self), os.environ, self._other_secret_files())

    def _other_secret_files(self) -> Iterator[str]:
        file = os.environ.get("LIFELINE_SETTINGS", "")
        if file:
            named = tomllib.loads(Path(file).read_text(encoding="utf-8"))
            if any(is_secret(field) for name, field in self.fields() if name in named):
                yield file
        key = BrokerUrl.parse(self.mqtt_url.get_secret_value()).key_file
        if key:
            yield key

    @classmethod
    def fields(cls) -> list[tuple[str, Any]]:
        """Return the settings by name."""
        return list(cls.model_fields.items())

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

    @field_validator("webhooks")
    @classmethod
    def _check_webhooks(cls, webhooks: list[WebhookSettings]) -> list[WebhookSettings]:
        names = [webhook.name for webhook in webhooks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"a webhook's name is there twice: {', '.join(twice)}")
        return webhooks

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
            if scheme.startswith("influxdb"):
                _check_influx(url.get_secret_value())
            elif scheme != "duckdb" or not place:
                raise ValueError(
                    "write duckdb:///folder, influxdb://host:port/database or "
                    "influxdb2://token@host:port/organisation/bucket"
                )
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

    def folders(self) -> dict[str, Path]:
        """Return the folders that are written to, by what is in them; servers' own are not here."""
        found = {"snapshots": self.data_dir}
        if self.journal_url is None:
            found["journal"] = self.journal_folder()
        place = self.state_location()
        if place.startswith("sqlite:///"):
            found["state"] = Path(place.removeprefix("sqlite:///")).parent
        if self.archive_url is None or self.archive_url.get_secret_value().startswith("duckdb:"):
            found["archive"] = self.archive_folder()
        return found

    def archive_server(self) -> str | None:
        """Return the URL of the archive's server; None where it is embedded."""
        url = self.archive_url.get_secret_value() if self.archive_url is not None else ""
        return url if url.startswith("influxdb") else None


def _check_influx(url: str) -> None:
    from storage.archive import ArchiveError  # noqa: PLC0415  heavy
    from storage.archive.influx_url import InfluxUrl  # noqa: PLC0415

    try:
        InfluxUrl.parse(url)
    except ArchiveError as error:
        raise ValueError(str(error)) from None


def _allowance(numbers: dict[str, float]) -> Allowance:
    """Return the limits of a gateway; 0 becomes infinity, and a burst holds a second at least."""
    given = {name: value or math.inf for name, value in numbers.items()}
    return Allowance(
        given["frames_per_s"],
        given["bytes_per_s"],
        max(given["frames_burst"], given["frames_per_s"]),
        max(given["bytes_burst"], given["bytes_per_s"], float(PAYLOAD_BYTES_WHOLE)),
    )


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
