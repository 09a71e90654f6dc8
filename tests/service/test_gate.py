"""The gate: open while nobody has a reason, and saying which there are."""

import asyncio

from service.gate import Gate


async def test_it_is_open_until_somebody_has_a_reason_and_again_when_the_last_is_gone():
    gate = Gate()
    await gate.passed()
    assert (gate.is_open, gate.holding()) == (True, "")
    gate.close("disk", "no room")
    gate.close("journal", "it cannot be written")
    gate.open("disk")
    gate.open("disk")
    assert (gate.is_open, gate.holding()) == (False, "it cannot be written")
    waiting = asyncio.create_task(gate.passed())
    await asyncio.sleep(0)
    assert not waiting.done()
    gate.open("journal")
    await waiting
