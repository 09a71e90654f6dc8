"""API keys: who may write, and what.

A secret has 256 random bits, so one round of SHA-256 is as good as a slow hash, and quick enough to be
asked with every request. The secret itself is never stored.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.state import StateEngine
from storage.upsert import upsert

ADMIN_NAME = "admin"
VIEWER_NAME = "viewer"

_rows = tables.api_keys


class Role(StrEnum):
    """What a key's holder may do; each may do what those after it may."""

    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Key:
    """Whom a secret belongs to."""

    name: str
    role: Role


def new_secret() -> str:
    """Return a fresh secret of 256 random bits, safe in URLs and headers."""
    return secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """Return what is stored of a secret: its SHA-256 in hexadecimal digits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class KeyStore:
    """The API keys in the state database."""

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine

    async def add_key(self, name: str, secret: str, role: Role | str) -> None:
        """Store a key, replacing the one of this name.

        Raises ``ValueError`` for an empty secret or name, for a role there is not, and for a secret
        that another name already has.
        """
        if not secret or not name:
            raise ValueError("a key needs a name and a secret")
        row = {"name": name, "digest": digest_of(secret), "role": Role(role).value}
        await self._engine.write(lambda connection: _put(connection, row))

    async def find_key(self, secret: str) -> Key | None:
        """Return whose key this is, or ``None``.

        The time it takes tells nothing of use: what is looked up is a digest that the asker cannot
        steer, and digests are compared in constant time.
        """
        digest = digest_of(secret)
        found: Key | None = None
        for row in await self._engine.fetch(select(_rows).where(_rows.c.digest == digest)):
            if hmac.compare_digest(row.digest, digest):
                found = Key(row.name, Role(row.role))
        return found

    async def keys(self) -> list[Key]:
        """Return all keys by name, without their secrets."""
        found = await self._engine.fetch(select(_rows).order_by(_rows.c.name))
        return [Key(row.name, Role(row.role)) for row in found]

    async def remove_key(self, name: str) -> bool:
        """Take a key away; return whether there was one."""
        statement = delete(_rows).where(_rows.c.name == name)
        gone = await self._engine.write(lambda connection: connection.execute(statement))
        return gone.rowcount > 0

    async def ensure_admin_key(self, secret: str) -> None:
        """Make ``secret`` (``LIFELINE_ADMIN_KEY``) the administrator's, as often as wanted.

        A changed setting replaces the secret of before.
        """
        await self._ensure(ADMIN_NAME, secret, Role.ADMIN)

    async def ensure_viewer_key(self, secret: str) -> None:
        """Make ``secret`` (``LIFELINE_VIEWER_KEY``) that of somebody who only reads; likewise."""
        await self._ensure(VIEWER_NAME, secret, Role.VIEWER)

    async def _ensure(self, name: str, secret: str, role: Role) -> None:
        found = await self.find_key(secret)
        if found is None or found.role is not role:
            await self.add_key(name, secret, role)


async def _put(connection: AsyncConnection, row: dict[str, str]) -> None:
    taken = select(_rows.c.name).where(_rows.c.digest == row["digest"])
    holder = (await connection.execute(taken)).scalar_one_or_none()
    if holder not in (None, row["name"]):
        raise ValueError(f"the secret of {row['name']!r} is already that of {holder!r}")
    await upsert(connection, _rows, [row])
