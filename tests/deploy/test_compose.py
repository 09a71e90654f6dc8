"""docker-compose.yml holds together, as far as can be told without a container engine."""

import json
import re
import subprocess

import pytest
import yaml

from service.settings import ROOT
from tests.deploy.files import (
    COMPOSE,
    DEPLOY,
    compose,
    host_path,
    interpolated,
    is_setting,
    tracked,
)

SERVICES = sorted(compose()["services"])
# What the compose specification knows at these places; anything else is a slip of the pen.
TOP = {"name", "services", "networks", "volumes", "secrets"}
KEYS = {
    "build", "cap_add", "cap_drop", "command", "depends_on", "deploy", "environment", "healthcheck",
    "image", "logging", "networks", "ports", "profiles", "read_only", "restart", "secrets",
    "security_opt", "shm_size", "stop_grace_period", "tmpfs", "user", "volumes",
}  # fmt: skip
HEALTHCHECK = {"test", "interval", "timeout", "retries", "start_period"}
# What each image has for a health check: a shell's tools, or the server's own.
TOOLS = {
    "lifeline": {"python"},
    "eclipse-mosquitto": {"nc"},
    "nginx": {"nc"},
    "postgres": {"pg_isready"},
    "influxdb": {"influx"},
    "prom/prometheus": {"wget"},
    "grafana/grafana": {"wget"},
}
PUBLISHED = {"8883:8883", "443:443"}
DURATION = re.compile(r"^\d+(s|m|h)$")


@pytest.fixture(params=SERVICES)
def service(request):
    return compose()["services"][request.param]


def test_only_what_the_specification_knows_is_said(service):
    assert {key for key in compose() if not key.startswith("x-")} == TOP
    assert set(service) <= KEYS
    assert set(service["healthcheck"]) <= HEALTHCHECK


def test_every_image_is_pinned_and_no_registry_is_named(service):
    image, _, tag = service["image"].partition(":")
    assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?(-alpine)?", tag), service["image"]
    assert "." not in image
    assert image.count("/") <= 1


def test_every_service_starts_again_is_bounded_and_keeps_its_logs_small(service):
    assert service["restart"] == "unless-stopped"
    limits = service["deploy"]["resources"]["limits"]
    assert {"cpus", "memory", "pids"} <= set(limits)
    assert float(limits["cpus"]) > 0
    assert re.fullmatch(r"\d+[mg]", limits["memory"])
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}


def test_every_service_has_the_least_rights(service):
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not {"privileged", "pid", "network_mode", "devices"} & set(service)


@pytest.mark.parametrize("name", ["lifeline", "lifeline-standby", "simulators"])
def test_lifeline_runs_on_a_root_that_it_cannot_write_to(name):
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert "cap_add" not in service
    assert any(place.startswith("/tmp:") for place in service["tmpfs"])
    assert any(volume.endswith(":/var/lib/lifeline") for volume in service["volumes"])


def test_every_health_check_uses_what_its_image_has(service):
    check = service["healthcheck"]
    kind, tool, *_ = check["test"]
    assert kind == "CMD"
    assert tool in TOOLS[service["image"].partition(":")[0]]
    for name in ("interval", "timeout", "start_period"):
        assert name not in check or DURATION.match(check[name])
    for module in re.findall(r"-m (service\.\w+)", " ".join(check["test"])):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists()


def test_what_a_service_waits_for_is_there_and_healthy(service):
    for name, how in service.get("depends_on", {}).items():
        assert how == {"condition": "service_healthy"}
        assert "healthcheck" in compose()["services"][name]
        assert not compose()["services"][name].get("profiles")


def test_every_volume_network_and_secret_named_is_declared(service):
    for volume in service.get("volumes", ()):
        source = volume.partition(":")[0]
        assert host_path(volume) is not None or source in compose()["volumes"], volume
    assert set(service["networks"]) <= set(compose()["networks"])
    assert {secret["source"] for secret in service.get("secrets", ())} <= set(compose()["secrets"])


def test_everything_declared_is_used():
    services = compose()["services"].values()
    volumes = {v.partition(":")[0] for s in services for v in s.get("volumes", ())}
    assert set(compose()["volumes"]) <= volumes
    secrets = {one["source"] for s in services for one in s.get("secrets", ())}
    assert set(compose()["secrets"]) == secrets
    assert set(compose()["networks"]) == {name for s in services for name in s["networks"]}


