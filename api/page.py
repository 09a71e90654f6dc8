"""The one page: three files, kept in memory, served with their right types."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_FOLDER = Path(__file__).parent / "static"
_TYPES = {
    "index.html": "text/html; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "chart.js": "text/javascript; charset=utf-8",
    "net.js": "text/javascript; charset=utf-8",
    "words.js": "text/javascript; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page."""

    body: bytes
    media_type: str
    tag: str

    @classmethod
    def load(cls, name: str) -> "Asset":
        """Read the file called ``name``."""
        body = (_FOLDER / name).read_bytes()
        tag = hashlib.blake2b(body, digest_size=12).hexdigest()
        return cls(body, _TYPES[name], f'"{tag}"')

    def answer(self, request: Request) -> Response:
        """Return the file, or 304 where the browser has this very one."""
        headers = {"ETag": self.tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == self.tag:
            return Response(status_code=304, headers=headers)
        return Response(self.body, headers=headers, media_type=self.media_type)


def _route(path: str, asset: Asset) -> Route:
    async def show(request: Request) -> Response:
        return asset.answer(request)

    return Route(path, show, methods=["GET"], name=f"page {path}")


def page_routes() -> list[Route]:
    """Return the routes of the page and of its files."""
    assets = {name: Asset.load(name) for name in _TYPES}
    routes = [_route(f"/static/{name}", asset) for name, asset in assets.items()]
    return [_route("/", assets["index.html"]), *routes]
