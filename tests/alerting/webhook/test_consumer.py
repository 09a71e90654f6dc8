"""The consumer over a store in memory: policies, and a crash at each await point."""

import json
from dataclasses import dataclass, replace
from itertools import count

import pytest
import structlog

from alerting.webhook import Endpoint, Failure, Trouble, WebhookConsumer
from alerting.webhook.body import BodyWriter
from alerting.webhook.consumer import OUTAGE_S, ROWS_MAX
from domain.alarm import Notice, Transition, TransitionKind
from domain.grade import Condition, Grade
from tests.servers.receiver import SECRET
from tests.storage.worlds import alarm

S = 10**9
HOOK = Endpoint("city", "https://city.example/hooks/x", (SECRET,))
WRITER = BodyWriter(lambda one: {"id": one.id, "grade": one.grade.word}, "https://lifeline.example")


@dataclass(frozen=True)
class Row:
    number: int
    notice: Notice
    transition_number: int | None = None
    transition: Transition | None = None


class Crash(BaseException):
    """The process ended here."""


class World:
    """An outbox in memory and an endpoint, whose every step may be the last of a process."""

    def __init__(self):
        self.rows = []
        self.cursors = {}
        self.letters = {}
        self.disabled = set()
        self.now_ns = 1_000 * S
        self.answer = lambda notice_id: None
        self.tried, self.taken, self.bodies, self.pauses = [], [], [], []
        self.steps_left = None

    def step(self):
        if self.steps_left is not None:
            if self.steps_left == 0:
                raise Crash
            self.steps_left -= 1

    def write(self, alarm_id="a", grade=Grade.BLUE, **changes):
        number = len(self.rows) + 1
        told = alarm(alarm_id, grade=grade, **{"peak_grade": max(grade, Grade.BLUE), **changes})
        transition = Transition(
            f"t-{number}", number, 0, TransitionKind.RAISED, 5 * S, 7 * S, Grade.NORMAL, told
        )
        notice = Notice(f"n-{number}", number, transition.id, told)
        self.rows.append(Row(number, notice, 100 + number, transition))

    async def begin(self, consumer):
        self.step()
        return self.cursors.setdefault(consumer, len(self.rows))

    async def rows_after(self, number, limit):
        self.step()
        return [row for row in self.rows if row.number > number][:limit]

    async def told(self, number):
        self.step()
        return next((row for row in self.rows if row.number == number), None)

    async def mark(self, consumer, number, given_up):
        self.step()
        self.cursors[consumer] = max(number, self.cursors[consumer])
        self.letters |= {f"n-{one.number}": one for one in given_up}
        self.step()  # committed, and the process ends before it hears of it

    async def is_disabled(self, name, url):
        self.step()
        return (name, url) in self.disabled

    async def disable(self, name, url, now_ns):
        self.step()
        self.disabled.add((name, url))

    async def enable(self, name):
        self.disabled.clear()

    async def send(self, message_id, body):
        self.step()
        self.tried.append(message_id)
        failure = self.answer(message_id)
        if failure is not None:
            raise failure
        self.taken.append(message_id)
        self.bodies.append(json.loads(body))
        self.step()  # the endpoint has it, and the process ends before it hears of it
        return 204

    async def pause(self, seconds):
        self.step()
        self.pauses.append(seconds)
        self.now_ns += round(seconds * S)

    def consumer(self, endpoint=HOOK):
        return WebhookConsumer(
            self, endpoint, self.send, WRITER, lambda: self.now_ns,
            pause=self.pause, jitter=lambda: 0.5,
        )  # fmt: skip

    async def life(self, endpoint=HOOK, advances=10_000):
        """Run a consumer until nothing is left to do; return it."""
        consumer = self.consumer(endpoint)
        await consumer.open()
        for _ in range(advances):
            pause_s = await consumer.advance()
            if pause_s is None:
                break
            if pause_s:
                await self.pause(pause_s)
        return consumer


