"""Compiled passes are kept, also where this process may only read them."""

import os
import subprocess
import sys

import pytest

import compiled
from service.settings import ROOT


def test_every_pass_is_known_by_its_name():
    from analytics import kernel  # noqa: PLC0415  imported for its pass

    assert kernel.judge_readings is compiled._passes["analytics.kernel.judge_readings"]
    assert "analytics.kernel.judge_readings" in compiled.passes()


def test_a_copy_holds_what_was_kept_and_can_be_written_to(tmp_path):
    kept = tmp_path / "passes-1"
    (kept / "inner").mkdir(parents=True)
    (kept / "inner" / "index.nbi").write_bytes(b"index")
    (kept / "inner" / "index.nbi").chmod(0o444)
    (kept / "inner").chmod(0o555)
    copied = compiled._copied(kept)
    assert copied.name == kept.name
    assert copied != kept
    assert (copied / "inner" / "index.nbi").read_bytes() == b"index"
    (copied / "inner" / "index.nbi").write_bytes(b"new")
    (copied / "inner" / "other").write_bytes(b"")
    (kept / "inner").chmod(0o755)


def test_a_folder_that_can_be_written_to_is_used_as_it_is(tmp_path):
    assert compiled._writable(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_can_only_be_read_is_not(tmp_path):
    tmp_path.chmod(0o555)
    assert not compiled._writable(tmp_path)
    tmp_path.chmod(0o755)


def test_where_nothing_can_be_written_the_kept_folder_stands(tmp_path, monkeypatch):
    def full(prefix):
        raise OSError(28, f"no room for {prefix}")

    monkeypatch.setattr(compiled.tempfile, "mkdtemp", full)
    assert compiled._copied(tmp_path) == tmp_path


def test_a_copy_ends_with_its_process(tmp_path):
    (tmp_path / "kept").mkdir()
    program = (
        "import sys, pathlib; import compiled; print(compiled._copied(pathlib.Path(sys.argv[1])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "kept"],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip().startswith(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
