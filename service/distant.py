"""The interface's ports where the real parts are in another process, and asked over the line."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from api.ports import AlarmFilter, Buckets, GatewayStatus, Series
from domain.accounting import Accounts
from domain.alarm import Alarm
from domain.catalogue import Catalogue
from domain.profiles import ActiveProfile
from domain.readings import Int64s, Latest, UInt8s
from ingest.wire import DECODERS
from service.abreast import Abreast
from service.line import Line
from storage import alarmlist
from storage.alarms import AlarmStore
from storage.pages import Page
from storage.state import StateEngine


class Distant:
    """A port of the other process: each of its methods is a coroutine here."""

    def __init__(self, line: Line, abreast: Abreast, name: str) -> None:
        self._line = line
        self._abreast = abreast
        self._name = name
        self._loop = asyncio.get_running_loop()

    def __getattr__(self, method: str) -> Callable[..., Any]:
        """Return the method of this name."""

        async def asked(*given: Any, **named: Any) -> Any:
            stamp, value = await self._line.ask(self._name, method, *given, **named)
            await self._abreast.keep(stamp)
            return value

        self.__dict__[method] = asked
        return asked

    def wait(self, method: str, *given: Any) -> Any:
        """Return what the method returns; for a thread that may wait, which the loop's must not."""
        asking = self.__getattr__(method)(*given)
        return asyncio.run_coroutine_threadsafe(asking, self._loop).result()


class DistantLive:
    """The picture of this moment; see ``api.ports.Live``. What asks is called from threads that may wait."""

    def __init__(self, port: Distant, abreast: Abreast, *, wall_clock: bool) -> None:
        self._port = port
        self._abreast = abreast
        self._wall_clock = wall_clock

    def catalogue(self) -> Catalogue:
        """Return the active revision."""
        return self._abreast.shown.catalogue

    async def latest(self, channel_ids: Sequence[str] | None = None) -> Mapping[str, Latest]:
        """Return the latest readings and grades."""
        latest: Mapping[str, Latest] = await self._port.latest(channel_ids)
        return latest

    def newest(self) -> tuple[Catalogue, Int64s, UInt8s]:
        """Return the active revision with all its channels' newest times and grades."""
        while True:
            serial, time_ns, grade = self._port.wait("newest")
            shown = self._abreast.shown
            if shown.serial == serial:  # else it changed meanwhile: these are of another order
                return shown.catalogue, time_ns, grade

    def open_alarms(self) -> Sequence[Alarm]:
        """Return the alarms that have not ended."""
        alarms: Sequence[Alarm] = self._port.wait("open_alarms")
        return alarms

    async def profiles(self) -> Mapping[str, ActiveProfile]:
        """Return the limit profiles in force, by facility id."""
        profiles: Mapping[str, ActiveProfile] = await self._port.profiles()
        return profiles

    def now_ns(self) -> int:
        """Return the service's time."""
        return time.time_ns() if self._wall_clock else self._abreast.now_ns


AnyAlarmFilter = AlarmFilter | alarmlist.AlarmFilter
FILTER_FIELDS = tuple(field.name for field in fields(alarmlist.AlarmFilter))


class DistantStore(AlarmStore):
    """What is committed, read here out of the database; the books are the other process's."""

    def __init__(self, engine: StateEngine, books: Distant) -> None:
        super().__init__(engine)
        self._books = books

    async def alarms(self, wanted: AnyAlarmFilter) -> Page[Alarm]:
        """Return a page of alarms; the interface's filter has the store's fields."""
        state = alarmlist.AlarmState(wanted.state)
        given = {name: getattr(wanted, name) for name in FILTER_FIELDS}
        return await super().alarms(alarmlist.AlarmFilter(**{**given, "state": state}))

    async def accounts(self) -> Accounts:
        """Return the books of all gateways."""
        accounts: Accounts = await self._books.accounts()
        return accounts

    async def gateways(self) -> Sequence[GatewayStatus]:
        """Return the presence of every gateway that was ever heard."""
        gateways: Sequence[GatewayStatus] = await self._books.gateways()
        return gateways


class DistantArchive:
    """The kept readings; see ``api.ports.Archive``."""

    def __init__(self, port: Distant) -> None:
        self._port = port

    def read(self, channel_id: str, start_ns: int, end_ns: int, limit: int) -> Series:
        """Return readings."""
        series: Series = self._port.wait("read", channel_id, start_ns, end_ns, limit)
        return series

    def read_buckets(self, channel_id: str, start_ns: int, end_ns: int, bucket_ns: int) -> Buckets:
        """Return figures."""
        buckets: Buckets = self._port.wait("read_buckets", channel_id, start_ns, end_ns, bucket_ns)
        return buckets


class DistantIntake(Distant):
    """Takes frames into the journal; see ``api.ports.Intake``."""

    @property
    def formats(self) -> frozenset[str]:
        """The payload formats that are decoded."""
        return frozenset(DECODERS)


class DistantMetrics(Collector):
    """The metrics of the other process, among those of this one."""

    def __init__(self, port: Distant) -> None:
        self._port = port

    def describe(self) -> Iterable[Metric]:
        """Say nothing beforehand: nobody is there yet to be asked."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of this moment; called from a thread that may wait."""
        metrics: list[Metric] = self._port.wait("collect")
        return metrics
