"""Whatever hears the command `boltpy`: plain terminals, closed streams, readers who leave, full disks, Ctrl-C."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import boltpy
from boltpy.cli import main
from tests.cli.beside import run_here
from tests.cli.command import COMMAND, ROOT, environment, printed, run

# Says that it waits, each time that it looks for the lock again.
WAITING = """
import sys, time
from boltpy.cli import main
sleep = time.sleep
time.sleep = lambda seconds: (sys.stderr.write("waiting\\n"), sys.stderr.flush(), sleep(seconds))
sys.exit(main())
"""

# Gets a signal as soon as it waits for the disk.
STOPPED = """
import os, sys
from boltpy.cli import main
number = int(sys.argv.pop())
os.fsync = os.fdatasync = lambda _: os.kill(os.getpid(), number)
sys.exit(main())
"""

# Python's own buffer hides an error until it is full; without the buffer each line meets it.
buffering = pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bucket with more keys than a pipe holds, and one key that ASCII lacks."""
    path = tmp_path_factory.mktemp("cli") / "a.db"
    with boltpy.open(path) as db, db.update() as tx:
        tx.create_bucket(b"many").put_many({b"key %06d" % number: b"" for number in range(20_000)})
        tx.create_bucket(b"one")["schön".encode()] = b"v"
    return path


