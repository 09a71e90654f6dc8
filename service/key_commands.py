"""The command line of gateways and keys: ``lifeline gateway …`` and ``lifeline keys …``."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from service.settings import SettingsError, load_settings

if TYPE_CHECKING:
    from service.gateway_admin import Given, Wanted

T = TypeVar("T")

gateway_app = typer.Typer(help="Gateways: their passwords, keys and certificates.")
keys_app = typer.Typer(help="Keys of the HTTP interface, for people and programs.")

GatewayId = Annotated[str, typer.Argument(help="The gateway's id, its user name at the broker.")]
KeyName = Annotated[str, typer.Argument(help="Whose key it is.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(help="mosquitto's password file, to be written; else the line is shown."),
]
CaCertificate = Annotated[
    Path | None, typer.Option(help="The authority that signs a client certificate (PEM).")
]
CaKey = Annotated[Path | None, typer.Option(help="And its key.")]
CertificateFolder = Annotated[Path, typer.Option(help="Where the certificate and key go.")]


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Do ``work``; what it refuses is told in a line, without a traceback."""
    from service.gateway_secrets import GatewaySecretError  # noqa: PLC0415  heavy
    from service.logs import configure  # noqa: PLC0415
    from storage.state import StateError  # noqa: PLC0415

    configure("warning")
    try:
        return asyncio.run(work)
    except (GatewaySecretError, StateError, SettingsError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def _wanted(
    gateway: str,
    password_file: Path | None,
    ca_cert: Path | None,
    ca_key: Path | None,
    folder: Path,
    **more: str,
) -> "Wanted":
    from service.gateway_admin import Wanted  # noqa: PLC0415
    from service.gateway_secrets import Issuer  # noqa: PLC0415

    if (ca_cert is None) != (ca_key is None):
        typer.echo("--ca-cert and --ca-key belong together", err=True)
        raise typer.Exit(2)
    issuer = Issuer(ca_cert, ca_key) if ca_cert is not None and ca_key is not None else None
    return Wanted(
        gateway,
        password_file=password_file,
        issuer=issuer,
        certificate_folder=folder,
        **more,
    )


def _show(given: "Given", password_file: Path | None) -> None:
    """Show what was made, once: secrets to standard output, remarks beside it."""
    typer.echo(f"mqtt password: {given.password}")
    if password_file is None:
        typer.echo(f"password line: {given.password_line}")
    typer.echo(f"http key: {given.key}")
    for file in given.files:
        typer.echo(f"file: {file}")
    for remark in (*given.remarks, "the secrets are not shown again"):
        typer.echo(remark, err=True)


@gateway_app.command("add")
def add_gateway(
    gateway: GatewayId,
    district: Annotated[str, typer.Option(help="The district in its topics.")],
    facility: Annotated[str, typer.Option(help="The facility it stands at.")] = "",
    password_file: PasswordFile = None,
    ca_cert: CaCertificate = None,
    ca_key: CaKey = None,
    certificate_folder: CertificateFolder = Path(),
) -> None:
    """Let a gateway in: make its broker password, HTTP key and, with an authority, certificate."""
    from service.gateway_admin import add_gateway as add  # noqa: PLC0415

    wanted = _wanted(
        gateway, password_file, ca_cert, ca_key, certificate_folder,
        district=district, facility=facility,
    )  # fmt: skip
    _show(_run(_with_settings(add, wanted)), password_file)


@gateway_app.command("rotate")
def rotate_gateway(
    gateway: GatewayId,
    revoke_old: Annotated[
        bool, typer.Option("--revoke-old", help="End the older HTTP keys at once.")
    ] = False,
    password_file: PasswordFile = None,
    ca_cert: CaCertificate = None,
    ca_key: CaKey = None,
    certificate_folder: CertificateFolder = Path(),
) -> None:
    """Give a gateway a new password and key; its older HTTP keys stay unless told otherwise."""
    from service.gateway_admin import rotate_gateway as rotate  # noqa: PLC0415

    wanted = _wanted(gateway, password_file, ca_cert, ca_key, certificate_folder)
    _show(_run(_with_settings(rotate, wanted, revoke_old=revoke_old)), password_file)


@gateway_app.command("revoke")
def revoke_gateway(gateway: GatewayId, password_file: PasswordFile = None) -> None:
    """Shut a gateway out: take its HTTP keys away and, from the file, its password."""
    from service.gateway_admin import revoke_gateway as revoke  # noqa: PLC0415

    gone, had = _run(_with_settings(revoke, gateway, password_file))
    words = " and its password, once mosquitto is told with SIGHUP" if had else ""
    typer.echo(f"{gateway}: {gone} HTTP key(s) ended{words}")
    if password_file is None:
        typer.echo("its broker password is in the broker's hands: --password-file", err=True)


@gateway_app.command("list")
def list_gateways() -> None:
    """List the gateways' keys, and the gateways of the catalogue that have none."""
    from domain.time import format_rfc3339  # noqa: PLC0415
    from service.gateway_admin import list_gateways as found  # noqa: PLC0415

    keys, without = _run(_with_settings(found))
    for key in keys:
        made_at = format_rfc3339(key.made_at_ns)
        typer.echo(f"{key.gateway}\t{key.district}\tkey {key.id}\t{made_at}")
    for gateway in without:
        typer.echo(f"{gateway}\t\tno key")


@keys_app.command("add")
def add_key(
    name: KeyName,
    role: Annotated[
        Literal["admin", "operator", "viewer"], typer.Option(help="What its holder may do.")
    ],
) -> None:
    """Make a key of the HTTP interface, and show it once."""
    from service.gateway_admin import add_key as add  # noqa: PLC0415

    typer.echo(f"key: {_run(_with_settings(add, name, role))}")
    typer.echo("it is not shown again", err=True)


@keys_app.command("list")
def list_keys() -> None:
    """List the keys of the HTTP interface, without their secrets."""
    from service.gateway_admin import list_keys as found  # noqa: PLC0415

    for key in _run(_with_settings(found)):
        typer.echo(f"{key.name}\t{key.role.value}")


@keys_app.command("revoke")
def revoke_key(name: KeyName) -> None:
    """End a key of the HTTP interface at once."""
    from service.gateway_admin import revoke_key as revoke  # noqa: PLC0415

    _run(_with_settings(revoke, name))
    typer.echo(f"{name}: the key does not work any more")


async def _with_settings(work: Any, *arguments: object, **named: object) -> Any:
    """Do ``work`` with the settings; those that are wrong are told like anything else."""
    return await work(load_settings(), *arguments, **named)
