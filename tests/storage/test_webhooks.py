from dataclasses import dataclass

import pytest

from storage.alarms import Commit
from storage.outbox import OutboxRow
from storage.pages import BadCursorError
from storage.webhooks import WebhookStore
from tests.storage.worlds import notice, transition


@dataclass(frozen=True)
class Given:
    number: int
    attempts: int = 5
    error: str = "answered 500\x00"
    first_tried_ns: int = 1
    last_tried_ns: int = 2


@pytest.fixture
def webhooks(engine):
    return WebhookStore(engine)


async def test_a_new_consumer_begins_at_the_newest_row_and_keeps_its_place(store, webhooks):
    await store.commit(Commit(1, notices=[notice("n-1"), notice("n-2")]))
    assert await webhooks.begin("webhook:a") == 2
    await store.commit(Commit(2, notices=[notice("n-3")]))
    assert await webhooks.begin("webhook:a") == 2
    assert await webhooks.rows_after(2, 10) == [OutboxRow(3, notice("n-3"))]
    await webhooks.mark("webhook:a", 3, [])
    await webhooks.mark("webhook:a", 1, [])
    assert await webhooks.begin("webhook:a") == 3
    assert await webhooks.newest() == 3


async def test_a_notice_is_found_with_its_transition(store, webhooks):
    await store.commit(Commit(1, [transition("transition-0")], [notice("n-1")]))
    told = await webhooks.told(1)
    assert (told.number, told.notice, told.transition_number) == (1, notice("n-1"), 1)
    assert told.transition == transition("transition-0")
    assert await webhooks.told(2) is None


async def test_a_notice_whose_transition_is_gone_is_found_without_it(store, webhooks):
    await store.commit(Commit(1, notices=[notice("n-1")]))
    assert (await webhooks.told(1)).transition is None


async def test_what_is_given_up_becomes_a_dead_letter_in_the_step_that_moves_the_cursor(
    store, webhooks
):
    await store.commit(Commit(1, [transition("transition-0")], [notice(f"n-{n}") for n in "1234"]))
    await webhooks.begin("webhook:a")
    await webhooks.mark("webhook:a", 4, [Given(1), Given(3), Given(99)])
    await webhooks.mark("webhook:a", 4, [Given(3, attempts=6)])
    page = await webhooks.dead_letters("webhook:a", limit=1)
    assert [letter.told.notice.id for letter in page.items] == ["n-3"]
    rest = await webhooks.dead_letters("webhook:a", page.next)
    assert [letter.told.notice.id for letter in rest.items] == ["n-1"]
    assert await webhooks.count_dead_letters("webhook:a") == 2
    assert await webhooks.count_dead_letters("webhook:b") == 0
    letter = await webhooks.dead_letter("webhook:a", "n-3")
    assert (letter.attempts, letter.error) == (6, "answered 500\ufffd")
    assert letter.told.transition.id == "transition-0"
    with pytest.raises(BadCursorError):
        await webhooks.dead_letters("webhook:a", "nonsense")


async def test_a_dead_letter_counts_what_is_tried_and_goes_when_it_is_taken(store, webhooks):
    await store.commit(Commit(1, notices=[notice("n-1")]))
    await webhooks.mark("webhook:a", 1, [Given(1)])
    await webhooks.note_attempt("webhook:a", "n-1", "cannot connect", 9)
    letter = await webhooks.dead_letter("webhook:a", "n-1")
    assert (letter.attempts, letter.error, letter.last_tried_ns) == (6, "cannot connect", 9)
    await webhooks.forget_letter("webhook:a", "n-1")
    assert await webhooks.dead_letter("webhook:a", "n-1") is None


async def test_who_is_gone_stays_gone_at_its_address(webhooks):
    await webhooks.disable("a", "https://a/x", 1)
    await webhooks.disable("a", "https://a/x", 2)
    assert await webhooks.is_disabled("a", "https://a/x")
    assert not await webhooks.is_disabled("a", "https://a/y")
    assert not await webhooks.is_disabled("b", "https://a/x")
    await webhooks.enable("a")
    assert not await webhooks.is_disabled("a", "https://a/x")
