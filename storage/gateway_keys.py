"""Keys of gateways for the HTTP push: each is bound to one gateway, and a gateway may have several.

They are apart from the API's keys: a gateway can do nothing but push its own frames, and no
person's key can push. As there, a secret has 256 random bits and only its SHA-256 is kept.
"""

import hmac
import secrets
from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from storage import tables
from storage.keys import digest_of
from storage.state import StateEngine

_rows = tables.gateway_keys


@dataclass(frozen=True, slots=True)
class GatewayKey:
    """Whom a secret belongs to; ``district`` stands for the gateway until it is in the catalogue."""

    id: str
    gateway: str
    district: str
    made_at_ns: int


class GatewayKeyStore:
    """The gateways' keys in the state database."""

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine

    async def add_key(self, gateway: str, district: str, secret: str, made_at_ns: int) -> str:
        """Store a key beside the gateway's others, and return its id."""
        if not secret or not gateway:
            raise ValueError("a gateway's key needs a gateway and a secret")
        row = {
            "id": secrets.token_hex(6),
            "gateway": gateway,
            "district": district,
            "digest": digest_of(secret),
            "made_at_ns": made_at_ns,
        }
        await self._engine.write(lambda connection: connection.execute(insert(_rows).values(row)))
        return row["id"]  # type: ignore[return-value]  # of the row's mixed values

    async def find_gateway_key(self, secret: str) -> GatewayKey | None:
        """Return whose key this is, or ``None``; see ``KeyStore.find_key`` for the time it takes."""
        digest = digest_of(secret)
        found: GatewayKey | None = None
        for row in await self._engine.fetch(select(_rows).where(_rows.c.digest == digest)):
            if hmac.compare_digest(row.digest, digest):
                found = GatewayKey(row.id, row.gateway, row.district, row.made_at_ns)
        return found

    async def keys(self, gateway: str | None = None) -> list[GatewayKey]:
        """Return the keys of a gateway, or of all, the oldest first, without their secrets."""
        wanted = select(_rows).order_by(_rows.c.gateway, _rows.c.made_at_ns, _rows.c.id)
        if gateway is not None:
            wanted = wanted.where(_rows.c.gateway == gateway)
        found = await self._engine.fetch(wanted)
        return [GatewayKey(row.id, row.gateway, row.district, row.made_at_ns) for row in found]

    async def remove_keys(self, gateway: str, *, but: str = "") -> int:
        """Take a gateway's keys away, all ``but`` one id; return how many there were."""
        statement = delete(_rows).where(_rows.c.gateway == gateway, _rows.c.id != but)
        gone = await self._engine.write(lambda connection: connection.execute(statement))
        return gone.rowcount
