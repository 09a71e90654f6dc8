"""The webhooks, wired: consumers, what the HTTP interface asks of them, health and metrics."""

import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from alerting.webhook import Endpoint, Failure, Sender, WebhookConsumer
from alerting.webhook.body import BodyWriter
from api.ports import Check, Refused, WebhookState, unknown_webhook
from api.present import alarm_out
from domain.catalogue import Catalogue
from domain.texts import alarm_text
from domain.time import NS_PER_S
from service.opening import StartError
from service.settings import Settings
from service.supervise import Supervisor
from storage.pages import Page
from storage.state import StateEngine
from storage.webhooks import DeadLetter, WebhookStore


@dataclass(frozen=True, slots=True)
class _Hook:
    endpoint: Endpoint
    sender: Sender
    consumer: WebhookConsumer


class Webhooks:
    """All endpoints of the settings, by name."""

    def __init__(
        self,
        hooks: Sequence[_Hook],
        store: WebhookStore,
        writer: BodyWriter,
        now_ns: Callable[[], int],
    ) -> None:
        self._hooks = {hook.endpoint.name: hook for hook in hooks}
        self._store = store
        self._writer = writer
        self._now_ns = now_ns

    @property
    def consumers(self) -> list[str]:
        """The consumers of the outbox that its rows must be kept for: not those that are gone."""
        return [
            hook.endpoint.consumer
            for hook in self._hooks.values()
            if hook.consumer.status.state != "disabled"
        ]

    def start(self, supervisor: Supervisor) -> None:
        """Start a task for each endpoint."""
        for name, hook in self._hooks.items():
            supervisor.start(f"webhook {name}", hook.consumer.run())

    def wake(self) -> None:
        """Say that there may be new notices."""
        for hook in self._hooks.values():
            hook.consumer.wake()

    async def states(self) -> list[WebhookState]:
        """Return every endpoint by name."""
        newest = await self._store.newest() if self._hooks else 0
        return [await self._state(hook, newest) for _, hook in sorted(self._hooks.items())]

    async def _state(self, hook: _Hook, newest: int) -> WebhookState:
        status = hook.consumer.status
        return WebhookState(
            name=hook.endpoint.name,
            host=hook.endpoint.host,
            state=status.state,
            cursor=status.cursor,
            lag=max(newest - status.cursor, 0),
            waiting=status.waiting,
            oldest_ns=status.oldest_ns,
            last_success_ns=status.last_success_ns,
            failing_since_ns=status.failing_since_ns,
            last_error=status.last_error,
            last_error_ns=status.last_error_ns,
            catching_up=status.catching_up,
            delivered=status.delivered,
            failures=status.failures,
            superseded=status.superseded,
            dead_letters=await self._store.count_dead_letters(hook.endpoint.consumer),
        )

    async def dead_letters(self, name: str, cursor: str | None, limit: int) -> Page[DeadLetter]:
        """Return an endpoint's dead letters, newest first."""
        return await self._store.dead_letters(self._hook(name).endpoint.consumer, cursor, limit)

    async def redeliver(self, name: str, notice_id: str) -> None:
        """Send a dead letter again, once."""
        hook = self._hook(name)
        consumer = hook.endpoint.consumer
        letter = await self._store.dead_letter(consumer, notice_id)
        if letter is None:
            raise Refused(
                404,
                f"The webhook {name!r} has no dead letter {notice_id!r}.",
                f"GET /api/v1/webhooks/{name}/dead-letters",
            )
        try:
            await hook.sender.send(notice_id, self._writer.write(letter.told))
        except Failure as failure:
            await self._store.note_attempt(consumer, notice_id, str(failure), self._now_ns())
            raise _not_taken(name, failure) from None
        await self._store.forget_letter(consumer, notice_id)

    async def test(self, name: str, author: str) -> int:
        """Send a signed test and return the answer's status."""
        hook = self._hook(name)
        body = self._writer.write_test(self._now_ns(), author)
        try:
            status = await hook.sender.send(f"test-{uuid.uuid4().hex}", body)
        except Failure as failure:
            raise _not_taken(name, failure) from None
        await hook.consumer.reached()
        return status

    def _hook(self, name: str) -> _Hook:
        hook = self._hooks.get(name)
        if hook is None:
            raise unknown_webhook(name)
        return hook

    def checks(self) -> list[Check]:
        """Return a check of each endpoint; none is vital, since the service is whole without it."""
        return [
            Check(
                f"webhook {name}",
                hook.consumer.status.state not in ("failing", "disabled"),
                _words(hook),
                vital=False,
            )
            for name, hook in sorted(self._hooks.items())
        ]

    def collector(self) -> Collector:
        """Return the metrics."""
        return _WebhookCollector(self._hooks, self._now_ns)


