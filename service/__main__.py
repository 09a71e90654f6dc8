"""The command line: ``lifeline serve``, ``demo``, ``publish``, ``replay`` and the rest."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from service.key_commands import gateway_app, keys_app
from service.settings import ROOT, Settings, SettingsError, load_settings

app = typer.Typer(
    help="Lifeline watches a city's bridges, tunnels, gas, drainage and lifts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
catalogue_app = typer.Typer(help="The catalogue of facilities, channels and limits.")
app.add_typer(catalogue_app, name="catalogue", no_args_is_help=True)
app.add_typer(gateway_app, name="gateway", no_args_is_help=True)
app.add_typer(keys_app, name="keys", no_args_is_help=True)

Files = Annotated[list[Path], typer.Argument(help="Catalogue files (YAML).")]


def _fail(message: object) -> typer.Exit:
    typer.echo(str(message), err=True)
    return typer.Exit(1)


def _settings(**given: object) -> Settings:
    try:
        return load_settings(**given)
    except SettingsError as error:
        raise _fail(error) from None


@app.command()
def serve(
    clock: Annotated[
        str | None, typer.Option(help="'wall', or 'data' to take time from the readings.")
    ] = None,
) -> None:
    """Run the service, as the settings (LIFELINE_… and LIFELINE_SETTINGS=file.toml) say."""
    from service.app import serve as run_service  # noqa: PLC0415  heavy
    from service.logs import configure  # noqa: PLC0415
    from service.opening import StartError  # noqa: PLC0415
    from service.recovery import RecoveryError  # noqa: PLC0415
    from storage.archive import ArchiveError  # noqa: PLC0415
    from storage.catalogue.document import CatalogueError  # noqa: PLC0415
    from storage.journal import JournalError  # noqa: PLC0415
    from storage.state import StateError  # noqa: PLC0415

    settings = _settings(clock=clock)
    configure(settings.log_level)
    try:
        asyncio.run(run_service(settings))
    except (
        StartError, RecoveryError, CatalogueError, JournalError, StateError, ArchiveError,
    ) as error:  # fmt: skip
        raise _fail(error) from None


@app.command()
def scoreboard(
    seeds: Annotated[
        int, typer.Option(help="How many seeds each scenario is played at.", min=1)
    ] = 20,
    scenario: Annotated[str, typer.Option(help="Only those with this in their name.")] = "",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Where to write the board for machines, too.")
    ] = None,
) -> None:
    """Play every scenario at many seeds; print recall, precision and delay; exit 1 where short."""
    from rich.console import Console  # noqa: PLC0415

    from service.scoreboard import board, document, is_good, scores, shortfalls, table  # noqa: PLC0415  heavy

    console, every = Console(width=110), []
    for one in scores(range(1, seeds + 1), scenario):
        every.append(one)
        for fault in (*one.missed, *one.wrong, *one.faulty):
            console.print(f"{one.scenario}, seed {one.seed}: {fault}", highlight=False)
    if not every:
        raise _fail(ValueError(f"no scenario has {scenario!r} in its name: docs/scenarios.md"))
    by_scenario, by_kind, total = board(every)
    for known in shortfalls(every):
        console.print(f"known: {known}", highlight=False)
    if json_file is not None:
        json_file.write_text(json.dumps(document(every), indent=2), encoding="utf-8")
    console.print(table(by_scenario, "By scenario"), table([*by_kind, total], "By kind"))
    raise typer.Exit(0 if is_good(total) else 1)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where its data is kept.")] = Path(".lifeline"),
) -> None:
    """Run the demonstration city, until Ctrl-C."""
    from service.demo import DemoError, run  # noqa: PLC0415

    try:
        run(folder)
    except DemoError as error:
        raise _fail(error) from None


@app.command()
def simulate(
    mqtt_url: Annotated[str, typer.Option(help="The broker.")] = "mqtt://127.0.0.1:1883",
    progress_file: Annotated[
        Path | None, typer.Option(help="Where to note how far the city has come.")
    ] = None,
    wait_for: Annotated[
        str | None, typer.Option(help="An address that must answer before anything is sent.")
    ] = None,
    passwords: Annotated[
        Path | None, typer.Option(help="File with lines gateway:password, for a broker that asks.")
    ] = None,
) -> None:
    """Send the demonstration city's telemetry: six hours of history, then at life's speed."""
    from service.city import read_passwords, run_city  # noqa: PLC0415
    from simulators.publisher import PublishError  # noqa: PLC0415

    try:
        known = read_passwords(passwords) if passwords is not None else None
        asyncio.run(run_city(mqtt_url, progress_file, wait_for, known))
    except (PublishError, ValueError, OSError) as error:
        raise _fail(error) from None


@app.command()
def health(
    ready: Annotated[
        bool, typer.Option("--ready", help="Ask whether it is of use, not only whether it lives.")
    ] = False,
) -> None:
    """Ask the service that the settings describe how it is; exits with 1 where it is not well."""
    from service.health import ask  # noqa: PLC0415

    settings = _settings()
    well, words = ask(settings.http_host, settings.http_port, "ready" if ready else "live")
    typer.echo(words, err=not well)
    raise typer.Exit(0 if well else 1)


@app.command()
def warm() -> None:
    """Compile the judgement ahead of time: for an image, or for a read-only installation."""
    from service.warm import warm as compile_all  # noqa: PLC0415

    warmed = compile_all()
    typer.echo(f"compiled {len(warmed.compiled)} passes, found {len(warmed.found)} on disk")


@app.command()
def publish(
    district: Annotated[str, typer.Argument(help="The district in the topic.")],
    gateway: Annotated[str, typer.Argument(help="The gateway's id.")],
    values: Annotated[list[str], typer.Argument(help="name=value, one or more.")],
    mqtt_port: Annotated[int, typer.Option(help="The broker's port on this machine.")] = 1883,
    mqtt_url: Annotated[str | None, typer.Option(help="Or the broker's whole URL.")] = None,
) -> None:
    """Publish one message of readings, stamped now, as a gateway would."""
    from service.publish import PublishRefusedError, publish_once  # noqa: PLC0415

    try:
        url = mqtt_url or f"mqtt://127.0.0.1:{mqtt_port}"
        topic, payload = asyncio.run(publish_once(url, district, gateway, values))
    except (PublishRefusedError, ValueError, OSError) as error:
        raise _fail(error) from None
    typer.echo(f"{topic} {payload.decode()}")


@app.command()
def replay(
    folder: Annotated[Path, typer.Argument(help="A recording's folder.")],
    data: Annotated[Path, typer.Option(help="Where the recording's files lie.")],
    mqtt_url: Annotated[str, typer.Option(help="The broker.")] = "mqtt://127.0.0.1:1883",
    speed: Annotated[
        float, typer.Option(help="Times life's speed; 0 is as fast as the broker takes it.")
    ] = 0.0,
) -> None:
    """Publish a recording as its gateways would; the service runs with --clock data."""
    from service.replay import publish_recording  # noqa: PLC0415
    from simulators.recording import RecordingError, open_recording  # noqa: PLC0415

    try:
        sent = asyncio.run(publish_recording(open_recording(folder, data), mqtt_url, speed))
    except (RecordingError, OSError) as error:
        raise _fail(error) from None
    typer.echo(f"{sent.frames} messages, {sent.readings} readings in {sent.seconds:.1f} s")


@app.command()
def real(
    data: Annotated[Path, typer.Option(help="Where the recordings' files lie.")],
    names: Annotated[list[str] | None, typer.Argument(help="Recordings; all by default.")] = None,
) -> None:
    """Replay real recordings through mosquitto and the whole service, and judge the alarms."""
    from service.real import run_real  # noqa: PLC0415
    from simulators.recording import RecordingError  # noqa: PLC0415

    every = sorted(path.parent for path in (ROOT / "recordings").glob("*/recording.yaml"))
    folders = [ROOT / "recordings" / name for name in names] if names else every
    try:
        met = asyncio.run(run_real(folders, data))
    except RecordingError as error:
        raise _fail(error) from None
    raise typer.Exit(0 if met else 1)


@app.command()
def check(files: Files) -> None:
    """Check catalogue files, and say what is in them or everything that is wrong."""
    from service.importing import feature_faults  # noqa: PLC0415
    from storage.catalogue.check import check as check_files  # noqa: PLC0415

    report = check_files(files, _settings().templates, feature_faults=feature_faults)
    typer.echo(report.text, err=report.exit_code != 0)
    raise typer.Exit(report.exit_code)


@catalogue_app.command("import")
def import_catalogue(files: Files) -> None:
    """Import catalogue files into the state database; a running service takes them in seconds."""
    from service.importing import import_offline  # noqa: PLC0415
    from service.logs import configure  # noqa: PLC0415
    from storage.catalogue.document import CatalogueError  # noqa: PLC0415
    from storage.state import StateError  # noqa: PLC0415

    configure("warning")
    try:
        revision = asyncio.run(import_offline(_settings(catalogue=files)))
    except (CatalogueError, StateError) as error:
        raise _fail(error) from None
    typer.echo(json.dumps({"revision": revision}))


@app.command(help="Make a backup: by the running service, or directly where none runs.")
def backup(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    key: Annotated[
        str | None, typer.Option(help="An admin's key; default: LIFELINE_ADMIN_KEY.")
    ] = None,
) -> None:
    """Make a backup of everything that is kept."""
    from service.keeping import backup_command  # noqa: PLC0415  heavy

    backup_command(folder, key)


@app.command(help="Check a backup, and put it in the empty place of the data directory.")
def restore(
    folder: Annotated[Path, typer.Argument(help="The backup.")],
    check: Annotated[bool, typer.Option("--check", help="Only check that it is whole.")] = False,
) -> None:
    """Restore a backup."""
    from service.keeping import restore_command  # noqa: PLC0415  heavy

    restore_command(folder, check_only=check)


def main() -> None:
    """Run the command line."""
    app(prog_name="lifeline")


if __name__ == "__main__":
    main()
