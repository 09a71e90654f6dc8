import pytest

from storage.keys import Key, KeyStore, Role, new_secret
from tests.storage.worlds import dump


@pytest.fixture
def keys(engine):
    return KeyStore(engine)


@pytest.mark.parametrize("role", Role)
async def test_a_secret_finds_its_name_and_role(keys, role):
    secret = new_secret()
    await keys.add_key("wall", secret, role.value)
    assert await keys.find_key(secret) == Key("wall", role)


@pytest.mark.parametrize("secret", ["", "wrong", "\ud800", "\0", "x" * 100_000])
async def test_any_other_secret_finds_nothing(keys, secret):
    await keys.add_key("wall", new_secret(), Role.VIEWER)
    assert await keys.find_key(secret) is None


async def test_the_secret_itself_is_stored_nowhere(engine, keys):
    secret = new_secret()
    await keys.add_key("wall", secret, Role.VIEWER)
    assert secret not in str(await dump(engine))


def test_secrets_are_long_and_never_the_same():
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert min(map(len, secrets)) >= 43


async def test_a_name_given_again_gets_a_new_secret_and_the_old_one_stops(keys):
    old, new = new_secret(), new_secret()
    await keys.add_key("wall", old, Role.VIEWER)
    await keys.add_key("wall", new, Role.OPERATOR)
    assert await keys.find_key(old) is None
    assert await keys.keys() == [Key("wall", Role.OPERATOR)]


async def test_two_names_cannot_share_a_secret(keys):
    secret = new_secret()
    await keys.add_key("wall", secret, Role.VIEWER)
    with pytest.raises(ValueError, match="wall"):
        await keys.add_key("desk", secret, Role.ADMIN)
    assert await keys.find_key(secret) == Key("wall", Role.VIEWER)


@pytest.mark.parametrize(
    ("name", "secret", "role"), [("", "s", "admin"), ("n", "", "admin"), ("n", "s", "king")]
)
async def test_a_key_that_says_nothing_is_refused(keys, name, secret, role):
    with pytest.raises(ValueError, match=r"key needs|king"):
        await keys.add_key(name, secret, role)
    assert await keys.keys() == []


async def test_a_key_taken_away_opens_nothing(keys):
    secret = new_secret()
    await keys.add_key("wall", secret, Role.VIEWER)
    assert await keys.remove_key("wall") is True
    assert await keys.remove_key("wall") is False
    assert await keys.find_key(secret) is None


async def test_the_administrator_s_key_can_be_ensured_at_every_start(keys):
    for secret in ("first", "first", "second"):
        await keys.ensure_admin_key(secret)
        assert await keys.find_key(secret) == Key("admin", Role.ADMIN)
    assert await keys.find_key("first") is None
    assert await keys.keys() == [Key("admin", Role.ADMIN)]


async def test_a_viewer_s_key_can_be_ensured_and_gives_no_more_than_reading(keys):
    for secret in ("first", "first", "second"):
        await keys.ensure_viewer_key(secret)
        assert await keys.find_key(secret) == Key("viewer", Role.VIEWER)
    assert await keys.find_key("first") is None


async def test_a_viewer_cannot_have_the_administrator_s_secret(keys):
    await keys.ensure_admin_key("same")
    with pytest.raises(ValueError, match="already that of 'admin'"):
        await keys.ensure_viewer_key("same")
    assert await keys.find_key("same") == Key("admin", Role.ADMIN)
