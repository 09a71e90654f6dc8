"""The Dockerfile says what we mean, as far as can be told without an engine to build it."""

import re
from functools import cache

from service.settings import ROOT
from tests.deploy.files import DOCKERFILE, compose, is_setting
from tests.test_architecture import PACKAGES


@cache
def instructions():
    text = re.sub(r"\\\n", " ", DOCKERFILE.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.strip().split(maxsplit=1)) for line in lines]


def all_of(name):
    return [words for instruction, words in instructions() if instruction == name]


def last_stage():
    start = max(n for n, (name, _) in enumerate(instructions()) if name == "FROM")
    return instructions()[start:]


def copied_from_here():
    return [
        source for words in all_of("COPY") if "--from" not in words for source in words.split()[:-1]
    ]


def test_it_has_two_stages_of_one_pinned_image():
    images = {words.split()[0] for words in all_of("FROM")}
    assert len(all_of("FROM")) == 2
    assert len(images) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", images.pop())


def test_every_source_that_is_copied_exists_and_is_let_in():
    let_in = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in let_in
    for source in copied_from_here():
        assert (ROOT / source).exists(), source
        assert f"!{source}" in let_in, source
    for line in let_in:
        if line.startswith("!"):
            assert line[1:] in copied_from_here(), line


def test_every_package_is_in_the_image_with_what_it_reads():
    assert {*PACKAGES, "config", "pyproject.toml"} <= set(copied_from_here())


def test_dependencies_are_checked_against_the_lock():
    installs = [words for words in all_of("RUN") if "pip install" in words]
    assert any("--require-hashes -r requirements.lock" in words for words in installs)
    for words in installs:
        assert "--require-hashes" in words or ("--no-deps" in words and "--no-index" in words)


def test_nothing_is_fetched_but_the_lock():
    assert not all_of("ADD")
    assert not any(re.search(r"curl|wget|https?://|apt-get", words) for words in all_of("RUN"))


def test_it_runs_as_a_fixed_user_without_rights():
    (user,) = [words for name, words in last_stage() if name == "USER"]
    uid, _, gid = user.partition(":")
    assert int(uid) > 0
    assert int(gid) > 0
    (make,) = [words for name, words in last_stage() if name == "RUN"]
    assert f"--uid {uid}" in make
    assert f"-o {uid} -g {gid} -m 0750 /var/lib/lifeline" in make


def test_code_is_root_s_and_only_the_data_is_the_user_s():
    assert not any("--chown" in words for words in all_of("COPY"))


def test_the_passes_are_compiled_in_the_image_for_every_processor():
    variables = dict(re.findall(r"(\w+)=(\S+)", " ".join(all_of("ENV"))))
    assert variables["NUMBA_CPU_NAME"] == "generic"
    for stage in (instructions(), last_stage()):
        assert any(name == "ENV" and "NUMBA_CPU_NAME=generic" in words for name, words in stage)
    (warm,) = [words for words in all_of("RUN") if "lifeline warm" in words]
    assert warm.index("touch --date=@") < warm.index("lifeline warm") < warm.index("compileall")


def test_its_variables_are_settings():
    for variable in re.findall(r"LIFELINE_\w+", " ".join(all_of("ENV"))):
        assert is_setting(variable), variable


def test_it_starts_stops_and_tells_its_health():
    assert all_of("ENTRYPOINT") == ['["lifeline"]']
    assert all_of("CMD")[-1] == '["serve"]'
    assert all_of("STOPSIGNAL") == ["SIGTERM"]
    (health,) = all_of("HEALTHCHECK")
    assert '["python", "-m", "service.health"]' in health
    assert compose()["services"]["lifeline"]["healthcheck"]["test"][1:] == [
        "python",
        "-m",
        "service.health",
    ]
