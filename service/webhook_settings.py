"""The settings of one webhook: a ``[[webhooks]]`` table, or an entry of the JSON list."""

from pathlib import Path
from typing import Any, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from alerting.webhook import Endpoint, check_secret
from domain.grade import Grade


class WebhookSettings(BaseModel):
    """An endpoint that is told of alarms. Address and secrets are never shown."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="Its name: a-z 0-9 . _ -")
    url: SecretStr = Field(description="Where notices are posted: https://… or http://…")
    secret: list[SecretStr] = Field(
        default_factory=list,
        description="The signing secret, whsec_…; a list of two while one is replaced",
    )
    secret_file: Path | None = Field(
        None, description="Or a file with one secret in each line, read at the start"
    )
    grade_min: Literal["blue", "yellow", "orange", "red"] = Field(
        "blue", description="Alarms whose worst grade so far is below this are left out"
    )
    facility_kinds: list[str] = Field(
        default_factory=list, description="Kinds of facility; none are all"
    )
    faults: bool = Field(True, description="Whether it is told of instrument faults, too")
    timeout_s: float = Field(15.0, gt=0, le=60, description="For a whole answer")
    ca_file: Path | None = Field(
        None, description="Certificates (PEM) to trust instead of the machine's"
    )

    @field_validator("secret", mode="before")
    @classmethod
    def _listed(cls, secret: Any) -> Any:
        return [secret] if isinstance(secret, str) else secret

    @field_validator("secret")
    @classmethod
    def _check_secrets(cls, secrets: list[SecretStr]) -> list[SecretStr]:
        for secret in secrets:
            check_secret(secret.get_secret_value())
        return secrets

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: SecretStr) -> SecretStr:
        try:
            parsed = httpx.URL(url.get_secret_value())
        except httpx.InvalidURL:
            raise ValueError("url is no address; write https://host/path") from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ValueError("url must begin with https:// or http:// and name a host")
        if parsed.userinfo:
            raise ValueError("url must not hold a user or password: requests are signed instead")
        return url

    @model_validator(mode="after")
    def _has_a_secret(self) -> "WebhookSettings":
        if not self.secret and self.secret_file is None:
            raise ValueError(f"webhook {self.name!r} needs secret or secret_file")
        return self

    def endpoint(self) -> Endpoint:
        """Return the endpoint; raises ``ValueError`` where one of its files is of no use."""
        secrets = [secret.get_secret_value() for secret in self.secret]
        if self.secret_file is not None:
            secrets += self._read_secrets(self.secret_file)
        if self.ca_file is not None and not self.ca_file.is_file():
            raise ValueError(f"webhook {self.name!r}: there is no ca_file {self.ca_file}")
        return Endpoint(
            name=self.name,
            url=self.url.get_secret_value(),
            secrets=tuple(secrets),
            grade_min=Grade.from_word(self.grade_min),
            facility_kinds=frozenset(self.facility_kinds),
            faults=self.faults,
            timeout_s=self.timeout_s,
            ca_file=self.ca_file,
        )

    def _read_secrets(self, file: Path) -> list[str]:
        try:
            lines = file.read_text(encoding="ascii").split()
        except (OSError, ValueError):
            raise ValueError(f"webhook {self.name!r}: cannot read secret_file {file}") from None
        if not lines:
            raise ValueError(f"webhook {self.name!r}: secret_file {file} is empty")
        for line in lines:
            try:
                check_secret(line)
            except ValueError as error:
                raise ValueError(f"webhook {self.name!r}: {file}: {error}") from None
        return lines
