"""Processes that are killed while they back up, restore or copy: the target is the old file or the whole new one."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import boltpy
from boltpy import snapshot
from tests.boltpy.sizes import sized

OLD = b"what was there before"
WORK = {
    "backup": "with boltpy.open(source, read_only=True) as db, db.view() as tx: snapshot.backup_file(tx, target)",
    "restore": "snapshot.restore([backup], target)",
    "copy": "snapshot.copy_live(source, target)",
}
PROGRAM = """
import sys
import boltpy
from boltpy import snapshot
source, backup, target = sys.argv[1:]
print(flush=True)
{work}
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of some MB and its backup."""
    folder = tmp_path_factory.mktemp("killed")
    with boltpy.open(folder / "source", no_sync=True) as db:
        with db.update() as tx:
            tx.create_bucket(b"b").put_many({b"%07d" % i: bytes(200) for i in range(60_000)})
        with db.view() as tx:
            snapshot.backup_file(tx, folder / "backup")
    return folder


def is_whole(target: Path, work: str) -> bool:
    """Whether the target is what the work is to make; else it must be what was there before."""
    if target.read_bytes() == OLD:
        return False
    if work == "backup":
        assert [backup.txid for backup in snapshot.verify([target])] == [2]
    else:
        with boltpy.open(target, read_only=True) as db, db.view() as tx:
            assert tx.id == 2
            assert len(tx._snapshot.free_pages()) < tx.size // 4096 / 10
    return True


@pytest.mark.parametrize("work", sorted(WORK))
def test_a_kill_at_any_moment_leaves_the_old_target_or_the_whole_new_one(
    folder: Path, work: str, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    command = [sys.executable, "-c", PROGRAM.format(work=WORK[work]), folder / "source", folder / "backup", target]
    rng = random.Random(work)
    # The first kill comes after the work, and tells how long it takes. One that comes too late shortens the span that
    # the next moments are drawn from, so on a machine of any speed enough of them come in the midst.
    in_the_midst, span = 0, 0.0
    while in_the_midst < sized(c=6, py=4, deep=200):
        target.write_bytes(OLD)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            began = time.monotonic()
            if span:
                time.sleep(rng.random() * span)
            else:
                assert process.stdout.readline() == b"\n"
            took = time.monotonic() - began
            process.send_signal(signal.SIGKILL)
        if not is_whole(target, work):
            in_the_midst += 1
        else:
            span = took
