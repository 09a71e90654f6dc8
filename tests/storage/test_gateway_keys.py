import pytest

from storage import tables
from storage.gateway_keys import GatewayKeyStore


@pytest.fixture
def keys(engine):
    return GatewayKeyStore(engine)


async def test_a_gateway_has_as_many_keys_as_it_was_given(keys):
    first = await keys.add_key("gw-a", "north", "one", 1)
    second = await keys.add_key("gw-a", "north", "two", 2)
    await keys.add_key("gw-b", "south", "three", 3)
    assert [(key.id, key.made_at_ns) for key in await keys.keys("gw-a")] == [
        (first, 1),
        (second, 2),
    ]
    assert [key.gateway for key in await keys.keys()] == ["gw-a", "gw-a", "gw-b"]
    found = await keys.find_gateway_key("two")
    assert (found.id, found.gateway, found.district) == (second, "gw-a", "north")
    assert await keys.find_gateway_key("four") is None


async def test_keys_are_taken_away_all_or_all_but_one(keys):
    kept = [await keys.add_key("gw-a", "north", secret, 1) for secret in ("one", "two", "three")][1]
    await keys.add_key("gw-b", "north", "other", 1)
    assert await keys.remove_keys("gw-a", but=kept) == 2
    assert await keys.find_gateway_key("one") is None
    assert (await keys.find_gateway_key("two")).id == kept
    assert await keys.remove_keys("gw-a") == 1
    assert await keys.remove_keys("gw-a") == 0
    assert [key.gateway for key in await keys.keys()] == ["gw-b"]


async def test_a_secret_is_never_stored(engine, keys):
    await keys.add_key("gw-a", "north", "a-secret-of-its-own", 1)
    async with engine.read() as connection:
        rows = (await connection.execute(tables.gateway_keys.select())).all()
    assert "a-secret-of-its-own" not in repr(rows)


@pytest.mark.parametrize(("gateway", "secret"), [("", "x"), ("gw", "")])
async def test_a_key_needs_a_gateway_and_a_secret(keys, gateway, secret):
    with pytest.raises(ValueError, match="needs a gateway and a secret"):
        await keys.add_key(gateway, "north", secret, 1)
