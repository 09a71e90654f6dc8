"""InfluxDB 2.x: lines through influxdb-client, queries over its 1.x interface."""

from collections.abc import Mapping
from datetime import UTC, datetime

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from domain.time import NS_PER_S
from storage.archive import ArchiveError
from storage.archive.influx_server import (
    CONNECT_TIMEOUT_S,
    WRITE_TIMEOUT_S,
    MissingDatabaseError,
    Queries,
    Row,
    away,
    raise_for,
    refusal,
    said,
)
from storage.archive.influx_url import InfluxUrl

_FIRST = "1678-01-01T00:00:00Z"  # the years before are out of reach of a text


class TwoServer:
    """InfluxDB 2.x; see ``influx_server.Server``."""

    def __init__(self, url: InfluxUrl) -> None:
        self._url = url
        self._client = InfluxDBClient(
            url.address,
            token=url.secret,
            org=url.organisation,
            timeout=(round(CONNECT_TIMEOUT_S * 1e3), round(WRITE_TIMEOUT_S * 1e3)),
            retries=False,  # the archiver decides when to try again
        )
        self._writer = self._client.write_api(write_options=SYNCHRONOUS)
        self._queries = Queries(url, headers={"Authorization": f"Token {url.secret}"}, auth=None)

    def write(self, body: bytes) -> None:
        """See ``Server``."""
        try:
            self._writer.write(
                self._url.database,
                self._url.organisation,
                body,
                write_precision=WritePrecision.NS,  # type: ignore[arg-type]  # its texts, says the client
            )
        except ApiException as error:
            raise_for(self._url, error.status or 0, said(_body(error)), _headers(error))
        except (HTTPError, OSError) as error:
            raise away(self._url, error) from error

    def query(self, text: str) -> list[Row]:
        """See ``Server``."""
        return self._queries.query(text)

    def create(self) -> None:
        """See ``Server``: a bucket of 2.x is made by its administrator."""
        raise ArchiveError(
            f"InfluxDB at {self._url!r} has no bucket {self._url.database!r} of the organisation "
            f"{self._url.organisation!r} that InfluxQL can reach: make the bucket, and see with "
            f"'influx v1 dbrp list' that a DBRP mapping of the database {self._url.database!r} leads "
            "to it",
            permanent=False,
        )

    def delete_before(self, time_ns: int) -> None:
        """See ``Server``: 2.x deletes through an interface of its own."""
        self._delete('_measurement="reading"', time_ns)

    def delete_of(self, measurement: str, channel_id: str, time_ns: int) -> None:
        """See ``Server``."""
        name = channel_id.replace("\\", "\\\\").replace('"', '\\"')
        self._delete(f'_measurement="{measurement}" AND channel="{name}"', time_ns)

    def _delete(self, predicate: str, time_ns: int) -> None:
        seconds, rest_ns = divmod(time_ns, NS_PER_S)
        stop = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        try:
            self._client.delete_api().delete(
                _FIRST,
                f"{stop}.{rest_ns:09d}Z",
                predicate,
                bucket=self._url.database,
                org=self._url.organisation,
            )
        except ApiException as error:
            message = said(_body(error))
            if error.status == 404:
                raise MissingDatabaseError(message) from error
            raise refusal(self._url, error.status or 0, message, _headers(error)) from error
        except (HTTPError, OSError) as error:
            raise away(self._url, error) from error

    def close(self) -> None:
        """See ``Server``."""
        self._writer.close()  # type: ignore[no-untyped-call]
        rest = self._client.api_client.rest_client  # which does not close its connections itself
        self._client.close()  # type: ignore[no-untyped-call]
        rest.pool_manager.clear()
        self._queries.client.close()


def _body(error: ApiException) -> bytes:
    body = error.body
    return body if isinstance(body, bytes) else str(body or error.reason or "").encode()


def _headers(error: ApiException) -> Mapping[str, str]:
    return error.headers or {}
