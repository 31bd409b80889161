"""`recover`, damage by damage: what is told, and where each pair comes out."""

from __future__ import annotations

import errno
import json
import struct
import time
from pathlib import Path

import pytest

import boltpy
from boltpy.storage import FileStorage
from tests.boltpy.rawfile import LEAF_PAGE, RawFile
from tests.cli.command import printed, printed_json, run
from tests.cli.leaves import Entry, SoundFile, exported_from
from tests.cli.test_recover import LOST, Recovered, trees
from tests.corrupt.samples import PAGE, database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return trees(tmp_path / "sound.db")


@pytest.fixture
def raw(path: Path) -> RawFile:
    return RawFile(path)


def recovered(raw: RawFile, **options: object) -> Recovered:
    return Recovered(raw.path.parent, bytes(raw.data), **options)


def erase(raw: RawFile, pgid: int) -> None:
    raw.data[raw.offset(pgid) : raw.offset(pgid + 1)] = bytes(raw.page_size)


def lost(found: Recovered) -> list[Entry]:
    return [entry for entry in found.entries if entry[0][:1] == (LOST,)]


@pytest.fixture
def emptied(path: Path) -> RawFile:
    """A file with deleted pairs in its free pages."""
    with boltpy.open(path) as db, db.update() as tx:
        tx.delete_bucket(b"left")
    return RawFile(path)


@pytest.mark.parametrize("damage", ["erased", "no page", "in use", "out of order"])
def test_with_nothing_but_the_freelist_damaged_deleted_pairs_stay_deleted(emptied: RawFile, damage: str) -> None:
    expected = SoundFile(bytes(emptied.data)).entries()
    freelist = emptied.newest().freelist
    if damage == "erased":
        erase(emptied, freelist)
    else:
        first, second = emptied.offset(freelist) + 16, emptied.offset(freelist) + 24
        number = {"no page": 2**40, "in use": emptied.bucket_root(b"right")}.get(damage)
        if number is None:
            number = struct.unpack_from("<Q", emptied.data, second)[0]
        struct.pack_into("<Q", emptied.data, first, number)
    found = recovered(emptied)
    assert set(found.entries) == expected
    assert found.report.freelist == "damaged"
    assert found.report.old_pages > 0
    assert not found.report.is_whole
    assert recovered(emptied, old=True).pairs > found.pairs


def test_next_to_other_damage_a_damaged_freelist_lets_all_pages_out(emptied: RawFile) -> None:
    expected = {entry[1:] for entry in SoundFile(bytes(emptied.data)).entries()}
    erase(emptied, emptied.newest().freelist)
    erase(emptied, emptied.bucket_root(b"right"))
    assert recovered(emptied).pairs > expected


def test_leaves_below_a_lost_root_page_find_the_bucket_that_lacks_them(raw: RawFile) -> None:
    expected = SoundFile(bytes(raw.data)).entries()
    erase(raw, raw.bucket_root(b"left"))
    found = recovered(raw)
    assert set(found.entries) == expected
    assert found.report.pairs.matched > 500
    assert found.report.faults == 1


def test_where_two_buckets_lack_them_they_are_kept_apart_by_their_pages(raw: RawFile) -> None:
    expected = SoundFile(bytes(raw.data)).entries()
    for name in (b"left", b"right"):
        erase(raw, raw.bucket_root(name))
    found = recovered(raw)
    assert {entry[1:] for entry in expected} <= found.pairs
    assert all(entry[0][1].startswith(b"page ") for entry in lost(found))
    assert len(lost(found)) > 1000
    assert found.report.pairs.lost == len(lost(found))
    found.database(raw.path.parent)


def test_a_leaf_that_is_gone_takes_only_its_own_pairs_with_it(raw: RawFile) -> None:
    sound = SoundFile(bytes(raw.data))
    victim = next(leaf for leaf in sound.leaves if len(leaf.entries) > 10)
    erase(raw, victim.pgid)
    found = recovered(raw)
    assert set(found.entries) == sound.entries() - set(victim.entries)
    assert found.report.texts == [f"page {victim.pgid}: no leaf and no branch, but the tree needs it"]


