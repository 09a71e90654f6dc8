"""Alerts, dashboards and runbook speak of what a running service really shows."""

import json
import re
import subprocess

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from service.settings import ROOT
from tests.deploy.files import DEPLOY, alerts, compose, metrics_in
from tests.service.running import Sender, wait_for
from tests.test_docs import anchors_of
from tools import dashboards

RUNBOOK = ROOT / "docs" / "runbook.md"
PLAYED = ROOT / "tests" / "deploy" / "alerts.yml"
PROMETHEUS = DEPLOY / "prometheus" / "prometheus.yml"


@pytest.fixture(scope="module")
def shown(running, broker):
    """Return the samples that a service with some traffic shows: name to sets of labels."""
    sender = Sender(broker.port, "shown-sender")
    sender.reading("gw-bridge", "V1", 155.5)
    sender.send("lifeline/v1/north/gw-bridge/data/json", b"{")
    for _ in range(2):
        sender.send("lifeline/v1/north/gw-flood/data/json", b"{}")
    running.wait_for_alarm("bridge/test/victim")
    sender.close()

    def fetched():
        samples = {}
        text = running.http.get(f"{running.url}/metrics").text
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                samples.setdefault(sample.name, []).append(sample.labels)
        # The checks and the outbox are asked every few seconds.
        told = {"lifeline_check_ok", "lifeline_outbox_waiting"} <= samples.keys()
        fates = {labels["fate"] for labels in samples.get("lifeline_ingested_total", ())}
        return samples if told and {"undecodable", "refused"} <= fates else None

    return wait_for(fetched, "all metrics are shown")


def queries():
    for name, board in dashboards.DASHBOARDS.items():
        for panel in board["panels"]:
            for target in panel["targets"]:
                if "expr" in target:
                    yield f"{name}: {panel['title']}", target["expr"]


EXPRESSIONS = [*((name, rule["expr"]) for name, rule in alerts().items()), *queries()]


@pytest.mark.parametrize(
    ("where", "expression"), EXPRESSIONS, ids=[where for where, _ in EXPRESSIONS]
)
def test_every_metric_named_is_shown_with_the_labels_named(shown, where, expression):
    assert metrics_in(expression) or "up{" in expression
    for metric in metrics_in(expression):
        assert metric in shown, f"{where}: {metric}"
    for metric, chosen in re.findall(r"((?:lifeline|process)_\w+)\{([^}]*)\}", expression):
        for label, value in re.findall(r'(\w+)="([^"$]+)"', chosen):
            if label in ("instance", "job"):  # Prometheus' own
                continue
            assert value in {labels.get(label) for labels in shown[metric]}, (
                f"{where}: {label}={value}"
            )


def test_rules_fire_where_they_should():
    for command in (
        ["check", "rules", DEPLOY / "prometheus" / "alerts.yml"],
        ["test", "rules", PLAYED],
    ):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_says_how_urgent_it_is_and_what_is_the_matter():
    for name, rule in alerts().items():
        assert name.startswith("Lifeline")
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]


def test_the_runbook_has_a_section_for_each_alert_and_no_other():
    headings = re.findall(r"^### (\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == list(alerts())


def test_every_section_of_the_runbook_says_meaning_check_and_remedy():
    parts = re.split(r"^### ", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    for part in parts:
        for word in ("**Means.**", "**Look.**", "**Do.**"):
            assert word in part, part.partition("\n")[0]


def test_prometheus_reads_the_rules_and_asks_with_the_key_that_it_is_given():
    settings = yaml.safe_load(PROMETHEUS.read_text(encoding="utf-8"))
    assert settings["rule_files"] == ["alerts.yml"]
    (job,) = settings["scrape_configs"]
    given = {
        f"/run/secrets/{one['target']}" for one in compose()["services"]["prometheus"]["secrets"]
    }
    assert job["authorization"]["credentials_file"] in given
    (found,) = job["dns_sd_configs"]
    assert found["names"] == compose()["services"]["lifeline"]["networks"]["inside"]["aliases"]


@pytest.mark.parametrize("name", sorted(dashboards.DASHBOARDS))
def test_dashboards_are_up_to_date_and_their_data_sources_are_provisioned(name):
    path, text = dashboards.written(name)
    assert path.read_text(encoding="utf-8") == text, "run `make reference`"
    provisioned = yaml.safe_load(
        (DEPLOY / "grafana" / "provisioning" / "datasources" / "lifeline.yaml").read_text("utf-8")
    )
    known = {(one["type"], one["uid"]) for one in provisioned["datasources"]}
    used = re.findall(r'"type": "(\w+)",\s+"uid": "([\w-]+)"', text)
    assert {pair for pair in used if pair[0] != "dashboards"} <= known
    board = json.loads(text)
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in board["panels"]]
    assert len(places) == len(set(places))
    assert all(p["gridPos"]["x"] + p["gridPos"]["w"] <= 24 for p in board["panels"])


def test_grafana_s_files_are_where_its_container_looks():
    grafana = compose()["services"]["grafana"]
    given = {f"/run/secrets/{one['target']}" for one in grafana["secrets"]}
    sources = (DEPLOY / "grafana" / "provisioning" / "datasources" / "lifeline.yaml").read_text(
        "utf-8"
    )
    assert set(re.findall(r"\$__file\{([^}]+)\}", sources)) <= given
    provider = yaml.safe_load(
        (DEPLOY / "grafana" / "provisioning" / "dashboards" / "lifeline.yaml").read_text("utf-8")
    )
    (one,) = provider["providers"]
    assert f"./deploy/grafana/dashboards:{one['options']['path']}:ro" in grafana["volumes"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (DEPLOY / "grafana" / "dashboards" / home.rpartition("/")[2]).exists()


def test_every_alert_leads_to_its_section():
    assert {name.lower() for name in alerts()} <= anchors_of(RUNBOOK)
