"""Backups made while the service works: whole or not at all, and what comes of them is exact."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from api.ports import Refused
from domain.journal import CatalogueChange
from domain.time import NS_PER_S
from service.backup import CONSUMER, BackupMaker, Progress
from service.backups import Backups
from service.evaluator import Evaluator
from service.keeping import ask_service, make_offline
from service.manifest import NAME, BackupError, check_files, read_manifest
from service.opening import open_stores
from service.restore import check, restore
from service.settings import ROOT, Settings
from storage.journal import SegmentJournal
from tests.service.harness import Publisher, Service, subscribe_for, wait_until
from tests.service.load import Judgement, city, make_load, told, write_site
from tests.service.test_kill import what_is_left

RELEASE = Path(__file__).parent / "upgrade" / "0.1.0.tar.xz"
STEPS = 500


def lifeline(*arguments, **environment):
    clean = {name: value for name, value in os.environ.items() if "LIFELINE" not in name}
    return subprocess.run(
        [sys.executable, "-m", "service", *map(str, arguments)],
        cwd=ROOT, env={**clean, **environment}, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data directory with everything in it."""
    folder = tmp_path_factory.mktemp("released")
    with tarfile.open(RELEASE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "data"


@pytest.fixture
def settings(data, tmp_path):
    copied = tmp_path / "data"
    shutil.copytree(data, copied)
    return Settings(data_dir=copied)


@pytest.fixture(scope="module")
def backup(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept") / "backup"
    copied = tmp_path_factory.mktemp("source") / "data"
    shutil.copytree(data, copied)
    asyncio.run(make_offline(Settings(data_dir=copied), folder))
    return folder


def files_of(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_a_backup_under_load_survives_the_service_and_goes_on_exactly(tmp_path, private_broker):
    catalogue = replace(city(tmp_path / "city"), revision=1)
    start_ns = (time.time_ns() // NS_PER_S - STEPS // 4 - 60) // 60 * 60 * NS_PER_S
    load = make_load(5, start_ns, STEPS)
    broker = private_broker()
    subscribe_for(broker)
    site = write_site(tmp_path / "site")
    service = Service(tmp_path, broker.url, site)
    publisher = Publisher(broker, load.messages, 400)  # 60 readings each: 20,000 readings/s
    half = len(load.messages) // 2
    try:
        service.start("tests.service.small_service")
        service.wait_until_ready()
        publisher.allow(half)
        wait_until(lambda: taken(service) > half // 4, service.last_words)
        folder = tmp_path / "kept" / "backup"
        status, begun = service.tell("/api/v1/backups", {"folder": str(folder)})
        assert (status, begun["state"]) == (202, "running")
        wait_until(lambda: newest(service)["state"] != "running", service.last_words)
        made = newest(service)
        assert made["state"] == "done", made
        assert taken(service) > half // 4
        publisher.wait_until_taken()
        service.kill()
        after = Service(tmp_path / "again", broker.url, site)
        after.data.parent.mkdir()
        told_of = lifeline("restore", folder, LIFELINE_DATA_DIR=str(after.data))
        assert told_of.returncode == 0, told_of.stderr
        assert f"after row {made['last_row']}" in told_of.stdout
        check_against_its_journal(after.data, catalogue, until=made["last_row"])
        service = after
        service.start()
        service.wait_until_ready()
        publisher.allow(len(load.messages))
        publisher.wait_until_taken()
        wait_until(lambda: has_taken(service, load, len(load.messages) - half), service.last_words)
        assert service.stop() == 0, service.last_words()
        check_against_its_journal(service.data, catalogue)
        assert service.log_of_level("error", "critical") == []
    finally:
        service.clear_away()
        publisher.close()


def taken(service):
    books = (service.ask("/api/v1/accounting") or {"items": []})["items"]
    return sum(book["frames"]["decoded"] for book in books)


def newest(service):
    return service.ask("/api/v1/backups")["items"][0]


def has_taken(service, load, count):
    books = (service.ask("/api/v1/accounting") or {"items": []})["items"]
    return taken(service) >= count and not any(book["readings"]["pending"] for book in books)


def check_against_its_journal(data, catalogue, until=None):
    """What is kept must be what an undisturbed judgement makes of the rows in the journal.

    A data directory that was just restored may know less than its journal: never more, or other.
    """
    copied = data.with_name("looked-at")
    shutil.copytree(data, copied)
    left = asyncio.run(what_is_left(copied))
    expected, last_row = asyncio.run(judged(copied, catalogue))
    shutil.rmtree(copied)
    assert left.first_seq == 1
    if until is None:
        assert told(left.transitions) == told(expected.transitions)
        assert [t.id for t in left.transitions] == [t.id for t in expected.transitions]
        assert left.archived == expected.archived
        assert left.accounts == expected.accounts
    else:
        assert last_row == until
        ids = [t.id for t in expected.transitions]
        assert [t.id for t in left.transitions] == ids[: len(left.transitions)]
        for channel, readings in left.archived.items():
            assert readings.items() <= expected.archived[channel].items()


async def judged(data, catalogue):
    journal = await SegmentJournal.open(data / "journal")
    evaluator, judgement = Evaluator(lambda _revision: catalogue), Judgement()
    for rows in journal.read_span(0, journal.last_seq):
        assert not isinstance(rows.records[0], CatalogueChange) or rows.records[0].revision == 1
        judgement.take(evaluator.step(rows))
    last_row = journal.last_seq
    await journal.close()
    return judgement, last_row


def test_a_restored_backup_is_what_was_backed_up(backup, data, tmp_path):
    assert lifeline("restore", "--check", backup).returncode == 0
    manifest = restore(backup, Settings(data_dir=tmp_path / "restored"))
    assert manifest.last_row > 150
    restored = asyncio.run(what_is_left(tmp_path / "restored"))
    original = shutil.copytree(data, tmp_path / "original")
    assert restored == asyncio.run(what_is_left(original))
    assert not list(tmp_path.glob("*.restoring"))


def test_parts_that_are_kept_elsewhere_go_where_the_settings_say(backup, data, tmp_path):
    settings = Settings(
        data_dir=tmp_path / "here",
        journal_dir=tmp_path / "there" / "journal",
        state_url=f"sqlite:///{tmp_path}/db/state.db",
        archive_url=f"duckdb:///{tmp_path}/big/archive",
    )
    restore(backup, settings)
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["snapshots"]

    async def rows():
        async with AsyncExitStack() as stack:
            stores = await open_stores(settings, stack)
            return stores.journal.last_seq, stores.archive.count() > 1000

    assert asyncio.run(rows()) == (check(backup).last_row, True)


def test_every_flipped_file_is_found_and_named(backup, tmp_path):
    names = [path for path in files_of(backup) if path.name != NAME]
    assert {path.parts[0] for path in names} == {"snapshots", "archive", "state.db", "journal"}
    for number, name in enumerate(names):
        damaged = tmp_path / str(number)
        shutil.copytree(backup, damaged)
        content = bytearray((damaged / name).read_bytes() or b"\0")
        content[len(content) // 2] ^= 1
        (damaged / name).write_bytes(content)
        with pytest.raises(BackupError, match=name.name):
            check(damaged)
        with pytest.raises(BackupError, match=name.name):
            restore(damaged, Settings(data_dir=tmp_path / "never"))
        assert not (tmp_path / "never").exists()
        shutil.rmtree(damaged)


@pytest.mark.parametrize("how", ["cut", "gone", "strange"])
def test_a_backup_with_a_file_cut_gone_or_strange_is_refused(backup, tmp_path, how):
    damaged = shutil.copytree(backup, tmp_path / "damaged")
    victim = next((damaged / "journal").glob("*.seg"))
    if how == "cut":
        os.truncate(victim, victim.stat().st_size - 1)
    elif how == "gone":
        victim.unlink()
    else:
        victim = damaged / "journal" / "strange.seg"
        victim.write_bytes(b"")
    with pytest.raises(BackupError, match=victim.name):
        check(damaged)


def test_any_flipped_byte_of_the_manifest_is_found(backup, tmp_path):
    content = (backup / NAME).read_bytes()
    for at in range(0, len(content), max(1, len(content) // 60)):
        changed = bytearray(content)
        changed[at] ^= 4
        (tmp_path / NAME).write_bytes(changed)
        with pytest.raises(BackupError):
            read_manifest(tmp_path)


def test_a_folder_without_a_manifest_and_one_of_a_later_format_are_refused(backup, tmp_path):
    with pytest.raises(BackupError, match="is no backup"):
        check(tmp_path)
    document = json.loads((backup / NAME).read_bytes())
    document["manifest"]["format"] = 99
    body = json.dumps(document["manifest"], separators=(",", ":")).encode()
    import xxhash  # noqa: PLC0415

    whole = {"xxh3": xxhash.xxh3_128_hexdigest(body), "manifest": document["manifest"]}
    (tmp_path / NAME).write_text(json.dumps(whole, separators=(",", ":")))
    with pytest.raises(BackupError, match="format 99"):
        check(tmp_path)


def test_restoring_over_something_or_a_running_service_is_refused(backup, settings):
    before = files_of(settings.data_dir)
    with pytest.raises(BackupError, match="is not empty"):
        restore(backup, settings)

    async def running():
        async with AsyncExitStack() as stack:
            await open_stores(settings, stack)
            with pytest.raises(BackupError, match="a service is running"):
                restore(backup, settings)

    assert files_of(settings.data_dir) == before
    asyncio.run(running())


@pytest.mark.parametrize("where", ["relative", "within", "occupied", "a file"])
def test_a_place_that_will_not_do_is_refused_and_left_alone(settings, tmp_path, where):
    folder = {
        "relative": Path("backup"),
        "within": settings.data_dir / "backup",
        "occupied": tmp_path / "occupied",
        "a file": tmp_path / "file",
    }[where]
    (tmp_path / "occupied").mkdir()
    (tmp_path / "occupied" / "something").write_text("mine")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BackupError):
        asyncio.run(make_offline(settings, folder))
    assert (tmp_path / "occupied" / "something").read_text() == "mine"
    assert not list(tmp_path.glob("*.part"))


async def test_a_failed_backup_leaves_nothing_and_holds_no_rows(settings, tmp_path, monkeypatch):
    async with AsyncExitStack() as stack:
        stores = await open_stores(settings, stack)
        maker = BackupMaker(settings, stores, time.time_ns)
        monkeypatch.setattr(stores.journal, "files", lambda: ([(tmp_path / "gone.seg", 5)], 1))
        with pytest.raises(BackupError, match="gone"):
            await maker.make(tmp_path / "backup", "test", Progress("", "", 0))
        assert stores.journal.cursor(CONSUMER) is None
        assert not list(tmp_path.glob("backup*"))


async def test_rows_are_kept_while_a_backup_is_made_and_not_after_a_kill(settings, tmp_path):
    async with AsyncExitStack() as stack:
        stores = await open_stores(settings, stack)
        maker = BackupMaker(settings, stores, time.time_ns)
        seen, original = [], maker._journal
        maker._journal = lambda copier: (
            seen.append(stores.journal.cursor(CONSUMER)) or original(copier)
        )
        manifest = await maker.make(tmp_path / "backup", "test", Progress("", "", 0))
        assert seen == [0]
        check_files(tmp_path / "backup", manifest, lambda _: None)
        stores.journal.advance(CONSUMER, 0)  # as a kill leaves it
        BackupMaker(settings, stores, time.time_ns)
        assert stores.journal.cursor(CONSUMER) is None


def test_a_disk_without_room_is_refused_and_left_empty(settings, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a filesystem of a given size needs the right to mount one")
    try:
        with pytest.raises(BackupError, match="no room"):
            asyncio.run(make_offline(settings, small / "backup"))
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


class Waiting:
    def __init__(self):
        self.go_on = asyncio.Event()

    async def make(self, folder, version, progress):
        await self.go_on.wait()
        raise BackupError("no luck")


class Written:
    def __init__(self):
        self.acts = []

    async def record_audit(self, *act):
        self.acts.append(act)


async def test_a_second_backup_is_refused_while_one_is_made_and_its_end_is_told():
    maker, audit = Waiting(), Written()
    backups = Backups(maker, audit, "test")
    first = await backups.start("/somewhere", "anna")
    with pytest.raises(Refused) as refused:
        await backups.start("/elsewhere", "ben")
    assert refused.value.status == 409
    assert (first.ended_ns, first.problem) == (0, "")
    maker.go_on.set()
    await backups._task
    assert first.problem == "no luck"
    assert first.ended_ns > 0
    assert audit.acts[0][:3] == ("anna", "backup", "/somewhere")
    await backups.start("/elsewhere", "ben")
    assert [one.author for one in await backups.backups()] == ["ben", "anna"]
    await backups.close()


def test_the_command_makes_a_backup_by_itself_where_no_service_runs(settings, tmp_path):
    folder = tmp_path / "made"
    environment = {
        "LIFELINE_DATA_DIR": str(settings.data_dir),
        "LIFELINE_HTTP_LISTEN": "127.0.0.1:1",
    }
    done = lifeline("backup", folder, **environment)
    assert done.returncode == 0, done.stderr
    assert "rows 1 to 2" in done.stdout
    again = lifeline("backup", folder, **environment)
    assert again.returncode == 1
    assert "is not empty" in again.stderr


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{", id="cut short"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{", id="half a document"),
        pytest.param(b"nonsense\r\n\r\n", id="no answer of HTTP"),
    ],
)
def test_an_answer_that_breaks_off_is_told_with_the_place(settings, tmp_path, answer):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def serve():
            peer, _ = listener.accept()
            with peer:
                peer.recv(65_536)
                peer.sendall(answer)

        serving = threading.Thread(target=serve)
        serving.start()
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(BackupError, match=f"{place}.* broke off"):
            ask_service(settings.model_copy(update={"http_listen": place}), tmp_path, "key")
        serving.join()
