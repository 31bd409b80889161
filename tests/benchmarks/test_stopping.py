"""A run that is stopped leaves nothing: no files, and no process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.building import ROOT

# A run whose peer tells its number and then never answers.
RUN = """
import signal, sys
from benchmarks import runner
from benchmarks.cli import main
from benchmarks.stopping import end_orderly

folder, told = sys.argv[1:3]
peer = "import os, sys, time; open(sys.argv[1], 'w').write(f'{os.getpid()} '); time.sleep(3600)"
runner.command = lambda *_: [sys.executable, "-c", peer, told]
for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
    signal.signal(number, signal.SIG_IGN if number.name in sys.argv[3:] else signal.SIG_DFL)
end_orderly()
sys.exit(main(["run", "--only", "put-random", "--peers", "", "--folder", folder]))
"""


def started(folder: Path, told: Path, *ignored: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start a run, and wait until its peer is there."""
    folder.mkdir()
    words = [sys.executable, "-c", RUN, str(folder), str(told), *ignored]
    run = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE)
    while not (told.exists() and told.read_text().endswith(" ")):
        assert run.poll() is None
        time.sleep(0.01)
    assert list(folder.iterdir()) != []
    return run, int(told.read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_stopped_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    run, peer = started(tmp_path / "scratch", tmp_path / "told")
    run.send_signal(number)
    _out, said = run.communicate()
    assert (run.returncode, said) == (128 + number, b"")
    assert list((tmp_path / "scratch").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(peer, 0)


def test_a_signal_that_is_ignored_stays_so(tmp_path: Path) -> None:
    run, _peer = started(tmp_path / "scratch", tmp_path / "told", "SIGHUP")
    run.send_signal(signal.SIGHUP)
    run.send_signal(signal.SIGTERM)
    run.communicate()
    assert run.returncode == 128 + signal.SIGTERM
