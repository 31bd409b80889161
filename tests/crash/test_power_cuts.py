"""Power cuts: whatever the disk kept of a commit, the file opens with the state before it or after it.

`disk.py` makes every image that a power cut can leave. Each is opened, checked, compared with the models of the states
that it may hold, and has to take a further commit.
"""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest

import boltpy
from tests.boltpy.sizes import sized
from tests.conftest import OpenDB
from tests.crash.disk import Acknowledged, Begun, Journal, KilledError, Remains, Resize, Sync, Write, recording, remains
from tests.crash.workload import Readers, change, put_marker
from tests.models import BucketModel, assert_holds, difference, read_all

PAGE = 1024
OPTIONS = [
    {"no_freelist_sync": no_freelist_sync, "no_grow_sync": no_grow_sync, "freelist_type": freelist_type}
    for no_freelist_sync in (False, True)
    for no_grow_sync in (False, True)
    for freelist_type in ("array", "hashmap")
]
IMAGES = sized(c=500, py=260, deep=12_500)
"""Images for each of the eight ways to open a file."""


def make(path: Path) -> None:
    """Make a file with an empty commit. One without any would be made anew when it is opened."""
    with boltpy.open(path, page_size=PAGE) as db, db.update():
        pass


class Survivor:
    """Opens what is left after a power cut, and counts."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "crashed.db"
        self.tried = self.old = self.new = 0

    def opens(self, left: Remains, states: list[BucketModel]) -> None:
        """Fail unless the image is one of the states that it may be, is sound, and takes a further commit."""
        self._path.write_bytes(left.image)
        with boltpy.open(self._path, no_sync=True) as db:
            with db.view() as tx:
                assert list(tx.check()) == []
                state = read_all(tx)
            wrong = [difference(states[number], state) for number in range(left.oldest, left.newest + 1)]
            assert None in wrong, f"states {left.oldest} to {left.newest} differ: {wrong}"
            put_marker(db, state)
            with db.view() as tx:
                assert list(tx.check()) == []
                assert_holds(tx, state)
        self.tried += 1
        self.old += wrong[0] is None and left.newest > left.oldest
        self.new += wrong[-1] is None and left.newest > left.oldest


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_power_cut_at_any_moment_leaves_the_last_commit_or_the_one_before(
    tmp_path: Path, options: dict[str, object]
) -> None:
    survivor = Survivor(tmp_path)
    for seed in range(1_000):
        rng = random.Random(seed)
        path = tmp_path / f"{seed}.db"
        boltpy.open(path, page_size=PAGE, **options).close()
        before, states = path.read_bytes(), [BucketModel()]
        with recording(path) as journal, boltpy.open(path, **options) as db:
            readers = Readers(db, rng)
            for number in range(1, 9):
                readers.come_and_go()
                journal.note(Begun(number))
                with db.update() as tx:
                    states.append(states[-1].copy())
                    change(tx, states[-1], rng)
                assert isinstance(journal.events[-1], Sync), "the last write of a commit was not synced"
                journal.note(Acknowledged(number))
            readers.go()
        for left in remains(journal.events, before, 2 * PAGE, rng, sized(c=2, py=1, deep=4)):
            survivor.opens(left, states)
        path.unlink()
        if survivor.tried >= IMAGES:
            break
    assert survivor.tried >= IMAGES
    assert survivor.old > 20
    assert survivor.new >= 4


def commit_or_be_killed(path: Path, journal: Journal, states: list[BucketModel], rng: random.Random) -> None:
    """Open, commit a few times, and be killed somewhere; the last of `states` is then what the system shows."""
    db = boltpy.open(path)
    journal.kill_at = journal.calls + rng.randrange(16)
    with suppress(KilledError):
        for _ in range(3):
            new = states[-1].copy()
            states.append(new)
            journal.note(Begun(len(states) - 1))
            with db.update() as tx:
                change(tx, new, rng)
            journal.note(Acknowledged(len(states) - 1))
    journal.kill_at = None
    db.close()
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        state = read_all(tx)
    if difference(states[-1], state) is not None:
        del states[-1]
        assert difference(states[-1], state) is None


def test_a_power_cut_soon_after_a_kill_loses_no_more_than_the_kill_did(tmp_path: Path) -> None:
    """A killed process may leave a commit that the system shows and the disk does not have."""
    survivor = Survivor(tmp_path)
    images = sized(c=1_000, py=400, deep=20_000)
    for seed in range(1_000):
        rng = random.Random(seed)
        path = tmp_path / f"{seed}.db"
        make(path)
        before, states = path.read_bytes(), [BucketModel()]
        with recording(path) as journal:
            for _ in range(4):
                commit_or_be_killed(path, journal, states, rng)
        for left in remains(journal.events, before, 2 * PAGE, rng, 1):
            survivor.opens(left, states)
        path.unlink()
        if survivor.tried >= images:
            break
    assert survivor.tried >= images
    assert survivor.old > 20


def test_after_a_failed_sync_nothing_is_built_on_what_the_disk_may_have_lost(tmp_path: Path) -> None:
    """A failed sync marks its pages clean, so that a later one says yes without having written them."""
    survivor = Survivor(tmp_path)
    images = sized(c=1_000, py=400, deep=20_000)
    must_reopen = 0
    for seed in range(1_000):
        rng = random.Random(seed)
        path = tmp_path / f"{seed}.db"
        make(path)
        before, states = path.read_bytes(), [BucketModel()]
        with recording(path) as journal:
            journal.fail_sync = set(rng.sample(range(16), 4))
            db = boltpy.open(path)
            for _ in range(10):
                states.append(states[-1].copy())
                journal.note(Begun(len(states) - 1))
                try:
                    with db.update() as tx:
                        change(tx, states[-1], rng)
                    journal.note(Acknowledged(len(states) - 1))
                except boltpy.StorageError:
                    try:
                        db.begin().rollback()
                    except boltpy.DatabaseNotOpenError:  # it was the last sync: a reopened file may show the commit
                        must_reopen += 1
                        db.close()
                        db = boltpy.open(path)
                    with db.view() as tx:
                        if difference(states[-1], read_all(tx)) is not None:
                            del states[-1]
            db.close()
        for left in remains(journal.events, before, 2 * PAGE, rng, 1):
            survivor.opens(left, states)
        path.unlink()
        if survivor.tried >= images:
            break
    assert survivor.tried >= images
    assert must_reopen > 0


@pytest.mark.parametrize("page_size", [1024, 4096])
def test_a_power_cut_while_a_file_is_made_leaves_one_that_is_made_anew(tmp_path: Path, page_size: int) -> None:
    """Unless the disk kept neither meta: then there is nothing to tell the file by, and nothing that it could hold."""
    path = tmp_path / "a.db"
    with recording(path) as journal:
        boltpy.open(path, page_size=page_size).close()
    made = refused = 0
    for left in remains(journal.events, b"", 2 * page_size, random.Random(1), sized(c=60, py=30, deep=5_000)):
        path.write_bytes(left.image)
        try:
            db = boltpy.open(path, page_size=page_size, no_sync=True)
        except boltpy.InvalidDatabaseError as error:
            assert "delete it and open it again" in str(error)  # noqa: PT017
            refused += 1
            continue
        with db:
            put_marker(db, BucketModel())
            with db.view() as tx:
                assert list(tx.check()) == []
        made += 1
    assert made > 5
    assert refused > 0


def test_a_crash_after_a_crash_is_survived_too(tmp_path: Path) -> None:
    rng = random.Random(18)
    path, model = tmp_path / "a.db", BucketModel()
    make(path)
    survivor = Survivor(tmp_path)
    for _ in range(sized(c=25, py=10, deep=300)):
        before, new = path.read_bytes(), model.copy()
        with recording(path) as journal, boltpy.open(path) as db, db.update() as tx:
            journal.note(Begun(1))
            change(tx, new, rng)
        left = rng.choice(list(remains(journal.events, before, 2 * PAGE, rng, 2)))
        survivor.opens(left, [model, new])
        path.write_bytes(left.image)
        with boltpy.open(path) as db, db.view() as tx:
            model = read_all(tx)


class TestNoSync:
    """What is left of the promise without syncs."""

    def unsynced(self, path: Path, rng: random.Random) -> tuple[Journal, bytes, list[BucketModel]]:
        """Commits that nobody waited for; the states that they left."""
        make(path)
        before, states = path.read_bytes(), [BucketModel()]
        with recording(path) as journal, boltpy.open(path, no_sync=True) as db:
            for _ in range(8):
                states.append(states[-1].copy())
                with db.update() as tx:
                    change(tx, states[-1], rng)
        return journal, before, states

    def test_a_disk_that_keeps_the_order_of_writes_loses_the_last_commits_and_no_more(self, tmp_path: Path) -> None:
        survivor = Survivor(tmp_path)
        for seed in range(sized(c=12, py=6, deep=300)):
            journal, before, states = self.unsynced(tmp_path / f"{seed}.db", random.Random(seed))
            image, commits = bytearray(before), 0
            for event in journal.events:
                if isinstance(event, Write):
                    end = event.offset + len(event.data)
                    image[event.offset : end] = event.data
                    commits += event.offset < 2 * PAGE
                survivor.opens(Remains(bytes(image), commits, commits), states)
            assert commits == len(states) - 1

    @pytest.mark.parametrize("no_grow_sync", [False, True])
    def test_a_new_length_is_synced_all_the_same_unless_that_is_given_up_too(
        self, tmp_path: Path, no_grow_sync: bool
    ) -> None:
        path = tmp_path / "a.db"
        make(path)
        with recording(path) as journal, boltpy.open(path, no_sync=True, no_grow_sync=no_grow_sync) as db:
            for _ in range(3):
                with db.update() as tx:
                    tx.create_bucket_if_not_exists(b"b").put(b"%d" % tx.id, bytes(50_000))
        kinds = [type(event) for event in journal.events]
        assert kinds.count(Sync) == kinds.count(Resize) == (0 if no_grow_sync else 3)
        assert no_grow_sync or kinds[kinds.index(Resize) + 1] == Sync

    def test_a_disk_that_keeps_no_order_may_damage_the_file_but_never_the_program(self, tmp_path: Path) -> None:
        journal, before, states = self.unsynced(tmp_path / "a.db", random.Random(5))
        survivor, damaged = Survivor(tmp_path), 0
        for left in remains(journal.events, before, 2 * PAGE, random.Random(6), sized(c=10, py=4, deep=200)):
            try:
                survivor.opens(Remains(left.image, 0, len(states) - 1), states)
            except (boltpy.BoltError, AssertionError):
                damaged += 1
        assert damaged > 0
        assert survivor.tried > damaged / 10

    def test_what_was_committed_before_a_sync_is_there_until_the_next_commit(self, tmp_path: Path) -> None:
        path, survivor = tmp_path / "a.db", Survivor(tmp_path)
        for seed in range(sized(c=12, py=6, deep=300)):
            rng = random.Random(seed)
            make(path)
            before, states = path.read_bytes(), [BucketModel()]
            with recording(path) as journal, boltpy.open(path, no_sync=True) as db:
                for _ in range(3):
                    for _ in range(rng.randrange(1, 4)):
                        states.append(states[-1].copy())
                        journal.note(Begun(len(states) - 1))
                        with db.update() as tx:
                            change(tx, states[-1], rng)
                    db.sync()
                    journal.note(Acknowledged(len(states) - 1))
            for number, event in enumerate(journal.events):
                if isinstance(event, Acknowledged):
                    *_, last = remains(journal.events[: number + 1], before, 2 * PAGE, rng, 1)
                    survivor.opens(Remains(last.image, event.state, event.state), states)
            path.unlink()

    def test_a_session_with_syncs_after_one_without_is_safe_from_its_first_sync_on(self, tmp_path: Path) -> None:
        """Its first commit makes sure of what it found, before it writes over any page."""
        survivor, images = Survivor(tmp_path), sized(c=500, py=200, deep=10_000)
        for seed in range(1_000):
            path, rng = tmp_path / f"{seed}.db", random.Random(seed)
            _, before, states = self.unsynced(path, rng)
            found, before = len(states) - 1, path.read_bytes()
            with recording(path) as journal, boltpy.open(path) as db:
                for number in range(found + 1, found + 4):
                    states.append(states[-1].copy())
                    journal.note(Begun(number))
                    with db.update() as tx:
                        change(tx, states[-1], rng)
                    journal.note(Acknowledged(number))
            writes = [event for event in journal.events if isinstance(event, Write | Sync)]
            assert [type(event) for event in writes[:2]] == [Write, Sync]
            assert isinstance(writes[0], Write)
            assert writes[0].offset < 2 * PAGE, "the first thing that is written is a meta"
            for left in remains(journal.events, before, 2 * PAGE, rng, 2):
                survivor.opens(Remains(left.image, left.oldest or found, left.newest or found), states)
            path.unlink()
            if survivor.tried >= images:
                break
        assert survivor.tried >= images
        assert survivor.old > 20


def test_nothing_of_an_uncommitted_transaction_reaches_the_file(open_db: OpenDB) -> None:
    db = open_db("a.db")
    model = BucketModel()
    with db.update() as tx:
        change(tx, model, random.Random(1))
    before = Path(db.path).read_bytes()
    tx = db.begin(writable=True)
    change(tx, model.copy(), random.Random(2))
    tx.create_bucket(b"huge").put(b"huge", bytes(10_000_000))
    assert Path(db.path).read_bytes() == before
    tx.rollback()
    assert Path(db.path).read_bytes() == before
    with db.view() as view:
        assert_holds(view, model)
