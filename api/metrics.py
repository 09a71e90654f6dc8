"""The interface's own metrics; never a label per sensor."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BUCKETS_S = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0)


class ApiMetrics:
    """Requests by route (its template, not its path), time taken, listeners."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "lifeline_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=registry,
        )
        self.request_s = Histogram(
            "lifeline_http_request_seconds",
            "Time to the first byte of an answer.",
            ("route",),
            registry=registry,
            buckets=_BUCKETS_S,
        )
        self.listeners = Gauge(
            "lifeline_http_listeners", "Listeners on the event stream.", registry=registry
        )
        self.listeners_cut = Counter(
            "lifeline_http_listeners_cut", "Listeners cut off as too slow.", registry=registry
        )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def route_label(scope: Scope) -> str:
    """Return the template of the route, or ``other``: paths are strangers' words."""
    return str(getattr(scope.get("route"), "path", "other"))


class MeasureRequests:
    """Counts every answer when its first byte goes out."""

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and watch its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = time.perf_counter()

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = route_label(scope)
                method = scope["method"] if scope["method"] in _METHODS else "other"
                self._metrics.requests.labels(method, route, message["status"]).inc()
                self._metrics.request_s.labels(route).observe(time.perf_counter() - began_s)
            await send(message)

        await self._app(scope, receive, watched)