@pytest.fixture
def world():
    made = World()
    made.cursors[HOOK.consumer] = 0
    return made


def failing(trouble, detail="answered 500"):
    return Failure(trouble, detail)


async def test_notices_are_delivered_in_order_and_marked(world):
    for _ in range(3):
        world.write()
    consumer = await world.life()
    assert world.taken == ["n-1", "n-2", "n-3"]
    assert world.cursors == {"webhook:city": 3}
    assert (consumer.status.state, consumer.status.delivered) == ("working", 3)


async def test_a_new_endpoint_begins_with_what_comes_from_now_on():
    world = World()
    world.write()
    consumer = await world.life()
    world.write()
    assert await consumer.advance() == 0.0
    assert world.taken == ["n-2"]


async def test_the_body_has_alarm_transition_and_links(world):
    world.write(grade=Grade.RED)
    await world.life()
    [body] = world.bodies
    assert body["type"] == "alarm.raised"
    assert body["timestamp"] == "1970-01-01T00:00:05Z"
    data = body["data"]
    assert data["notice"] == {"id": "n-1", "number": 1, "superseded": 0}
    assert data["alarm"] == {"id": "a", "grade": "red"}
    assert data["transition"]["previous_grade"] == "normal"
    assert data["links"]["alarm"] == "https://lifeline.example/api/v1/alarms/a"
    assert data["links"]["transitions"].endswith("/api/v1/transitions?after=100")


async def test_a_body_without_a_kept_transition_says_less(world):
    world.write()
    world.rows = [replace(world.rows[0], transition=None, transition_number=None)]
    await world.life()
    assert world.bodies[0]["type"] == "alarm.changed"
    assert world.bodies[0]["data"]["transition"] is None


async def test_an_endpoint_is_told_only_what_it_asked_for(world):
    world.write(grade=Grade.BLUE)
    world.write(grade=Grade.RED, facility_kind="tunnel")
    world.write(grade=Grade.RED, condition=Condition.STUCK)
    world.write(grade=Grade.NORMAL, peak_grade=Grade.RED, active=False)
    endpoint = replace(
        HOOK, grade_min=Grade.ORANGE, facility_kinds=frozenset({"bridge"}), faults=False
    )
    await world.life(endpoint)
    assert world.taken == ["n-4"]
    assert world.cursors == {"webhook:city": 4}


async def test_an_endpoint_that_is_down_loses_nothing_however_long(world):
    world.write()
    world.write("b", Grade.RED)
    world.answer = lambda _: failing(Trouble.UNREACHABLE, "cannot connect")
    consumer = await world.life(advances=500)
    assert (world.cursors, world.letters) == ({"webhook:city": 0}, {})
    assert consumer.status.state == "failing"
    assert consumer.status.last_error == "cannot connect"
    assert consumer.status.oldest_ns == 7 * S
    assert max(world.pauses) == 300.0
    assert world.now_ns > 24 * 3600 * S
    world.answer = lambda _: None
    while await consumer.advance() is not None:
        pass
    assert world.taken == ["n-2", "n-1"]  # after so long the worst first
    assert (consumer.status.state, consumer.status.oldest_ns) == ("working", 0)


async def test_a_short_outage_keeps_the_order(world):
    for number in range(4):
        world.write(f"alarm {number}", Grade.RED if number == 3 else Grade.BLUE)
    failures = count()
    world.answer = lambda _: failing(Trouble.UNREACHABLE) if next(failures) < 4 else None
    await world.life()
    assert sum(world.pauses) < OUTAGE_S
    assert world.taken == ["n-1", "n-2", "n-3", "n-4"]


async def test_red_does_not_wait_behind_a_thousand_blue_ones(world):
    for number in range(1000):
        world.write(f"alarm {number % 50}")
    world.write("red", Grade.RED)
    consumer = await world.life()
    assert world.taken[0] == "n-1001"
    assert len(world.taken) == 51
    assert world.bodies[1]["data"]["notice"]["superseded"] == 19
    assert consumer.status.superseded == 950
    assert world.cursors == {"webhook:city": 1001}


