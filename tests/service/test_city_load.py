"""The city's catalogue and its load, small: the command, the judgement of an hour, what is mixed in."""

from collections import Counter

import pytest

from domain.alarm import TransitionKind
from domain.time import NS_PER_S
from service.city_catalogue import city_catalogue
from service.city_load import Load, LoadError, Mixed, begin_of, run_load, scenarios
from service.offline import judge
from simulators.city import HOUR_NS, City
from tests.service.running import Service, run_lifeline, wait_for

START_NS = 1_789_995_600 * NS_PER_S


@pytest.fixture(scope="module")
def catalogue():
    return city_catalogue(1_000)


def test_the_catalogue_has_every_channel_as_it_is_sent(catalogue):
    city = City(1_000)
    assert len(catalogue.facilities) == len(catalogue.gateways) == len(city.facilities)
    sent = {(one.gateway, name) for one in city.facilities for name in one.names}
    assert set(catalogue.sent_index) == sent
    assert len(sent) == 1_000
    assert len(catalogue.channel_index) == len(catalogue.channels)
    assert not any("model" in channel.id for channel in catalogue.channels)


def test_every_copy_leans_on_its_own_facility(catalogue):
    for channel in catalogue.channels:
        assert channel.id.startswith(channel.facility) or channel.fault_of is None
        for other in (channel.fault_of, *(channel.feature.inputs if channel.feature else ())):
            if other is not None:
                assert catalogue.channel(other).facility == channel.facility


def test_it_raises_the_alarms_of_its_events_and_nothing_else():
    channels, first_ns = 200, START_NS
    soon_ns = (first_ns + 240 * NS_PER_S, first_ns + 480 * NS_PER_S)
    seed, city = next(
        (seed, city)
        for seed in range(2_000)
        if (city := City(channels, seed)).events(*soon_ns)
        and not city.events(first_ns - HOUR_NS, first_ns)
    )
    end_ns = soon_ns[1] + 240 * NS_PER_S
    transitions = judge(city_catalogue(channels), City(channels, seed).messages(first_ns, end_ns))
    raised = {t.alarm.channel for t in transitions if t.kind is TransitionKind.RAISED}
    sources = {event.channel for event in city.events(first_ns, end_ns)}
    assert raised
    for event in city.events(*soon_ns):
        assert any(channel.startswith(event.channel) for channel in raised)
    assert all(any(channel.startswith(source) for source in sources) for channel in raised)
    assert not [t for t in transitions if t.alarm.instrument]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("scenario:nothing", "no scenario 'nothing'; there are .*overweight-convoy"),
        ("recording:somewhere", "--data"),
        ("nonsense", "write scenario:NAME or recording:FOLDER"),
    ],
)
def test_what_cannot_be_mixed_in_is_told(text, problem):
    with pytest.raises(LoadError, match=problem):
        Mixed.parse(text, None)


def test_a_mixed_scenario_plays_from_the_beginning_of_the_load():
    mixed = Mixed.parse("scenario:overweight-convoy", None)
    begin_ns = START_NS + 12_345 * NS_PER_S
    played = list(mixed.messages(begin_ns))
    original = list(scenarios()["overweight-convoy"](1).messages())
    assert len(played) == len(original)
    assert played[0].time_ns == begin_ns
    assert played[-1].time_ns - begin_ns == original[-1].time_ns - original[0].time_ns


def test_a_faster_load_ends_in_the_present():
    now_ns = START_NS
    load = Load(100, "mqtt://x", 1, 50.0, begin_of(8.0, 50.0, now_ns), 8.0)
    assert load.end_ns == now_ns + 50 * NS_PER_S
    assert begin_of(1.0, 50.0, now_ns) == now_ns


def test_a_broken_load_ends_with_its_reason(free_port_of_nobody):
    load = Load(100, f"mqtt://127.0.0.1:{free_port_of_nobody}", 1, 5.0, START_NS, 2.0)
    with pytest.raises(LoadError, match="connection 1"):
        list(run_load(load))


@pytest.fixture
def free_port_of_nobody():
    from tests.conftest import free_port  # noqa: PLC0415

    return free_port()


def test_a_city_and_a_scenario_reach_a_service_that_imported_it(broker, tmp_path):
    data, url = tmp_path / "data", f"mqtt://127.0.0.1:{broker.port}"
    made = run_lifeline(
        "simulate", "--city", 200, "--import", "--seconds", 1, "--mqtt-url", url,
        "--mix", "scenario:overweight-convoy", data_dir=data,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    service = Service(tmp_path, url, [], settings={"data_dir": data}).start()
    try:
        sent = run_lifeline(
            "simulate", "--city", 200, "--seconds", 4, "--speed", 40, "--processes", 2,
            "--connections", 6, "--mqtt-url", url, "--wait-for", f"{service.url}/health/ready",
            "--mix", "scenario:overweight-convoy",
        )  # fmt: skip
        assert sent.returncode == 0, sent.stderr
        count = int(
            sent.stdout.rpartition(" messages sent")[0].rpartition("\n")[2].replace(",", "")
        )
        assert count > 400

        def heard():
            return sum(book["frames"]["received"] for book in service.items("/accounting")) >= count

        wait_for(heard, "every message is counted")
        assert service.all_books_balance()
        fates = Counter()
        for book in service.items("/accounting"):
            fates.update({k: v for k, v in book["readings"].items() if isinstance(v, int)})
        assert not fates["unregistered"] + fates["rejected"] + fates["quarantined"]
        gateways = {book["gateway"] for book in service.items("/accounting")}
        assert {"gw-bridge-riverside", "gw-bridge-c00000"} <= gateways
    finally:
        service.close()


def test_the_command_refuses_a_scenario_that_is_none():
    refused = run_lifeline("simulate", "--city", 200, "--mix", "scenario:nothing")
    assert refused.returncode == 1
    assert "no scenario 'nothing'" in refused.stderr
