"""The documents about the catalogue's revisions, commissioning and limit profiles."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.schemas import Document, LimitOut, TimeText, Words

Ids = Annotated[list[str], Field(max_length=10_000)]


class RevisionOut(Document):
    """A revision of the catalogue: immutable, numbered from 1."""

    revision: int
    at: TimeText
    author: str
    note: str
    channels: int | None = Field(description="Fault channels included; null of old revisions.")
    active: bool


class LimitsChangeOut(Document):
    """A channel's limits before and after."""

    channel: str
    before: list[LimitOut]
    after: list[LimitOut]


class ClosingAlarmOut(Document):
    """An open alarm that would end."""

    alarm: str
    channel: str
    reason: str


class DifferencesOut(Document):
    """What goes from one revision to another. Lists hold the first thousand; ``counts`` all."""

    facilities_added: list[str]
    facilities_removed: list[str]
    gateways_added: list[str]
    gateways_removed: list[str]
    channels_added: list[str]
    channels_removed: list[str]
    channels_changed: dict[str, list[str]] = Field(description="The fields, by channel.")
    limits_changed: list[LimitsChangeOut]
    alarms_closing: list[ClosingAlarmOut]
    counts: dict[str, int]


class SubmittedOut(Document):
    """What became of a document: its revision, or with ``dry_run`` what it would change."""

    revision: int | None
    differences: DifferencesOut


class CommissioningIn(BaseModel):
    """Whether it is in commissioning: kept and graded, and raising nothing."""

    model_config = ConfigDict(extra="forbid")
    commissioning: bool


class CommissionedOut(Document):
    """The revision in which these channels are as wanted."""

    revision: int
    channels: list[str]


class ScopeIn(BaseModel):
    """Which facilities; exactly one of the four."""

    model_config = ConfigDict(extra="forbid")
    all: Literal[True] | None = None
    district: str | None = Field(None, max_length=128)
    kind: str | None = Field(None, max_length=128)
    facilities: Ids | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _one(self) -> "ScopeIn":
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError("a scope has one of all, district, kind, facilities — give just one")
        return self


class ActivateProfileIn(BaseModel):
    """Where a profile is to be in force, why, and until when."""

    model_config = ConfigDict(extra="forbid")
    scope: ScopeIn
    reason: str = Field(min_length=1, max_length=500)
    until: str | None = Field(None, max_length=64, description="RFC 3339; then normal again.")


class InForceOut(Document):
    """A profile is in force at a facility."""

    facility: str
    since: TimeText
    until: TimeText | None
    author: str
    reason: str


class ProfileOut(Document):
    """A limit profile, and where it is in force now."""

    id: str
    name: Words
    in_force: list[InForceOut]


class ProfileChangeOut(Document):
    """Facilities went over to a profile, or back to normal."""

    seq: int
    profile: str
    facilities: list[str]
    at: TimeText
    until: TimeText | None
    author: str | None = Field(description="Null where its time was up.")
    reason: str


class ProfilesOut(Document):
    """The profiles by id, and the newest changes, the newest first."""

    items: list[ProfileOut]
    changes: list[ProfileChangeOut]
    next: str | None = None