async def test_a_notice_that_fails_alone_becomes_a_dead_letter(world):
    for number in range(8):
        world.write(f"alarm {number}")
    world.answer = lambda one: failing(Trouble.ANSWERED) if one == "n-3" else None
    consumer = await world.life()
    assert world.taken == ["n-1", "n-2", "n-4", "n-5", "n-6", "n-7", "n-8"]
    letter = world.letters["n-3"]
    assert (letter.number, letter.error) == (3, "answered 500")
    assert letter.attempts >= 3
    assert letter.first_tried_ns < letter.last_tried_ns
    assert (consumer.status.given_up, consumer.status.state) == (1, "working")
    assert world.cursors == {"webhook:city": 8}


async def test_an_endpoint_that_refuses_everything_loses_nothing(world):
    for number in range(5):
        world.write(f"alarm {number}")
    world.answer = lambda _: failing(Trouble.REFUSED, "answered 401")
    await world.life(advances=300)
    assert world.letters == {}
    world.answer = lambda _: None
    await world.life()
    assert sorted(world.taken) == [f"n-{number}" for number in range(1, 6)]
    assert world.letters == {}


async def test_410_disables_the_endpoint_loudly_until_it_is_reached_again(world):
    world.write()
    world.answer = lambda _: failing(Trouble.GONE, "answered 410: gone")
    with structlog.testing.capture_logs() as lines:
        consumer = await world.life()
    assert any(line["log_level"] == "error" and "410" in line["event"] for line in lines)
    assert consumer.status.state == "disabled"
    world.answer = lambda _: None
    assert (await world.life()).status.state == "disabled"  # after a restart, too
    assert world.taken == []
    moved = await world.life(replace(HOOK, url="https://city.example/new"))
    assert (moved.status.state, world.taken) == ("working", ["n-1"])
    world.write()
    await consumer.reached()
    while await consumer.advance() is not None:
        pass
    assert world.taken[-1] == "n-2"


async def test_what_the_outbox_no_longer_keeps_is_passed_over(world):
    world.write()
    world.write("b")
    consumer = world.consumer()
    await consumer.open()
    await consumer._read()
    del world.rows[0]
    while await consumer.advance() is not None:
        pass
    assert (world.taken, world.cursors) == (["n-2"], {"webhook:city": 2})


@pytest.mark.parametrize("backlog", [6, ROWS_MAX + 10])
async def test_a_crash_at_any_await_loses_nothing_and_ids_stay(backlog):
    def fresh():
        world = World()
        world.cursors[HOOK.consumer] = 0
        for number in range(backlog):
            world.write(f"alarm {number % 7}", Grade(1 + number % 4))
        seen = count()
        # one notice never works, and the endpoint is away for a moment now and then
        world.answer = lambda one: (
            failing(Trouble.ANSWERED)
            if one == "n-2"
            else failing(Trouble.UNREACHABLE)
            if next(seen) % 5 == 3
            else None
        )
        return world

    whole = fresh()
    whole.steps_left = 100_000
    await whole.life()
    steps = 100_000 - whole.steps_left
    for crash_at in range(steps):
        world = fresh()
        world.steps_left = crash_at
        with pytest.raises(Crash):
            await world.life()
        world.steps_left = None
        world.write("last", Grade.BLUE)  # so that something gets through after the broken one
        world.write("very last", Grade.BLUE)
        world.write("very last of all", Grade.BLUE)
        consumer = await world.life(advances=200)
        newest = {row.notice.alarm.id: row.notice.id for row in world.rows}
        settled = set(world.taken) | set(world.letters)
        assert set(newest.values()) <= settled, crash_at
        assert set(world.letters) <= {"n-2"}
        assert consumer.status.waiting == 0
        assert world.cursors[HOOK.consumer] == len(world.rows)