def test_every_file_mounted_is_there_and_cannot_be_written(service):
    for volume in service.get("volumes", ()):
        path = host_path(volume)
        if path is None:
            continue
        if path.is_relative_to(DEPLOY / "secrets"):  # secrets.sh makes them: test_secrets.py
            assert path == DEPLOY / "secrets" / "broker"
        else:
            assert path.exists(), volume
            assert volume.endswith(":ro"), volume


def test_only_lifeline_writes_the_broker_s_users():
    for name, service in compose()["services"].items():
        for volume in service.get("volumes", ()):
            if "deploy/secrets" in volume and not volume.endswith(":ro"):
                assert name in ("lifeline", "lifeline-standby")


def test_every_file_named_under_run_secrets_is_handed_over(service):
    given = {f"/run/secrets/{secret['target']}" for secret in service.get("secrets", ())}
    words = json.dumps([service.get("environment", {}), service.get("command", [])])
    assert set(re.findall(r"/run/secrets/[\w.]+", words)) <= given


def test_every_variable_of_lifeline_is_a_setting():
    for name in ("lifeline", "lifeline-standby"):
        for variable in compose()["services"][name]["environment"]:
            assert is_setting(variable), variable
    used = set(re.findall(r"\$\{(LIFELINE_[A-Z_]+)", COMPOSE.read_text(encoding="utf-8")))
    assert used == {"LIFELINE_SITE", "LIFELINE_CATALOGUE"}


def test_the_catalogue_s_default_is_in_the_folder_s_default():
    lifeline = compose()["services"]["lifeline"]
    (file,) = json.loads(interpolated(lifeline["environment"]["LIFELINE_CATALOGUE"]))
    folder = next(v for v in lifeline["volumes"] if v.endswith(":/etc/lifeline/site:ro"))
    assert (host_path(folder) / file.removeprefix("/etc/lifeline/site/")).is_file()


def test_ports_beyond_loopback_are_the_gateways_and_the_encrypted_interface():
    published = {port for s in compose()["services"].values() for port in s.get("ports", ())}
    assert {port for port in published if not port.startswith("127.0.0.1:")} == PUBLISHED


def test_the_databases_cannot_be_reached_from_outside():
    assert compose()["networks"]["inside"]["internal"] is True
    for name in ("postgres", "influxdb"):
        assert compose()["services"][name]["networks"] == ["inside"]
        assert "ports" not in compose()["services"][name]


def test_two_instances_share_their_journal_and_one_keeps_its_own():
    text = (DEPLOY / "standby.env").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    given = dict(line.split("=", 1) for line in lines)
    assert given["COMPOSE_PROFILES"] == "standby"
    assert compose()["services"]["lifeline-standby"]["profiles"] == ["standby"]
    environment = compose()["services"]["lifeline"]["environment"]
    assert environment["LIFELINE_JOURNAL_URL_FILE"] is None  # from the environment, or not at all
    assert given["LIFELINE_JOURNAL_URL_FILE"] == environment["LIFELINE_STATE_URL_FILE"]


def test_the_instances_differ_in_nothing_but_name_and_place():
    first, second = (compose()["services"][n] for n in ("lifeline", "lifeline-standby"))
    assert {key for key in first if first[key] != second.get(key)} <= {"volumes", "ports"}


def test_no_registry_and_no_secret_stands_in_the_deployment_s_files():
    for path in (*tracked(), COMPOSE, ROOT / "Dockerfile"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"docker\.io|ghcr\.io|quay\.io|gcr\.io|mcr\.", text), path
        assert not re.search(r"BEGIN [A-Z ]*PRIVATE KEY", text), path
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"/deploy/secrets/", "/.env"} <= set(ignored)


def test_all_yaml_of_the_deployment_can_be_read():
    for path in tracked():
        if path.suffix in (".yml", ".yaml"):
            assert yaml.safe_load(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("path", [p for p in tracked() if p.suffix == ".sh"], ids=lambda p: p.name)
def test_scripts_are_shell_and_executable(path):
    assert path.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", path], check=True)
