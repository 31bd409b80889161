"""Wrong command lines are refused with the words of Go's `bbolt`, and the exit code 2."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.beside import Bbolt, ours, run_here

# `f` is a database, `n` leads nowhere.
LINES = """
info
info f f
info f --bogus
info --h f
info -x f
info -hx f
buckets
keys
keys f
keys -f
keys --format
keys -x f b
keys f b --format morse
get
get f
get f b
get f b k --parse-format morse
check
check f f
check f --from-page
check f --from-page=
check f --from-page x
check f --from-page -1
check f --from-page 1.5
check f --from-page 0x
check f --from-page 08
check f --from-page 1__0
check f --from-page 18446744073709551616
stats
stats f a b
inspect f f
pages
page
page f
page f x
page f -- -1
page f 0 --all
page f 18446744073709551616
page f --all=maybe
page-item f
page-item f 3
page-item f x 0
page-item f 3 x
page-item f 3 0 --key-only --value-only
dump
dump f
dump f x
compact
compact f
compact -o
compact -o x
compact --output
compact f -o x --tx-max-size x
compact f -o x --no-sync=maybe
bench --count x
bench --count 9999999999999999999999
bench --count 10 --batch-size 3
bench --write-mode seq-del
bench --fill-percent x
bench --no-sync=maybe
surgery revert-meta-page
surgery revert-meta-page f
surgery copy-page f
surgery copy-page f --from-page 1
surgery copy-page f --output n --from-page 3 --to-page 3
surgery clear-page f --output n
surgery clear-page f --output n --pageId 1
surgery clear-page f --output n --pageId -1
surgery clear-page-elements f --output n --pageId 1 --from-index 0 --to-index 1
surgery clear-page-elements f --output n --pageId 3 --from-index x --to-index 1
surgery clear-page-elements f --output n --pageId 3
surgery freelist abandon f
surgery freelist rebuild
surgery meta validate
surgery meta update f
surgery meta update f --output n --meta-page 2
surgery meta update f --output n --meta-page -1
surgery meta update f --output n --meta-page 4294967296
surgery meta update f --output n --fields root
surgery meta update f --output n --fields root:1:2
surgery meta update f --output n --fields root:x
surgery meta update f --output n --fields root:-1
surgery meta update f --output n --fields root:18446744073709551616
surgery meta update f --output n --fields root:3,bogus:1
sing
sing f
--bogus
""".strip().splitlines()

# What bbolt finds out when it runs the command is an error like any other.
ERRORS = """
info n
keys n b
get n b k
get f b zz --parse-format hex
get f b abc --parse-format hex
keys f nope
get f nope k
get f rich nope
page n 0
dump n 0
page-item n 3 0
page-item f 0 0
page-item f 999999 0
dump f 999999
compact -o x n
check n
surgery copy-page n --output x --from-page 3 --to-page 4
surgery copy-page f --output x --from-page 999999 --to-page 4
surgery copy-page f --output f --from-page 3 --to-page 4
surgery clear-page f --output x --pageId 999999
surgery clear-page-elements f --output x --pageId 999999 --from-index 0 --to-index 1
surgery freelist abandon f --output f
surgery freelist rebuild f --output x
surgery meta update f --output f
""".strip().splitlines()


@pytest.fixture
def folder(samples: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the database `f`."""
    (tmp_path / "f").write_bytes(samples["rich"].read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("line", LINES)
def test_a_wrong_command_line(bbolt: Bbolt, folder: Path, line: str) -> None:
    theirs, mine = bbolt(*line.split()), ours(*line.split())
    assert mine == (1, b"", theirs.error)
    assert theirs.code == 1
    code, _, errors = run_here(*line.split())
    assert code == 2
    assert errors.count("\n") <= 3
    assert os.listdir(folder) == ["f"]


@pytest.mark.parametrize("line", ERRORS)
def test_what_cannot_be_done(bbolt: Bbolt, folder: Path, line: str) -> None:
    theirs = bbolt(*line.split())
    (folder / "x").unlink(missing_ok=True)  # bbolt leaves its output behind
    mine = ours(*line.split())
    assert mine[1:] == theirs[1:]
    assert mine.code == 1
    code, _, errors = run_here(*line.split())
    assert (code, errors.count("\n")) == (1, 1)
    assert os.listdir(folder) == ["f"]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "help",
        "--help",
        "-h",
        "surgery",
        "surgery --help",
        "surgery meta -h",
        "help surgery freelist",
        "info --help",
    ],
)
def test_help_is_no_error(bbolt: Bbolt, line: str) -> None:
    theirs = bbolt(*line.split())
    code, out, errors = run_here(*line.split())
    assert (code, errors) == (theirs.code, theirs.error) == (0, "")
    assert b"USAGE" in out
