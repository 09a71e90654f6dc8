import math

import pytest
import yaml

from storage.catalogue import document
from storage.catalogue.document import (
    BYTES_MAX,
    Branch,
    CatalogueError,
    Fault,
    Faults,
    Place,
    parse_document,
    plain,
    read_bytes,
)


def parsed(text):
    faults = Faults()
    branch = parse_document("f.yaml", text if isinstance(text, bytes) else text.encode(), faults)
    faults.raise_if_any()
    return branch


def said(text):
    with pytest.raises(CatalogueError) as caught:
        parsed(text)
    return [str(fault) for fault in caught.value.faults]


def test_every_key_and_item_knows_its_line():
    branch = parsed("a: 1\nb:\n  - x\n  - {c: 2,\n     d: 3}\n")
    assert branch.place_of("b") == Place("f.yaml", 2)
    assert branch["b"].lines == [3, 4]
    assert branch["b"][1].place_of("d") == Place("f.yaml", 5)
    assert plain(branch) == {"a": 1, "b": ["x", {"c": 2, "d": 3}]}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1", 1),
        ("-7", -7),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", 2.0**63),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1e999", math.inf),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("true", True),
        ("~", None),
        ("", None),
        ("off", "off"),
        ("no", "no"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("9" * 500, "9" * 500),
        ("2026-01-01", "2026-01-01"),
        ("主跨", "主跨"),
    ],
)
def test_plain_scalars_follow_the_core_schema(written, value):
    assert parsed(f"a: {written}")["a"] == value


def test_an_alias_stands_for_what_it_names():
    assert plain(parsed("a: &x {b: 1}\nc: *x\n")) == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"a: 1\nb: \xff\n", "f.yaml:2: not UTF-8 – save the file as UTF-8"),
        ("", "f.yaml:1: the file is empty"),
        ("# nothing\n", "f.yaml:1: the file is empty"),
        ("- a\n", "f.yaml:1: the document must be a mapping"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: a second document begins – one document a file"),
        ("a:\n  b: 1\n\tc: 2\n", "f.yaml:3: a tab stands in the indentation – indent with spaces"),
        ("a: [1\n", "f.yaml:2: not YAML: did not find expected ',' or ']'"),
        ("a: b: c\n", "f.yaml:1: not YAML: mapping values are not allowed in this context"),
        ("a: 1\nb: \x01\n", "f.yaml:2: the character U+0001 may not stand here"),
        ('a: "x\\0"\n', "f.yaml:1: the character U+0000 may not stand here"),
        ("a: 1\nb: 2\na: 3\n",
         "f.yaml:3: the key `a` stands here twice, first in line 1 – keep one"),
        ("? [a]\n: 1\n", "f.yaml:1: a key must be plain text"),
        ("a: 1\n*b : 2\n", "f.yaml:2: a key must be plain text"),
        ("a: *b\n", "f.yaml:1: the alias *b stands for nothing before it"),
        ("a: &a [*a]\n", "f.yaml:1: the alias *a stands for nothing before it"),
        ("a: !!python/object:os.system {}\n",
         ("f.yaml:1: the tag tag:yaml.org,2002:python/object:os.system is not read – "
         "write plain YAML")),
        ("a: !thing 1\n", "f.yaml:1: the tag !thing is not read – write plain YAML"),
        ("a:\n " + "[" * 40 + "]" * 40, "f.yaml:2: nested deeper than 32 levels"),
        ("[" * 100_000, "f.yaml:1: nested deeper than 32 levels"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_with_its_line(text, fault):
    assert fault in said(text)


def test_aliases_that_would_fill_the_memory_are_refused():
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert said("\n".join(levels)) == ["f.yaml:7: more than 4,000,000 values, aliases written out"]


def test_a_file_larger_than_16_mb_is_refused():
    assert said(b"a: " + b"x" * BYTES_MAX) == [
        "f.yaml:1: larger than 16 MB – split it into several files"
    ]


def test_a_file_that_is_not_there_is_a_fault(tmp_path):
    faults = Faults()
    assert read_bytes(tmp_path / "none.yaml", faults) is None
    assert read_bytes(tmp_path, faults) is None
    with pytest.raises(CatalogueError, match="No such file or directory"):
        faults.raise_if_any()


def test_faults_are_told_once_each_by_file_and_line():
    faults = Faults()
    for file, line in (("b", 3), ("a", 9), ("b", 1), ("b", 3)):
        faults.add(Place(file, line), "wrong", "right")
    with pytest.raises(CatalogueError) as caught:
        faults.raise_if_any()
    assert str(caught.value) == "b:1: wrong – right\nb:3: wrong – right\na:9: wrong – right"


def test_an_error_prints_a_thousand_faults_and_counts_the_rest():
    error = CatalogueError(tuple(Fault("f", line, "wrong") for line in range(1200)))
    assert str(error).splitlines()[-1] == "and 200 more"


def test_the_pure_python_parser_reads_the_same(monkeypatch, example):
    with_libyaml = parsed(example)
    monkeypatch.setattr(document, "_Parser", yaml.BaseLoader)
    assert parsed(example) == with_libyaml
    assert parsed(example).lines == with_libyaml.lines
    assert isinstance(with_libyaml, Branch)
    assert said("a: 1\nb: \x01\n") == ["f.yaml:2: the character U+0001 may not stand here"]


def test_a_fault_is_one_line_whatever_it_quotes():
    text = str(Fault("a.yaml", 3, "known: \x1e\n\u2028", "write \x1b[31m"))
    assert text == r"a.yaml:3: known: \x1e\n\u2028 – write \x1b[31m"
