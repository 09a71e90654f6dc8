"""Keys: every write needs one of an operator or admin; reads may be open on loopback."""

from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.context import Context, Here
from api.errors import ApiError
from api.ports import GatewayKey, Key

SECRET_CHARS_MAX = 512
WRITERS = frozenset({"operator", "admin"})

_bearer = HTTPBearer(auto_error=False, description="A key, as given out by the administrator.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def _unauthorized(detail: str, *, error: str = "") -> ApiError:
    challenge = 'Bearer realm="lifeline"' + (f', error="{error}"' if error else "")
    remedy = "Send Authorization: Bearer <key>."
    return ApiError(401, detail, remedy, headers={"WWW-Authenticate": challenge})


async def _find(here: Here, credentials: HTTPAuthorizationCredentials) -> Key:
    secret = credentials.credentials
    key = None
    if 0 < len(secret) <= SECRET_CHARS_MAX:
        key = await here.ports.keys.find_key(secret)
    if key is None:
        raise _unauthorized("This key is not known.", error="invalid_token")
    return key


async def reader(here: Here, credentials: Credentials) -> Key | None:
    """Return the caller's key; ``None`` where reads are open and none was sent."""
    if credentials is not None:
        return await _find(here, credentials)
    if here.settings.open_reads:
        return None
    raise _unauthorized("Reading needs a key here.")


async def writer(here: Here, credentials: Credentials) -> Key:
    """Return the caller's key, which may write."""
    if credentials is None:
        raise _unauthorized("Writing needs a key.")
    key = await _find(here, credentials)
    if key.role not in WRITERS:
        raise ApiError(
            403, f"The role {key.role!r} may not do this.", "Use the key of an operator or admin."
        )
    return key


async def administrator(here: Here, credentials: Credentials) -> Key:
    """Return the caller's key, which is an administrator's."""
    if credentials is None:
        raise _unauthorized("This needs an administrator's key.")
    key = await _find(here, credentials)
    if key.role != "admin":
        raise ApiError(403, f"The role {key.role!r} may not see this.", "Use an admin's key.")
    return key


async def gateway_of(here: Context, gateway: str, credentials: Credentials) -> GatewayKey:
    """Return the key that may push as ``gateway``; no person's key may, an admin's neither."""
    if credentials is None:
        raise _unauthorized("Pushing needs the gateway's key.")
    secret = credentials.credentials
    if not 0 < len(secret) <= SECRET_CHARS_MAX:
        raise _unauthorized("This key is not known.", error="invalid_token")
    key = await here.ports.gateway_keys.find_gateway_key(secret)
    if key is not None and key.gateway == gateway:
        return key
    if key is not None or await here.ports.keys.find_key(secret) is not None:
        raise ApiError(
            403, "This key is not this gateway's.", "Use a key made by `lifeline gateway add`."
        )
    raise _unauthorized("This key is not known.", error="invalid_token")


Reader = Depends(reader)
Administrator = Annotated[Key, Depends(administrator)]
Writer = Annotated[Key, Depends(writer)]
