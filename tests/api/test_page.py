"""The page: whole, offline, in both languages, and with no way for data to become markup."""

import re
from pathlib import Path

import pytest

import api.page

STATIC = Path(api.page.__file__).parent / "static"
FILES = sorted(path for path in STATIC.iterdir())
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
HTML = (STATIC / "index.html").read_text(encoding="utf-8")


def words(language: str) -> set[str]:
    text = (STATIC / "words.js").read_text(encoding="utf-8")
    block = re.search(rf"\n  {language}: {{\n(.*?)\n  }},", text, re.DOTALL)[1]
    return set(re.findall(r'(\w+): "', block))


async def test_every_file_is_served_and_nothing_else_is(client):
    for path in FILES:
        answer = await client.get(f"/static/{path.name}")
        assert answer.content == path.read_bytes()
    assert (await client.get("/static/..%2fapp.py")).status_code == 404
    assert (await client.get("/static/")).status_code == 404


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_is_fetched_from_elsewhere(path):
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"(https?:)?//[a-z]+\.", text)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_data_never_becomes_markup(path):
    text = path.read_text(encoding="utf-8")
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert way not in text


def test_there_is_no_inline_script_or_style():
    assert not re.search(r"<script(?![^>]*\bsrc=)", HTML)
    assert not re.search(r"<style|\sstyle=|\son\w+=", HTML)


def test_both_languages_have_the_same_words_and_all_that_are_asked_for():
    chinese, english = words("zh"), words("en")
    assert chinese == english
    asked = set(re.findall(r'data-t="(\w+)"', HTML))
    for path in SCRIPTS:
        asked |= set(re.findall(r'\bt\("(\w+)"', path.read_text(encoding="utf-8")))
    assert asked <= chinese


def test_every_element_that_the_script_asks_for_is_there():
    script = (STATIC / "app.js").read_text(encoding="utf-8")
    assert set(re.findall(r'\$\("([\w-]+)"\)', script)) <= set(re.findall(r'id="([\w-]+)"', HTML))
