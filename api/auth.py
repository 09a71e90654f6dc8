"""Keys: every write needs one of an operator or admin; reads may be open on loopback."""

from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.context import Here
from api.errors import ApiError
from api.ports import Key

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


async def admin(here: Here, credentials: Credentials) -> Key:
    """Return the caller's key, which must be an admin's."""
    key = await writer(here, credentials)
    if key.role != "admin":
        raise ApiError(403, f"The role {key.role!r} may not do this.", "Use the key of an admin.")
    return key


Reader = Depends(reader)
Admin = Annotated[Key, Depends(admin)]
Writer = Annotated[Key, Depends(writer)]
