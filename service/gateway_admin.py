"""``lifeline gateway`` and ``lifeline keys``: who may send, who may ask; the work behind them."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from domain.catalogue import Catalogue
from ingest.topics import build_status_topic
from service.auditing import Auditor, command_line_author
from service.gateway_secrets import (
    GatewaySecretError,
    Issuer,
    issue_certificate,
    password_line,
    put_password,
)
from service.settings import Settings
from storage.catalogue.revisions import CatalogueStore
from storage.gateway_keys import GatewayKey, GatewayKeyStore
from storage.keys import Key, KeyStore, Role, new_secret
from storage.state import StateEngine


@dataclass(frozen=True, slots=True)
class Wanted:
    """A gateway, and what it is to be given beside its keys."""

    gateway: str
    district: str = ""
    facility: str = ""
    password_file: Path | None = None
    issuer: Issuer | None = None
    certificate_folder: Path = Path()


@dataclass(slots=True)
class Given:
    """What was made, to be shown once; ``remarks`` are what the caller should know or do."""

    password: str
    password_line: str
    key: str
    files: tuple[Path, ...] = ()
    remarks: list[str] = field(default_factory=list)


@asynccontextmanager
async def _state(settings: Settings) -> AsyncIterator[StateEngine]:
    engine = await StateEngine.open(settings.state_location())
    try:
        yield engine
    finally:
        await engine.close()


async def add_gateway(settings: Settings, wanted: Wanted) -> Given:
    """Give a gateway a password, a key and, with an issuer, a certificate; keys it has stay.

    Raises ``ValueError`` for an id that cannot be in a topic, ``GatewaySecretError`` where it has
    keys already, and where something cannot be made.
    """
    build_status_topic(wanted.district, wanted.gateway)
    async with _state(settings) as engine:
        if await GatewayKeyStore(engine).keys(wanted.gateway):
            raise GatewaySecretError(
                f"gateway {wanted.gateway} has keys already: `lifeline gateway rotate"
                f" {wanted.gateway}` gives it new ones"
            )
        given = await _give(engine, wanted)
        given.remarks += _catalogue_remarks(await _active(engine), wanted)
        await _audit(engine, "gateway add", wanted.gateway, f"district {wanted.district}")
    return given


async def rotate_gateway(settings: Settings, wanted: Wanted, *, revoke_old: bool) -> Given:
    """Give a gateway a new password and key; its old keys stay until they are revoked.

    Raises ``GatewaySecretError`` for one without keys. A password file holds one password a user,
    so there the old one ends with the broker's next reading of the file.
    """
    async with _state(settings) as engine:
        keys = GatewayKeyStore(engine)
        before = await keys.keys(wanted.gateway)
        if not before:
            raise _unknown(wanted.gateway)
        made = Wanted(
            wanted.gateway,
            before[-1].district,
            "",
            wanted.password_file,
            wanted.issuer,
            wanted.certificate_folder,
        )
        given = await _give(engine, made)
        if revoke_old:
            newest = (await keys.find_gateway_key(given.key)) or before[-1]
            gone = await keys.remove_keys(wanted.gateway, but=newest.id)
            given.remarks.append(f"{gone} older HTTP key(s) do not work any more")
        else:
            given.remarks.append("older HTTP keys still work; end them with --revoke-old")
        await _audit(engine, "gateway rotate", wanted.gateway, "old revoked" if revoke_old else "")
    return given


async def revoke_gateway(
    settings: Settings, gateway: str, password_file: Path | None
) -> tuple[int, bool]:
    """Take a gateway's keys and password away; return how many keys, and whether a password.

    Raises ``GatewaySecretError`` where it had neither.
    """
    async with _state(settings) as engine:
        had = put_password(password_file, gateway, None) if password_file is not None else False
        gone = await GatewayKeyStore(engine).remove_keys(gateway)
        if not gone and not had:
            raise _unknown(gateway)
        await _audit(engine, "gateway revoke", gateway, f"{gone} keys")
    return gone, had


async def list_gateways(settings: Settings) -> tuple[list[GatewayKey], list[str]]:
    """Return the gateways' keys, and the gateways of the catalogue that have none."""
    async with _state(settings) as engine:
        keys = await GatewayKeyStore(engine).keys()
        active = await _active(engine)
    known = {key.gateway for key in keys}
    every = [gateway.id for gateway in active.gateways] if active is not None else []
    return keys, [gateway for gateway in every if gateway not in known]


async def add_key(settings: Settings, name: str, role: str) -> str:
    """Make an API key and return its secret; raises ``ValueError`` where the name is taken."""
    secret = new_secret()
    async with _state(settings) as engine:
        keys = KeyStore(engine)
        if any(key.name == name for key in await keys.keys()):
            raise ValueError(f"there is a key {name!r} already: revoke it first")
        await keys.add_key(name, secret, Role(role))
        await _audit(engine, "keys add", name, f"role {role}")
    return secret


async def list_keys(settings: Settings) -> list[Key]:
    """Return the API keys, without their secrets."""
    async with _state(settings) as engine:
        return await KeyStore(engine).keys()


async def revoke_key(settings: Settings, name: str) -> None:
    """Take an API key away; raises ``ValueError`` where there is none."""
    async with _state(settings) as engine:
        if not await KeyStore(engine).remove_key(name):
            raise ValueError(f"there is no key {name!r}: `lifeline keys list` shows them")
        await _audit(engine, "keys revoke", name)


async def _give(engine: StateEngine, wanted: Wanted) -> Given:
    """Make everything; what may fail outside of the database comes before what is in it."""
    password, secret = new_secret(), new_secret()
    line = password_line(wanted.gateway, password)
    given = Given(password, line, secret)
    if wanted.issuer is not None:
        given.files = issue_certificate(wanted.issuer, wanted.gateway, wanted.certificate_folder)
    if wanted.password_file is not None:
        put_password(wanted.password_file, wanted.gateway, line)
        given.remarks.append(f"{wanted.password_file} is written: tell mosquitto with SIGHUP")
    keys = GatewayKeyStore(engine)
    await keys.add_key(wanted.gateway, wanted.district, secret, time.time_ns())
    return given


async def _active(engine: StateEngine) -> Catalogue | None:
    store = CatalogueStore(engine)
    newest = await store.latest_revision()
    return await store.catalogue(newest) if newest else None


def _catalogue_remarks(catalogue: Catalogue | None, wanted: Wanted) -> list[str]:
    """Return where the catalogue and what was asked for do not agree."""
    gateways = catalogue.gateways if catalogue is not None else ()
    known = next((one for one in gateways if one.id == wanted.gateway), None)
    if known is None:
        facility = wanted.facility or "…"
        line = f"{{id: {wanted.gateway}, district: {wanted.district}, facility: {facility}}}"
        remark = (
            f"gateway {wanted.gateway} is not in the catalogue: what it sends waits in the inbox"
            f" until it is; add to the catalogue's file, under gateways: - {line}"
        )
        return [remark]
    remarks = []
    for word, asked, there in (
        ("district", wanted.district, known.district),
        ("facility", wanted.facility, known.facility),
    ):
        if asked and asked != there:
            remarks.append(f"the catalogue has it in {word} {there}, not {asked}")
    return remarks


def _unknown(gateway: str) -> GatewaySecretError:
    return GatewaySecretError(
        f"gateway {gateway} has no keys: `lifeline gateway add {gateway} --district …` gives it some"
    )


async def _audit(engine: StateEngine, action: str, target: str, detail: str = "") -> None:
    await Auditor(engine).record(command_line_author(), action, target, detail)