def _not_taken(name: str, failure: Failure) -> Refused:
    remedy = "Look at the endpoint's own log; GET /api/v1/webhooks shows how it is."
    return Refused(502, f"The webhook {name!r} did not take it: {failure}.", remedy)


def _words(hook: _Hook) -> str:
    status = hook.consumer.status
    if status.state == "disabled":
        return "disabled: it answered 410; a test that succeeds enables it again"
    if status.state == "failing":
        return f"{status.last_error}; {status.waiting} waiting"
    return f"{status.waiting} waiting"


class _WebhookCollector(Collector):
    """Reads the endpoints' consumers."""

    def __init__(self, hooks: dict[str, _Hook], now_ns: Callable[[], int]) -> None:
        self._hooks = hooks
        self._now_ns = now_ns

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics of this moment."""
        counters = {
            "delivered": "Notices delivered.",
            "failures": "Deliveries that failed.",
            "given_up": "Notices that became dead letters.",
            "superseded": "Notices left out while catching up.",
        }
        for field, meaning in counters.items():
            counter = CounterMetricFamily(f"lifeline_webhook_{field}", meaning, labels=["webhook"])
            for name, hook in self._hooks.items():
                counter.add_metric([name], getattr(hook.consumer.status, field))
            yield counter
        up = GaugeMetricFamily("lifeline_webhook_up", "0 while it fails.", labels=["webhook"])
        lag = GaugeMetricFamily("lifeline_webhook_waiting", "Notices waiting.", labels=["webhook"])
        age = GaugeMetricFamily(
            "lifeline_webhook_oldest_age_seconds", "Age of what waits.", labels=["webhook"]
        )
        for name, hook in self._hooks.items():
            status = hook.consumer.status
            up.add_metric([name], float(status.state not in ("failing", "disabled")))
            lag.add_metric([name], status.waiting)
            waited_ns = self._now_ns() - status.oldest_ns if status.oldest_ns else 0
            age.add_metric([name], max(waited_ns, 0) / NS_PER_S)
        yield from (up, lag, age)


def open_webhooks(
    settings: Settings,
    state: StateEngine,
    stack: AsyncExitStack,
    catalogue: Callable[[], Catalogue],
    now_ns: Callable[[], int],
    confirm: Callable[[], Awaitable[None]] | None = None,
) -> Webhooks:
    """Make the endpoints that the settings name; raises ``StartError``.

    ``now_ns`` is the wall's time: receivers compare the signature's with their own. ``confirm`` is
    awaited before each delivery: it raises where another instance delivers now.
    """
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole addresses
    writer = BodyWriter(
        lambda alarm: alarm_out(alarm, catalogue(), alarm_text).model_dump(mode="json"),
        settings.public_url,
    )
    store = WebhookStore(state)
    hooks = []
    for given in settings.webhooks:
        try:
            endpoint = given.endpoint()
            sender = Sender(endpoint, now_ns)
        except (ValueError, OSError) as error:
            raise StartError(f"LIFELINE_WEBHOOKS: {error}") from None
        stack.push_async_callback(sender.close)
        send = sender.send if confirm is None else _confirmed(confirm, sender.send)
        consumer = WebhookConsumer(store, endpoint, send, writer, now_ns)
        hooks.append(_Hook(endpoint, sender, consumer))
    return Webhooks(hooks, store, writer, now_ns)


def _confirmed(
    confirm: Callable[[], Awaitable[None]], send: Callable[[str, str], Awaitable[int]]
) -> Callable[[str, str], Awaitable[int]]:
    async def send_as_leader(message_id: str, body: str) -> int:
        await confirm()
        return await send(message_id, body)

    return send_as_leader
