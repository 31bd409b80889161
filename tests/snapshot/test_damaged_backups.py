"""Damaged backups: what is changed, cut, swapped or foreign is found and named, and nothing is made of it."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

import boltpy
from boltpy import snapshot
from tests.boltpy.sizes import sized

from .frames import HEADER_BYTES, Frame, beginning_with, frame_at, joined, split, with_mode
from .states import PAGE_SIZE, Growing, open_small

OLD = b"what was there before"


def both_backups(path: Path, seed: int) -> tuple[bytes, bytes]:
    """A full backup of several frames and an incremental one behind it."""
    with open_small(path) as db:
        growing = Growing(db, seed)
        with db.update() as tx:
            tx.create_bucket(b"large").put_many({b"%06d" % i: b"%d" % i * 20 for i in range(30_000)})
        growing.commit(5)
        full, more = path.with_name("full"), io.BytesIO()
        with db.view() as tx:
            snapshot.backup_file(tx, full)
        growing.commit(5)
        with db.view() as tx:
            snapshot.backup(tx, more, since=full)
    return full.read_bytes(), more.getvalue()


@pytest.fixture(scope="module")
def backups(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    return both_backups(tmp_path_factory.mktemp("backups") / "a.db", 1)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """Backups of the same contents, of another chain."""
    return both_backups(tmp_path_factory.mktemp("others") / "a.db", 1)


Refusal = Callable[[bytes], boltpy.BackupError]


@pytest.fixture(params=["verify", "restore"])
def refusal(request: pytest.FixtureRequest, tmp_path: Path) -> Refusal:
    """Gives a backup to `verify` or `restore` and returns the error; the target stays as it was."""
    target = tmp_path / "target"
    target.write_bytes(OLD)
    works: dict[str, Callable[[BinaryIO], object]] = {
        "verify": lambda stream: snapshot.verify([stream]),
        "restore": lambda stream: snapshot.restore([stream], target),
    }

    def refuse(backup: bytes) -> boltpy.BackupError:
        with pytest.raises(boltpy.BackupError) as caught:
            works[request.param](io.BytesIO(backup))
        assert target.read_bytes() == OLD
        assert os.listdir(tmp_path) == ["target"]
        return caught.value

    return refuse


def places(backup: bytes, frames: list[Frame]) -> list[int]:
    """Each byte of the header, the first bytes of each frame, its last one, and some between, drawn at random."""
    rng = random.Random(5)
    found = set(range(HEADER_BYTES))
    for frame in frames:
        found.update(range(frame.at, frame.at + 52))
        found.add(frame.at + len(frame.data) - 1)
    found.update(rng.randrange(len(backup)) for _ in range(sized(c=200, py=100, deep=20_000)))
    return sorted(found)


def test_a_flipped_bit_anywhere_is_found_and_named(backups: tuple[bytes, bytes], refusal: Refusal) -> None:
    backup, _ = backups
    _, frames = split(backup, PAGE_SIZE)
    assert [frame.kind for frame in frames].count(b"PAGE") > 2
    rng = random.Random(6)
    for place in places(backup, frames):
        damaged = bytearray(backup)
        damaged[place] ^= 1 << rng.randrange(8)
        error = refusal(damaged)
        frame = frame_at(frames, place)
        assert (error.frame, error.offset) == ((frame.number, frame.at) if frame else (0, 0)), str(error)


def test_a_flipped_bit_in_an_incremental_backup_is_found_and_named(
    backups: tuple[bytes, bytes], tmp_path: Path
) -> None:
    full, more = backups
    _, frames = split(more, PAGE_SIZE)
    for place in places(more, frames):
        damaged = bytearray(more)
        damaged[place] ^= 0x10
        with pytest.raises(boltpy.BackupError) as caught:
            snapshot.restore([io.BytesIO(full), io.BytesIO(damaged)], tmp_path / "target")
        frame = frame_at(frames, place)
        assert (caught.value.frame, caught.value.offset) == ((frame.number, frame.at) if frame else (0, 0))
    assert os.listdir(tmp_path) == []


def test_a_page_that_changed_is_named(backups: tuple[bytes, bytes], refusal: Refusal) -> None:
    backup, _ = backups
    first = split(backup, PAGE_SIZE)[1][0]
    damaged = bytearray(backup)
    damaged[first.at + len(first.data) - 1] ^= 1
    last_page = int.from_bytes(first.data[44 + 8 * 1023 : 52 + 8 * 1023], "little")
    assert refusal(damaged).reason.startswith(f"page {last_page} was changed")


def test_a_cut_anywhere_is_found_and_named(backups: tuple[bytes, bytes], refusal: Refusal) -> None:
    backup, _ = backups
    _, frames = split(backup, PAGE_SIZE)
    for place in places(backup, frames):
        error = refusal(backup[:place])
        if place < HEADER_BYTES:
            assert (error.frame, error.reason) == (0, f"is cut short: it has {place} of 152 bytes")
        else:
            frame = frame_at(frames, place)
            assert frame is not None
            assert (error.frame, error.offset) == (frame.number, frame.at)
            assert f"ends at byte {place}" in error.reason


def test_what_follows_the_last_frame_is_refused(backups: tuple[bytes, bytes], refusal: Refusal) -> None:
    backup, _ = backups
    for more in (b"\0", backup):
        assert refusal(backup + more).offset == len(backup)


def test_frames_that_were_swapped_repeated_or_left_out_are_named(
    backups: tuple[bytes, bytes], refusal: Refusal
) -> None:
    backup, _ = backups
    header, frames = split(backup, PAGE_SIZE)
    for i in range(len(frames) - 1):
        swapped = [*frames[:i], frames[i + 1], frames[i], *frames[i + 2 :]]
        repeated = [*frames[: i + 1], *frames[i:]]
        left_out = frames[:i] + frames[i + 1 :]
        for wrong, at in ((swapped, i), (repeated, i + 1), (left_out, i)):
            error = refusal(joined(header, wrong))
            assert error.frame == at + 1
            assert f"says that it is frame {wrong[at].number}" in error.reason


def test_a_frame_of_another_backup_is_named(
    backups: tuple[bytes, bytes], others: tuple[bytes, bytes], refusal: Refusal
) -> None:
    backup, more = backups
    header, frames = split(backup, PAGE_SIZE)
    for other in (more, *others):
        _, foreign = split(other, PAGE_SIZE)
        for i in range(min(len(frames), len(foreign))):
            error = refusal(joined(header, [*frames[:i], foreign[i], *frames[i + 1 :]]))
            assert (error.frame, error.offset) == (i + 1, frames[i].at)
            assert "belongs to another backup" in error.reason


def test_the_header_of_another_backup_does_not_fit(
    backups: tuple[bytes, bytes], others: tuple[bytes, bytes], refusal: Refusal
) -> None:
    _, frames = split(backups[0], PAGE_SIZE)
    assert refusal(joined(others[0][:HEADER_BYTES], frames)).frame == 1


def test_an_incremental_backup_of_another_chain_is_refused(
    backups: tuple[bytes, bytes], others: tuple[bytes, bytes], tmp_path: Path
) -> None:
    for work in (snapshot.verify, lambda sources: snapshot.restore(sources, tmp_path / "target")):
        with pytest.raises(boltpy.BackupError, match="another chain"):
            work([io.BytesIO(backups[0]), io.BytesIO(others[1])])
    assert os.listdir(tmp_path) == []


def test_another_version_is_refused(backups: tuple[bytes, bytes], refusal: Refusal) -> None:
    newer = bytearray(backups[0])
    newer[8] = 2
    assert refusal(newer).reason == "has version 2; this program knows version 1"


@pytest.mark.parametrize("mode", [0o1000, 0o4755, 0xFFFFFFFF])
def test_a_mode_that_is_more_than_permissions_is_refused(
    backups: tuple[bytes, bytes], refusal: Refusal, mode: int
) -> None:
    header, frames = split(backups[0], PAGE_SIZE)
    error = refusal(joined(with_mode(header, mode), frames))
    assert (error.frame, error.reason) == (0, f"has a mode {mode:#o} that is more than permission bits")


def test_a_frame_that_says_it_begins_with_another_page_is_refused(
    backups: tuple[bytes, bytes], refusal: Refusal
) -> None:
    header, frames = split(backups[0], PAGE_SIZE)
    error = refusal(joined(header, [frames[0], beginning_with(frames[1], 7), *frames[2:]]))
    assert (error.frame, error.offset) == (2, frames[1].at)
    assert "says that it begins with page 7" in error.reason


@pytest.mark.parametrize("data", [b"", b"x", b"boltpyB", bytes(4096), b"no backup" * 100])
def test_what_is_no_backup_is_refused(data: bytes, refusal: Refusal) -> None:
    assert refusal(data).frame == 0


def test_nothing_builds_on_a_damaged_index(backups: tuple[bytes, bytes], tmp_path: Path) -> None:
    backup, _ = backups
    _, frames = split(backup, PAGE_SIZE)
    behind = next(frame.at for frame in frames if frame.kind == b"INDX")
    rng = random.Random(7)
    near = {at for frame in frames if frame.at >= behind for at in range(frame.at, frame.at + 92)}
    with open_small(tmp_path / "a.db") as db:
        Growing(db).commit(20)
        for place in sorted(near | {rng.randrange(behind, len(backup)) for _ in range(100)} | set(range(152))):
            for damaged in (backup[:place], backup[:place] + bytes([backup[place] ^ 4]) + backup[place + 1 :]):
                (tmp_path / "earlier").write_bytes(damaged)
                with pytest.raises(boltpy.BackupError), db.view() as tx:
                    snapshot.backup(tx, io.BytesIO(), since=tmp_path / "earlier")