def shell(line: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run the command with `line`, which may redirect, behind it."""
    return subprocess.run(
        ["sh", "-c", f"exec {shlex.join(COMMAND)} {line}"],
        cwd=ROOT,
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def outcome(result: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    return result.returncode, result.stdout, result.stderr


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_json_stays_json_whatever_the_encoding(tmp_path: Path, flags: list[str]) -> None:
    with boltpy.open(tmp_path / "a.db") as db, db.update() as tx:
        tx.create_bucket("schön".encode())
    told = run("inspect", tmp_path / "a.db", *flags, PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert json.loads(told.stdout)["buckets"][0]["name"] == "schön"


def test_what_the_encoding_lacks_is_printed_as_its_code(path: Path) -> None:
    assert outcome(run("keys", path, "one", PYTHONUTF8="0", PYTHONIOENCODING="ascii")) == (0, "sch\\xf6n\n", "")
    assert outcome(run("keys", path, "one", PYTHONUTF8="0", LC_ALL="C", PYTHONCOERCECLOCALE="0"))[::2] == (0, "")


@buffering
@pytest.mark.parametrize("arguments", ["keys {} many", "check {}", "info {} --json"])
def test_without_a_stdout_nothing_is_printed(path: Path, arguments: str, unbuffered: str) -> None:
    result = shell(f"{arguments.format(path)} >&-", PYTHONUNBUFFERED=unbuffered)
    assert outcome(result) == (0, "", "")


@buffering
def test_without_a_stderr_the_exit_code_remains(path: Path, unbuffered: str) -> None:
    for redirection in ("2>&-", "2>/dev/full", ">&- 2>&-"):
        assert outcome(shell(f"keys {path} none {redirection}", PYTHONUNBUFFERED=unbuffered)) == (1, "", "")


def test_without_a_stderr_an_error_is_no_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["info", "/nowhere/a.db"]) == 1


@buffering
def test_a_reader_who_leaves_early_is_no_error(path: Path, unbuffered: str) -> None:
    with subprocess.Popen(
        [*COMMAND, "keys", str(path), "many"],
        cwd=ROOT,
        env=environment(PYTHONUNBUFFERED=unbuffered),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"key 000000\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


WHOLE = ("backup {} -o -", "export {}", "recover {} -o -")
"""Commands whose output is of use only as a whole."""


@buffering
@pytest.mark.parametrize("arguments", WHOLE)
def test_what_is_of_use_only_as_a_whole_fails_if_its_reader_leaves(path: Path, arguments: str, unbuffered: str) -> None:
    line = f"set -o pipefail; {shlex.join(COMMAND)} {arguments.format(path)} | head -c 10"
    found = subprocess.run(
        ["bash", "-c", line], cwd=ROOT, env=environment(PYTHONUNBUFFERED=unbuffered), capture_output=True, text=True,
        timeout=60, check=False, encoding="latin-1",
    )  # fmt: skip
    assert (found.returncode, found.stderr) == (1, "Error: output: its reader left before the end\n")
    assert len(found.stdout) == 10


@pytest.mark.parametrize("arguments", WHOLE)
def test_help_tells_that_it_fails_then(arguments: str) -> None:
    codes = run("help", arguments.split()[0]).stdout.partition("EXIT CODES")[2]
    ok, _, failed = codes.partition("\n  1 ")
    assert "left before the end" not in ok
    assert "left before the end" in failed


@pytest.mark.parametrize("arguments", WHOLE)
def test_what_is_of_use_only_as_a_whole_needs_a_stdout(path: Path, arguments: str) -> None:
    assert outcome(shell(f"{arguments.format(path)} >&-")) == (1, "", "Error: output: there is none\n")


@pytest.mark.parametrize("arguments", ["verify -", "restore - -o nowhere", "import {}"])
def test_without_a_stdin_nothing_can_be_read(path: Path, arguments: str) -> None:
    assert outcome(shell(f"{arguments.format(path)} <&-")) == (1, "", "Error: there is no input\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_copy_of_a_live_file_goes_however_the_command_ends(
    path: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [*COMMAND, "keys", "--live", str(path), "many"],
        cwd=ROOT,
        env=environment(TMPDIR=str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()  # from now on it waits for a reader: there are more keys than a pipe holds
        assert [each.name for each in tmp_path.glob("*/*")] == ["copy.db"]
        process.send_signal(number)
        assert process.wait(60) == 128 + number
        assert process.stderr.read() == b""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    "arguments",
    ["export {} -o new", "copy {} -o new", "backup {} -o new", "compact {} -o new", "mkbucket --create new b"],
)
def test_a_signal_leaves_nothing_unfinished_behind(
    path: Path, tmp_path: Path, arguments: str, number: signal.Signals
) -> None:
    result = subprocess.run(
        [sys.executable, "-c", STOPPED, *arguments.format(path).split(), str(int(number))],
        cwd=tmp_path, env=environment(PYTHONPATH=str(ROOT)), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert outcome(result) == (128 + number, "", "")
    assert list(tmp_path.iterdir()) == []


@buffering
def test_problems_that_nobody_reads_to_their_end_are_problems_all_the_same(
    path: Path, tmp_path: Path, unbuffered: str
) -> None:
    damaged = tmp_path / "damaged.db"
    data = bytearray(path.read_bytes())
    data[2 * 4096 :] = b"\xa5" * (len(data) - 2 * 4096)
    damaged.write_bytes(data)
    line = f"({shlex.join(COMMAND)} check {damaged}; echo $? >{tmp_path}/code) | exec true"
    subprocess.run(["sh", "-c", line], cwd=ROOT, env=environment(PYTHONUNBUFFERED=unbuffered), timeout=60, check=True)
    assert (tmp_path / "code").read_text() == "1\n"


@buffering
def test_a_full_disk_is_an_error(path: Path, unbuffered: str) -> None:
    for arguments in (f"info {path}", f"keys {path} many"):
        result = shell(f"{arguments} >/dev/full", PYTHONUNBUFFERED=unbuffered)
        assert outcome(result) == (1, "", "Error: output: No space left on device\n")


@buffering
def test_bytes_as_they_are_meet_a_full_disk_too(path: Path, tmp_path: Path, unbuffered: str) -> None:
    value = bytes(range(256)) * 2000
    with boltpy.open(tmp_path / "large.db") as db, db.update() as tx:
        tx.create_bucket(b"b")[b"k"] = value
    get = f"get {tmp_path}/large.db b k --format bytes"
    result = shell(f"{get} >/dev/full", PYTHONUNBUFFERED=unbuffered)
    assert outcome(result) == (1, "", "Error: output: No space left on device\n")
    assert outcome(shell(f"{get} >{tmp_path}/value", PYTHONUNBUFFERED=unbuffered)) == (0, "", "")
    assert (tmp_path / "value").read_bytes() == value + b"\n"


def test_bytes_that_are_no_text_stand_in_order_with_text(tmp_path: Path) -> None:
    with boltpy.open(tmp_path / "odd.db", page_size=4096) as db, db.update() as tx:
        bucket = tx.create_bucket(b"\xff\xfe")
        bucket.put_many((b"k%04d" % number, b"\xff%04d" % number) for number in range(300))
    with boltpy.open(tmp_path / "odd.db", read_only=True, preload_freelist=True) as db, db.view() as tx:
        infos = [tx.page(pgid) for pgid in range(tx.size // 4096)]
    leaf = next(info.id for info in infos if info is not None and info.type == "leaf" and info.count > 20)

    def shown(*arguments: str | Path) -> bytes:
        return subprocess.run([*COMMAND, *arguments], cwd=ROOT, capture_output=True, check=True).stdout

    assert shown("buckets", tmp_path / "odd.db") == b"\xff\xfe\n"
    page = shown("page", tmp_path / "odd.db", str(leaf), "--format-value", "bytes")
    assert b'\n\n"k0000": \xff0000\n"k0001": \xff0001\n' in page


def test_help_for_a_full_disk_is_an_error_too() -> None:
    assert outcome(shell("--help >/dev/full")) == (1, "", "Error: output: No space left on device\n")


@pytest.mark.parametrize("command", [["keys", "{}", "many"], ["compact", "{}", "-o", "{}.new"]], ids=" ".join)
def test_ctrl_c_ends_the_wait_for_a_lock(path: Path, command: list[str]) -> None:
    arguments = [part.format(path) for part in command]
    with (
        boltpy.open(path),
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", WAITING, *arguments, "--timeout", "60"],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stderr is not None
        assert process.stdout is not None
        assert process.stderr.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        assert set(process.stderr) <= {"waiting\n"}
        assert process.stdout.read() == ""
    assert process.returncode == 130
    assert [found.name for found in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("arguments", ["check {}", "info {} --json", "diff {} {}", "version", "--help", "page {} 0"])
def test_kernels_that_are_not_there_are_an_error(path: Path, arguments: str) -> None:
    result = run(*arguments.replace("{}", str(path)).split(), BOLTPY_HOT="rust")
    assert outcome(result) == (1, "", "Error: BOLTPY_HOT is 'rust'; it must be 'c', 'py' or unset\n")


@pytest.mark.parametrize("module", ["typing", "boltpy.cli", "boltpy.cli.parsing", "boltpy.cli.facts", "boltpy.storage"])
def test_ctrl_c_while_modules_are_loaded_leaves_no_traceback(path: Path, module: str) -> None:
    code = f"""
import os, signal, sys
class Interrupting:
    def find_spec(self, name, *rest):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.modules.pop("typing", None)
sys.meta_path.insert(0, Interrupting())
from boltpy.__main__ import run
sys.argv = ["boltpy", "info", {str(path)!r}]
run()
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert outcome(result) == (130, "", "")


def test_an_error_names_its_file_however_short_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("e").write_bytes(b"text")
    code, _, errors = run_here("info", "e")
    assert (code, errors) == (1, "Error: e: invalid database: no meta page\n")


def test_an_output_without_a_name_is_told(path: Path) -> None:
    for command in ("compact", "export", "copy", "recover"):
        code, _, errors = run_here(command, path, "-o", "")
        assert (code, errors) == (1, "Error: (no name): exists and is no regular file\n")


def test_diff_names_the_file_that_is_at_fault(path: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"text" * 5000)
    for files in ((path, broken), (broken, path)):
        code, _, errors = run_here("diff", *files)
        assert code == 2
        assert errors.startswith(f"Error: {broken}: ")
    broken.write_bytes(path.read_bytes()[: 2 * 4096])
    code, _, errors = run_here("diff", path, broken)
    assert code == 2
    assert str(broken) in errors


def test_a_compact_copy_that_goes_over_the_output_has_a_size(path: Path, tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    result = shell(f"compact -o /dev/stdout {path} >{tmp_path}/out")
    assert (result.returncode, result.stderr) == (0, "")
    assert printed("check", tmp_path / "out") == "OK\n"
