"""What the documents say is so: links resolve, commands exist, examples are read by the real code."""

import re
from pathlib import Path

import msgspec
import pytest
import typer
import yaml

from domain.accounting import Reason
from ingest.wire import DECODERS
from service.__main__ import app
from service.importing import feature_faults
from service.settings import ROOT, Settings
from service.verdict import CHECKS
from simulators.recording import RecordingDocument
from storage.catalogue.build import load_catalogue
from tools.reference import EXAMPLES, TABLES, written

RECEIVED_NS = 1_790_000_000_000_000_000
SKIPPED = {".venv", ".git", "node_modules"}
DOCUMENTS = sorted(
    path for path in ROOT.rglob("*.md") if not SKIPPED & set(path.relative_to(ROOT).parts)
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARKED = re.compile(
    r"<!-- ([a-z]+)(?:: ([a-z]+))? -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
INLINE = re.compile(r"`([^`\n]+)`")


def name_of(path):
    return str(path.relative_to(ROOT))


def code_of(path):
    """Return all code of a document: fences, and what stands between backquotes."""
    text = path.read_text(encoding="utf-8")
    fences = [body for _, body in FENCE.findall(text)]
    return "\n".join([*fences, *INLINE.findall(FENCE.sub("", text))])


def marked(path, mark):
    """Return (detail, body) of the fences that follow the comment ``<!-- mark: detail -->``."""
    found = MARKED.findall(path.read_text(encoding="utf-8"))
    return [(detail, body) for name, detail, body in found if name == mark]


def anchors_of(path):
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


PAYLOADS = [(d, body) for path in DOCUMENTS for d, body in marked(path, "payload")]


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path):
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (path.parent / place) if place else path
        assert target.exists(), f"{link} in {path}"
        assert not anchor or anchor in anchors_of(target), f"{link} in {path}"


def test_every_make_target_named_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for path in DOCUMENTS:
        named = set(re.findall(r"\bmake ([a-z][a-z-]*)", code_of(path)))
        assert named <= targets, f"{named - targets} in {path}"


def commands():
    """Return what stands after ``lifeline``, by name: an option's names, or subcommands."""
    root = typer.main.get_command(app)
    found = {}
    for name, command in root.commands.items():
        inner = getattr(command, "commands", {})
        found[name] = {
            option
            for one in (command, *inner.values())
            for parameter in one.params
            for option in parameter.opts
        }
        found[name] |= set(inner)
    return found


def test_every_command_named_exists_with_its_options():
    known = commands()
    for path in DOCUMENTS:
        code = re.sub(r"\\\n\s*", " ", code_of(path))
        for line in re.findall(r"(?:^|[\s/])lifeline ([a-z].*)$", code, re.MULTILINE):
            words = line.partition("#")[0].split()
            assert words[0] in known, f"lifeline {line} in {path}"
            options = {word for word in words if word.startswith("--")}
            assert options <= known[words[0]], f"lifeline {line} in {path}"


def test_every_command_is_in_the_readme():
    code = code_of(ROOT / "README.md")
    for name in commands():
        assert f"lifeline {name}" in code


def test_the_readme_shows_a_payload_of_every_format():
    shown = {payload_format for payload_format, _ in marked(ROOT / "README.md", "payload")}
    assert shown == set(DECODERS)


@pytest.mark.parametrize(("payload_format", "body"), PAYLOADS)
def test_payload_examples_are_decoded_whole(payload_format, body):
    payload = bytes.fromhex(body) if payload_format == "block" else body.encode()
    decoded = DECODERS[payload_format](payload, RECEIVED_NS, None)
    assert decoded.undecodable is None
    assert not decoded.rejected
    assert decoded.reading_count > 0
    assert not decoded.untimed


def test_the_catalogues_example_is_a_catalogue(tmp_path):
    ((_, body),) = marked(ROOT / "docs" / "catalogue.md", "catalogue")
    file = tmp_path / "example.yaml"
    file.write_text(body, encoding="utf-8")
    templates = ROOT / "config" / "templates"
    catalogue = load_catalogue([file], templates, feature_faults=feature_faults)
    assert "bridge/riverside/deflection-midspan/mean" in catalogue.channel_index


def test_the_recordings_example_is_a_recording():
    ((_, body),) = marked(ROOT / "docs" / "recordings.md", "recording")
    document = msgspec.convert(yaml.safe_load(body), RecordingDocument, strict=False)
    assert {one["check"] for one in document.expect} <= set(CHECKS)


def test_every_check_of_recordings_is_told():
    told = code_of(ROOT / "docs" / "recordings.md").splitlines()
    assert set(CHECKS) <= set(told)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_tables_from_the_code_are_up_to_date(name):
    path, text = written(name)
    assert path.read_text(encoding="utf-8") == text, "run `make reference`"


def test_every_setting_is_told():
    told = code_of(ROOT / "docs" / "settings.md").splitlines()
    assert {f"LIFELINE_{name.upper()}" for name in Settings.model_fields} <= set(told)


def test_decisions_are_numbered_and_listed():
    folder = ROOT / "docs" / "decisions"
    pages = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    listed = LINK.findall((folder / "README.md").read_text(encoding="utf-8"))
    assert [path.name for path in pages] == listed
    numbers = [int(path.name[:4]) for path in pages]
    assert len(set(numbers)) == len(numbers)
    for number, path in zip(numbers, pages, strict=True):
        assert path.read_text(encoding="utf-8").startswith(f"# {number}. ")


def test_every_format_has_examples_and_is_told():
    assert set(EXAMPLES) == set(DECODERS)
    for name, payloads in EXAMPLES.items():
        for payload in payloads:
            decoded = DECODERS[name](payload, RECEIVED_NS, None)
            assert decoded.undecodable is None
            assert decoded.reading_count > 0


def test_every_reason_is_told():
    told = code_of(ROOT / "docs" / "payloads.md").splitlines()
    assert {reason.value for reason in Reason if reason} <= set(told)


def test_files_that_documents_name_exist():
    pattern = re.compile(r"^(?:[a-z_]+/)+[a-z_]+\.(?:py|yaml|md)(?=$|:)")
    for path in DOCUMENTS:
        for word in INLINE.findall(path.read_text(encoding="utf-8")):
            match = pattern.match(word)
            assert match is None or Path(ROOT, match[0]).exists(), f"{word} in {path}"