@pytest.mark.parametrize("field", ["flags", "pos", "ksize", "vsize"])
def test_a_damaged_element_costs_itself_and_leaves_the_neighbours(tmp_path: Path, field: str) -> None:
    raw = RawFile(database(tmp_path / "a.db"))
    sound = SoundFile(bytes(raw.data))
    victim = next(leaf for leaf in sound.leaves if len(leaf.entries) > 10)
    at = raw.element_offset(victim.pgid, 4) + 4 * ["flags", "pos", "ksize", "vsize"].index(field)
    number = struct.unpack_from("<I", raw.data, at)[0]
    struct.pack_into("<I", raw.data, at, number ^ (1 if field == "flags" else 64))
    found = recovered(raw)
    missing = sound.entries() - set(found.entries)
    assert victim.entries[4] in missing
    assert missing <= set(victim.entries[3:6])
    assert found.report.faults
    found.database(tmp_path)


def test_a_wrong_count_of_elements_is_seen_and_all_of_them_come_out(tmp_path: Path) -> None:
    raw = RawFile(database(tmp_path / "a.db"))
    sound = SoundFile(bytes(raw.data))
    victim = next(leaf for leaf in sound.leaves if len(leaf.entries) > 10)
    raw.set_page(victim.pgid, count=raw.page(victim.pgid).count - 3)
    found = recovered(raw)
    assert set(found.entries) == sound.entries()
    assert "it seems to have" in found.report.texts[0]


@pytest.mark.parametrize(("field", "number"), [("id", 9999), ("flags", 0x42), ("overflow", 7)])
def test_a_wrong_header_is_seen_and_the_page_is_taken_all_the_same(tmp_path: Path, field: str, number: int) -> None:
    raw = RawFile(database(tmp_path / "a.db"))
    sound = SoundFile(bytes(raw.data))
    victim = next(leaf for leaf in sound.leaves if len(leaf.entries) > 10)
    raw.set_page(victim.pgid, **{field: number})
    found = recovered(raw)
    assert set(found.entries) == sound.entries()
    assert not found.report.is_whole


def test_a_key_that_lost_its_order_is_put_aside_as_doubtful(tmp_path: Path) -> None:
    raw = RawFile(database(tmp_path / "a.db"))
    sound = SoundFile(bytes(raw.data))
    victim = next(leaf for leaf in sound.leaves if len(leaf.entries) > 10)
    path, key, value = victim.entries[5]
    raw.data[raw.data.index(key, raw.offset(victim.pgid))] ^= 0x80
    found = recovered(raw)
    wrong = bytes([key[0] ^ 0x80]) + key[1:]
    doubtful = (LOST, b"page %d doubtful" % victim.pgid)
    assert set(found.entries) == sound.entries() - {(path, key, value)} | {(doubtful, wrong, value)}
    assert found.report.pairs.doubtful == 1


def test_old_versions_come_out_only_when_asked_for(raw: RawFile) -> None:
    expected = SoundFile(bytes(raw.data)).entries()
    without, with_old = recovered(raw), recovered(raw, old=True)
    assert set(without.entries) == expected
    assert without.report.old_pages > 10
    assert with_old.report.old_pages == 0
    assert set(with_old.entries) >= expected
    assert lost(with_old)
    with_old.database(raw.path.parent)


def test_the_other_meta_gives_the_commit_before(raw: RawFile) -> None:
    before = SoundFile(bytes(raw.data), older=True)
    slot = before.meta.txid % 2
    found = recovered(raw, meta=slot)
    assert set(found.entries) >= before.entries()
    assert found.report.meta == slot
    raw.set_meta(1 - slot, sign=False, checksum=1)
    found = recovered(raw)
    assert {entry for entry in found.entries if entry[0][:1] != (LOST,)} == before.entries()
    assert "checksum error" in found.report.metas[1 - slot]


