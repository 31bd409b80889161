"""Opens damaged copies of one file and uses them in every way; run as a process of its own by `surviving`.

Usage: python -m tests.corrupt.damage_worker FILE SCRATCH_FOLDER USE...

FILE is a sound database, USE a method of `Uses`. Standard input has one `Mutation` a line. Each is announced on
standard output before it is tried, so that the parent knows which one was fatal. Anything but a sound result or a
BoltError ends the process with a traceback; so does, with MemoryError, more memory than a small multiple of what the
sound file takes. One that takes too long ends it with SIGPROF.
"""

from __future__ import annotations

import contextlib
import io
import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import boltpy
from boltpy.cli import main as command_line
from boltpy.compact_file import compact_file
from tests.corrupt.mutations import Mutation

MEMORY = 192 << 20
"""Bytes that a damaged file may take, beside what the process and the file take anyhow."""

SECONDS = 10
"""Of the processor, for one damage. Most take some milliseconds."""

MOST_ITEMS = 100_000


def limit_memory(more: int) -> None:
    """Let this process take so many bytes more than now."""
    if "libasan" in Path("/proc/self/maps").read_text():  # it reserves terabytes of addresses for itself
        return
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + more, now + more))


@contextlib.contextmanager
def timed() -> Iterator[None]:
    """End the process if the block takes too long."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


COMMANDS = [
    ["info", "{file}"],
    ["buckets", "{file}"],
    ["inspect", "{file}"],
    ["check", "{file}"],
    ["check", "{file}", "--from-page", "3"],
    ["keys", "{file}", "{bucket}"],
    ["get", "{file}", "{bucket}", "key 0100"],
    ["stats", "{file}"],
    ["pages", "{file}"],
    ["page", "{file}", "--all"],
    ["page", "{file}", "0", "2", "5", "9"],
    ["page-item", "{file}", "4", "1"],
    ["dump", "{file}", "0", "3"],
    ["surgery find-key", "{file}", "key 0100"],
    ["surgery meta validate", "{file}"],
    ["surgery revert-meta-page", "{file}", "--output", "{output}"],
    ["surgery copy-page", "{file}", "--output", "{output}", "--from-page", "3", "--to-page", "5"],
    ["surgery clear-page", "{file}", "--output", "{output}", "--pageId", "4"],
    [
        "surgery clear-page-elements",
        "{file}",
        "--output",
        "{output}",
        "--pageId",
        "4",
        "--from-index=0",
        "--to-index=1",
    ],
    ["surgery freelist abandon", "{file}", "--output", "{output}"],
    ["surgery freelist rebuild", "{file}", "--output", "{output}"],
    ["surgery meta update", "{file}", "--output", "{output}", "--fields", "root:3"],
    ["compact", "{file}", "--output", "{output}"],
    ["get", "{file}", "{bucket}", "key 0100", "--live"],
    ["copy", "{file}", "--output", "{output}"],
    ["copy", "{file}", "--output", "{output}", "--live"],
    ["backup", "{file}", "--output", "{output}"],
    ["scrub", "{file}", "--seal"],
    ["scrub", "{file}"],
]
"""Lines that every damaged file is tried with."""

MORE_COMMANDS = [
    ["pages", "{file}", "--map"],
    ["tree", "{file}"],
    ["du", "{file}"],
    ["seq", "{file}", "{bucket}"],
    ["diff", "{file}", "{sound}"],
    ["export", "{file}", "--output", "{output}"],
    ["export", "{file}", "--sqlite", "{output}"],
    ["recover", "{file}", "--output", "{output}"],
    ["recover", "{file}", "--output", "{output}", "--old"],
]
"""Lines that take turns: each damaged file is tried with a third of them."""

CHANGES = [
    ["put", "{file}", "new", "key", "value", "--parents"],
    ["mkbucket", "{file}", "new", "nested", "--parents"],
    ["delete", "{file}", "new", "key"],
    ["mv", "{file}", "new", "--to", "{bucket}", "--to", "newer"],
    ["seq", "{file}", "{bucket}", "--next"],
    ["rmbucket", "{file}", "{bucket}", "--recursive"],
    ["import", "{file}", "--input", "{lines}", "--replace"],
]
"""Lines that change the file; they take turns too."""

TURNS = 3


class Uses:
    """Everything that can be done with a file, with names and keys that the sound one has."""

    def __init__(self, sound: Path) -> None:
        self._names: list[bytes] = []
        self._keys = [b"key 0100", b"\0", b"zzz"]
        with boltpy.open(sound, read_only=True) as db, db.view() as tx:
            for name, bucket in tx.buckets():
                self._names.append(name)
                self._keys += [key for key, _ in zip(bucket.keys(), range(40), strict=False)][::13]
        self._names = self._names[:6]
        self._bucket = os.fsdecode(self._names[0])
        self._sound = sound
        self._export = sound.with_name(sound.name + " lines")
        self._export.unlink(missing_ok=True)
        assert command_line(["export", str(sound), "-o", str(self._export)], io.StringIO()) == 0
        self._commands_run = 0

    def walk(self, bucket: boltpy.Bucket, depth: int = 0) -> None:
        """Read a bucket in all ways and everything nested in it."""
        count = 0
        with contextlib.suppress(boltpy.BoltError):
            for key, value in bucket.items():
                count += 1
                assert count < MOST_ITEMS, "a small file gives no end of items"
                if value is not None and count < 200:
                    with contextlib.suppress(boltpy.BoltError):
                        bucket.get(key)
                        view = bucket.get_view(key)
                        assert view is None or len(bytes(view)) >= 0
                elif value is None and depth < 20:
                    nested = bucket.bucket(key)
                    if nested is not None:
                        self.walk(nested, depth + 1)
        with contextlib.suppress(boltpy.BoltError):
            for count, _ in enumerate(bucket.items(reverse=True)):
                assert count < MOST_ITEMS, "a small file gives no end of items backwards"
        for move in ("first", "last", "next", "prev"):
            with contextlib.suppress(boltpy.BoltError):
                cursor = bucket.cursor()
                cursor.seek(self._keys[-1])
                getattr(cursor, move)()
        with contextlib.suppress(boltpy.BoltError):
            list(bucket.get_many(self._keys))
        with contextlib.suppress(boltpy.BoltError):
            bucket.stats()
        with contextlib.suppress(boltpy.BoltError):
            bucket.inspect()

    def read(self, path: Path) -> None:
        """Walk, look up, check, copy."""
        with boltpy.open(path, read_only=True, preload_freelist=True, timeout=5) as db, db.view() as tx:
            with contextlib.suppress(boltpy.BoltError):
                for count, problem in enumerate(tx.check()):
                    assert str(problem)
                    assert count < MOST_ITEMS, "check does not end"
            with contextlib.suppress(boltpy.BoltError):
                for _, bucket in tx.buckets():
                    self.walk(bucket)
            with contextlib.suppress(boltpy.BoltError):
                tx.inspect()
            for pgid in range(40):
                with contextlib.suppress(boltpy.BoltError):
                    tx.page(pgid)
            with contextlib.suppress(boltpy.BoltError):
                tx.write_to(io.BytesIO())

    def write(self, path: Path) -> None:
        """Put, delete, nest and drop, in the buckets that are there."""
        with boltpy.open(path, timeout=5, no_sync=True, max_size=path.stat().st_size + (16 << 20)) as db:
            for step, name in enumerate([*self._names, b"new"]):
                with contextlib.suppress(boltpy.BoltError), db.update() as tx:
                    bucket = tx.create_bucket_if_not_exists(name)
                    bucket.put_many((b"new %d %d" % (step, i), b"v" * 50) for i in range(30))
                    bucket.next_sequence()
                with contextlib.suppress(boltpy.BoltError), db.update() as tx:
                    bucket = tx.create_bucket_if_not_exists(name)
                    bucket.delete_many(self._keys)
                    bucket.put(self._keys[-1], bytes(100))
                    bucket.create_bucket_if_not_exists(b"nested").put(b"k", b"v")
                if step % 3 == 2:
                    with contextlib.suppress(boltpy.BoltError), db.update() as tx:
                        tx.delete_bucket(name)
            with contextlib.suppress(boltpy.BoltError), db.view() as tx:
                for count, _ in enumerate(tx.check()):
                    assert count < MOST_ITEMS, "check does not end"

    def compact(self, path: Path) -> None:
        """Into a file that is there as a whole, sound, or not at all."""
        dense = path.with_name("dense.db")
        dense.unlink(missing_ok=True)
        try:
            compact_file(str(path), str(dense), timeout=5)
        except boltpy.BoltError:
            assert not dense.exists()
            return
        with boltpy.open(dense, read_only=True) as db, db.view() as tx:
            assert list(tx.check()) == []

    def command(self, path: Path) -> None:
        """The commands that read."""
        self._commands_run += 1
        own = MORE_COMMANDS[self._commands_run % TURNS :: TURNS]
        for words in [*COMMANDS, *own]:
            self._run(words, path)

    def change(self, path: Path) -> None:
        """The commands that write."""
        for words in CHANGES[self._commands_run % TURNS :: TURNS]:
            self._run(words, path)

    def _run(self, words: list[str], path: Path) -> None:
        """Run a command: 0, or an error and one line that says why, and no traceback."""
        output = path.with_name("output.db")
        places = {"file": path, "output": output, "bucket": self._bucket, "sound": self._sound, "lines": self._export}
        name, *rest = [word.format(**places) for word in words]
        json = ["--json"] if self._commands_run % 2 else []
        sys.stderr.seek(0)
        sys.stderr.truncate()
        code = command_line([*name.split(), *json, *rest], io.StringIO())
        sys.stderr.seek(0)
        told = sys.stderr.read()
        if name == "diff":  # 1 is no error there
            assert (code, told.count("\n")) in ((0, 0), (1, 0), (2, 1)), (code, name, told)
        else:
            assert (code, told.count("\n")) in ((0, 0), (1, 1)), (code, name, told)
        assert not told or told.startswith("Error: "), told
        output.unlink(missing_ok=True)


def main() -> None:
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    sound, uses = source.read_bytes(), Uses(source)
    sys.stderr = open(folder / "complaints", "w+")  # noqa: SIM115  it lives as long as the process
    for name in ("fsync", "fdatasync"):  # to wait for a disk finds nothing here
        setattr(os, name, lambda _: None)
    limit_memory(MEMORY + 8 * len(sound))
    path = folder / "damaged.db"
    for line in sys.stdin:
        print(line.strip(), flush=True)
        damaged = Mutation.parse(line).apply(sound)
        path.write_bytes(damaged)
        with timed():
            for use in (getattr(uses, name) for name in sys.argv[3:]):
                with contextlib.suppress(boltpy.BoltError):
                    use(path)
                assert use in (uses.write, uses.change) or path.read_bytes() == damaged, "reading changed the file"
        sys.stderr.truncate(0)
    print("done", flush=True)


if __name__ == "__main__":
    main()
