"""One chunk to many connections: all of it to each, in order, whoever is slow or gone."""

import asyncio
import socket

import pytest

from api.fan import Fan, Place, chunk
from service.sending import FEW, write_to_all

LISTENERS = FEW + 12


class Server:
    """Connections of the running loop, and the other end of each."""

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self.transports, self.ends = [], []
        made = asyncio.Queue()

        class Noted(asyncio.Protocol):
            def connection_made(self, transport):
                self.lost = loop.create_future()
                made.put_nowait(transport)

            def connection_lost(self, _error):
                self.lost.set_result(None)

        self._server = await loop.create_server(Noted, "127.0.0.1", 0, family=socket.AF_INET)
        for _ in range(LISTENERS):
            end = socket.create_connection(self._server.sockets[0].getsockname())
            end.setblocking(False)
            self.ends.append(end)
            self.transports.append(await made.get())
        return self

    async def __aexit__(self, *_given):
        for end in self.ends:
            end.close()
        for transport in self.transports:
            transport.abort()
        self._server.close()
        await self._server.wait_closed()


def places_of(transports):
    return [Place(transport, None, lambda: None) for transport in transports]


async def read(end, size):
    loop, data = asyncio.get_running_loop(), b""
    async with asyncio.timeout(20):
        while len(data) < size:
            data += await loop.sock_recv(end, 1 << 20)
    return data


async def test_everybody_gets_everything_in_order_though_one_takes_nothing_for_a_while():
    async with Server() as server:
        fan = Fan(write_to_all)
        for place in places_of(server.transports):
            fan.join(place)
        slow, *quick = server.ends
        whole = b""
        number = 0
        while not server.transports[0].get_write_buffer_size():
            number += 1
            text = b"%d" % number * 10_000
            fan.write([(number, text)])
            one = chunk(text)
            for end in quick:
                assert await read(end, len(one)) == one
            whole += one
        fan.write([(number + 1, b"last")])  # behind what waits
        last = chunk(b"last")
        assert await read(slow, len(whole + last)) == whole + last
        for end in quick:
            assert await read(end, len(last)) == last


async def test_a_connection_that_is_gone_harms_nobody_and_ends():
    async with Server() as server:
        lost = server.transports[3].get_protocol().lost
        server.ends[3].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        server.ends[3].close()  # resets it
        for _ in range(3):
            write_to_all(places_of([t for t in server.transports if not t.is_closing()]), b"abc")
            await asyncio.sleep(0)
        for index, end in enumerate(server.ends):
            if index != 3:
                assert await read(end, 9) == b"abc" * 3
        async with asyncio.timeout(20):
            await lost


@pytest.mark.parametrize("info", [{"sslcontext": object()}, {}])
async def test_what_is_no_plain_socket_is_written_to_by_its_transport(info):
    class Wire:
        def __init__(self):
            self.data = b""

        def write(self, data):
            self.data += data

        def get_extra_info(self, name):
            return info.get(name)

    wires = [Wire() for _ in range(LISTENERS)]
    write_to_all(places_of(wires), b"abc")
    assert {wire.data for wire in wires} == {b"abc"}