def test_a_file_that_ends_early_gives_what_is_left(raw: RawFile) -> None:
    sound = SoundFile(bytes(raw.data))
    end = raw.offset(raw.newest().high_water_mark * 2 // 3) + 100
    whole = {entry for leaf in sound.leaves if leaf.span.end <= end for entry in leaf.entries}
    found = Recovered(raw.path.parent, bytes(raw.data[:end]), old=True)
    assert {entry[1:] for entry in whole} <= found.pairs
    found.database(raw.path.parent)


@pytest.mark.parametrize("page_size", [512, 1024, 3000, 4096, 16384])
def test_the_page_size_is_found_without_metas(tmp_path: Path, page_size: int) -> None:
    with boltpy.open(tmp_path / "a.db", page_size=max(page_size, 1024)) as db, db.update() as tx:
        tx.create_bucket(b"b").put_many((b"%05d" % i, bytes(30)) for i in range(1000))
    data = bytearray((tmp_path / "a.db").read_bytes())
    if page_size == 3000:  # no power of two: only a meta or its user can tell
        found = Recovered(tmp_path, bytes(data[:3000] + bytes(3000) + data[6000:]))
        assert found.report.page_size == 3000
        assert len(found.entries) == 1000
        return
    size = max(page_size, 1024)
    data[: 2 * size] = bytes(2 * size)
    found = Recovered(tmp_path, bytes(data))
    assert found.report.page_size == size
    assert len(found.entries) == 1000


def test_what_the_disk_does_not_give_is_taken_for_zeros(raw: RawFile, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = SoundFile(bytes(raw.data))
    victim = next(leaf for leaf in sound.leaves if len(leaf.entries) > 10)
    read = FileStorage.read

    def broken(self: FileStorage, offset: int, count: int) -> bytes:
        if offset < victim.span.end and offset + count > victim.span.start:
            raise boltpy.StorageError(errno.EIO, "cannot read the database file", self.path)
        return read(self, offset, count)

    monkeypatch.setattr(FileStorage, "read", broken)
    found = recovered(raw)
    assert set(found.entries) == sound.entries() - set(victim.entries)
    assert found.report.unreadable
    assert not found.report.is_whole


def test_a_name_that_the_file_has_is_not_used_for_what_is_lost(tmp_path: Path) -> None:
    with boltpy.open(tmp_path / "a.db", page_size=PAGE) as db, db.update() as tx:
        for name in (LOST, LOST + b"_7"):
            tx.create_bucket(name).put_many((b"%05d" % i, name) for i in range(200))
        for name in (b"x", b"y"):
            tx.create_bucket(name).put_many((b"%05d" % i, name) for i in range(200))
    raw = RawFile(tmp_path / "a.db")
    for name in (b"x", b"y"):
        erase(raw, raw.bucket_root(name))
    found = recovered(raw)
    (name,) = {entry[0][0] for entry in found.entries} - {LOST, LOST + b"_7"}
    assert name.startswith(LOST + b"_")
    assert name not in raw.data
    found.database(tmp_path)


class TestBounds:
    """A file made to do harm takes no more time and room than its length allows."""

    PAGES = 1500

    def hostile(self, body: bytes, flags: int, count: int, overflow: int) -> bytes:
        """Metas, and pages that all have one header and body."""
        pages = [struct.pack("<QHHI", pgid, flags, count, overflow) + body for pgid in range(self.PAGES)]
        data = bytearray(b"".join(page.ljust(PAGE, b"\0") for page in pages))
        return bytes(data)

    def try_it(self, tmp_path: Path, data: bytes) -> None:
        started = time.process_time()
        found = Recovered(tmp_path, data, old=True)
        assert time.process_time() - started < 20
        assert sum(map(len, found.lines)) < 60 * len(data)
        found.database(tmp_path)

    def test_each_leaf_claims_the_rest_of_the_file(self, tmp_path: Path) -> None:
        body = struct.pack("<IIII", 0, 16, 4, PAGE * self.PAGES // 2) + b"key "
        self.try_it(tmp_path, self.hostile(body, LEAF_PAGE, 1, self.PAGES // 2))

    def test_each_branch_has_all_pages_below_it(self, tmp_path: Path) -> None:
        count = 40
        elements = b"".join(
            struct.pack("<IIQ", 16 * (count - i) + 4 * i, 4, 2 + 71 * i % (self.PAGES - 2)) for i in range(count)
        )
        keys = b"".join(b"%04d" % i for i in range(count))
        self.try_it(tmp_path, self.hostile(elements + keys, 1, count, 0))

    def test_each_leaf_nests_buckets_in_all_others(self, tmp_path: Path) -> None:
        count = 25
        elements, data = b"", b""
        for i in range(count):
            elements += struct.pack("<IIII", 1, 16 * (count - i) + len(data), 4, 16)
            data += b"%04d" % i + struct.pack("<QQ", 2 + (i * 113 + 1) % (self.PAGES - 2), 0)
        self.try_it(tmp_path, self.hostile(elements + data, LEAF_PAGE, count, 0))

    def test_each_page_is_a_freelist(self, tmp_path: Path) -> None:
        found = Recovered(tmp_path, self.hostile(bytes(8) * 100, 16, 100, 0), old=True)
        assert found.entries == []

    def test_each_leaf_nests_buckets_with_long_names(self, tmp_path: Path) -> None:
        """A path of some levels is longer than all pages that it leads through."""
        name = b"n" * 900
        pages = []
        for pgid in range(self.PAGES):
            element = struct.pack("<IIII", 1, 16, len(name), 16)
            pages.append(element + name + struct.pack("<QQ", pgid + 1, 0))
        data = self.hostile(b"", LEAF_PAGE, 1, 0)
        parts = [data[i * PAGE : i * PAGE + 16] + page.ljust(PAGE - 16, b"\0") for i, page in enumerate(pages)]
        self.try_it(tmp_path, b"".join(parts))


class TestTheCommand:
    """What its user sees."""

    def test_a_report_and_a_new_database(self, path: Path, tmp_path: Path) -> None:
        report = printed("recover", path, "-o", tmp_path / "saved.jsonl")
        assert "nothing is wrong" in report
        printed("import", tmp_path / "new.db", "-i", tmp_path / "saved.jsonl")
        assert printed("diff", path, tmp_path / "new.db") == ""
        assert set(exported_from(tmp_path / "saved.jsonl")) == SoundFile(path.read_bytes()).entries()

    def test_json_has_all_numbers(self, raw: RawFile, tmp_path: Path) -> None:
        erase(raw, raw.bucket_root(b"left"))
        raw.save()
        told = printed_json("recover", raw.path, "-o", tmp_path / "saved.jsonl")
        assert told["whole"] is False
        assert told["pairs"]["matched"] > 500
        assert told["page_size"] == PAGE
        assert len(told["texts"]) == told["faults"] == 1
        assert f"\n1 fault\n  {told['texts'][0]}" in printed("recover", raw.path, "-o", tmp_path / "again.jsonl")

    def test_to_the_output_the_report_is_beside(self, path: Path) -> None:
        told = run("recover", path, "-o", "-")
        assert told.returncode == 0
        assert json.loads(told.stdout.splitlines()[-1]).keys() == {"end"}
        assert "nothing is wrong" in told.stderr

    def test_what_is_no_database_is_one_line(self, tmp_path: Path) -> None:
        for content in (b"", b"text\n" * 5000, bytes(100_000)):
            (tmp_path / "no.db").write_bytes(content)
            told = run("recover", tmp_path / "no.db", "-o", tmp_path / "out")
            assert (told.returncode, told.stdout) == (1, "")
            assert told.stderr.endswith("nothing in this file looks like a page of a bolt database\n")
            assert not (tmp_path / "out").exists()

    def test_wrong_usage(self, path: Path, tmp_path: Path) -> None:
        for flags in (["--meta", "2"], ["--page-size", "7"]):
            assert run("recover", path, "-o", tmp_path / "out", *flags).returncode == 2
        assert run("recover", path).returncode == 2

    def test_the_file_is_locked_meanwhile(self, path: Path, tmp_path: Path) -> None:
        with boltpy.open(path):
            told = run("recover", path, "-o", tmp_path / "out")
        assert told.returncode == 1
        assert "locked" in told.stderr
