"""The bar: on a terminal only, on stderr only, and nothing of it stays."""

from __future__ import annotations

import io
import os
import pty
import termios
from contextlib import redirect_stderr
from pathlib import Path

import pytest

import boltpy
from boltpy.cli import main, progress
from boltpy.cli.progress import Progress
from tests.cli.beside import run_here


class Terminal(io.StringIO):
    """A stream that people look at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def at_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the bar at each step and not ten times a second."""
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN", 0.0)


def test_a_bar_grows_and_goes() -> None:
    with redirect_stderr(Terminal()) as terminal, Progress("work", 200) as bar:
        bar.at(50)
        bar.step(100)
        bar.step(100)
    first, second, third, cleared = terminal.getvalue().split("\r")[1:]
    assert first == f"work: [{'#' * 7}{'.' * 23}]  25%\x1b[K"
    assert second.startswith(f"work: [{'#' * 22}{'.' * 8}]  75%")
    assert third.startswith(f"work: [{'#' * 30}] 100%")
    assert cleared == "\x1b[K"


def test_without_a_total_it_counts() -> None:
    with redirect_stderr(Terminal()) as terminal, Progress("work") as bar:
        bar.at(12345)
    assert terminal.getvalue() == "\rwork: 12,345\x1b[K\r\x1b[K"


def test_it_never_wraps() -> None:
    screen, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 20))
    with open(terminal, "w") as stream, redirect_stderr(stream), Progress("work", 2) as bar:
        bar.at(1)
        shown = os.read(screen, 1000)
    os.close(screen)
    assert shown == f"\rwork: [{'#' * 12}\x1b[K".encode()


def test_a_terminal_without_escape_codes_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with redirect_stderr(Terminal()) as terminal, Progress("work", 2) as bar:
        bar.at(1)
    assert terminal.getvalue() == ""


def test_what_takes_no_time_shows_nothing() -> None:
    with redirect_stderr(Terminal()) as terminal, Progress("work", 200):
        pass
    assert terminal.getvalue() == ""


def test_the_bar_goes_after_an_error_too() -> None:
    def work() -> None:
        with Progress("work", 2) as bar:
            bar.at(1)
            raise KeyboardInterrupt

    with redirect_stderr(Terminal()) as terminal, pytest.raises(KeyboardInterrupt):
        work()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_without_a_terminal_or_a_stderr_nothing_is_written() -> None:
    for stream in (io.StringIO(), None):
        with redirect_stderr(stream), Progress("work", 2) as bar:
            bar.at(1)
        assert stream is None or stream.getvalue() == ""


def test_a_terminal_that_goes_away_is_no_error() -> None:
    class Gone(Terminal):
        def write(self, _: str) -> int:
            raise OSError(5, "Input/output error")

    with redirect_stderr(Gone()), Progress("work", 2) as bar:
        bar.at(1)


@pytest.mark.parametrize(
    "line",
    ["check {}", "compact {} -o {}.new", "export {} -o {}.new", "export {} --sqlite {}.new", "recover {} -o {}.new"],
)
def test_long_commands_show_it(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.db"
    with boltpy.open(path) as db, db.update() as tx:
        tx.create_bucket(b"b").put_many((b"%06d" % number, bytes(500)) for number in range(2000))
    arguments, out = line.format(path, path).split(), io.StringIO()
    with redirect_stderr(Terminal()) as terminal:
        assert main(arguments, out) == 0
    *_, last, cleared = shown = terminal.getvalue().split("\r")
    shares = [int(drawn.removesuffix("%\x1b[K")[-3:]) for drawn in shown[1:-1]]
    assert last.startswith(f"{arguments[0]}: [#")
    assert (sorted(shares), shares[-1], cleared) == (shares, 100, "\x1b[K")
    assert max(after - before for before, after in zip(shares, shares[1:], strict=False)) < 60
    assert "#" not in out.getvalue()


def test_output_that_is_no_terminal_has_nothing_of_it(samples: dict[str, Path]) -> None:
    assert run_here("check", samples["rich"]) == (0, b"OK\n", "")
