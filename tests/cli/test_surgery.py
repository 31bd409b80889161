"""The surgery commands by what they leave: pages, metas and freelist as asked for, the source as it was."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

import boltpy
from tests.boltpy.rawfile import NO_FREELIST, RawFile
from tests.cli.beside import run_here, unchanged


@pytest.fixture
def source(samples: dict[str, Path], tmp_path: Path) -> Path:
    """A database of its own folder."""
    path = tmp_path / "source.db"
    path.write_bytes(samples["rich"].read_bytes())
    path.chmod(0o640)
    return path


def operate(source: Path, operation: str, *flags: object, code: int = 0) -> RawFile:
    """The output of an operation that must succeed."""
    output = source.with_name("output.db")
    output.unlink(missing_ok=True)
    with unchanged(source):
        found, _, errors = run_here("surgery", *operation.split(), source, "--output", output, *map(str, flags))
    assert (found, errors) == (code, "")
    assert output.stat().st_mode == source.stat().st_mode
    return RawFile(output)


def refuse(source: Path, operation: str, *flags: object) -> str:
    """The error of an operation that must leave nothing."""
    before = sorted(os.listdir(source.parent))
    with unchanged(source):
        code, out, errors = run_here(
            "surgery", *operation.split(), source, "--output", source.with_name("output.db"), *map(str, flags)
        )
    assert (code, out, errors.count("\n")) == (1, b"", 1)
    assert sorted(os.listdir(source.parent)) == before
    return errors.removeprefix("Error: ").rstrip("\n")


def problems(path: Path) -> list[str]:
    with boltpy.open(path, read_only=True, timeout=1) as db, db.view() as tx:
        return [str(problem) for problem in tx.check()]


def test_reverting_undoes_the_last_commit(source: Path) -> None:
    with boltpy.open(source) as db, db.update() as tx:
        bucket = tx.bucket(b"b")
        assert bucket is not None
        before = bucket[b"key 0000"]
        bucket[b"key 0000"] = b"last"
    old = RawFile(source)
    newer = max((0, 1), key=lambda slot: old.meta(slot).txid)
    new = operate(source, "revert-meta-page")
    assert new.meta(0) == new.meta(1) == old.meta(1 - newer)
    assert [new.page(slot).id for slot in (0, 1)] == [0, 1]
    with boltpy.open(new.path) as db, db.view() as tx:
        bucket = tx.bucket(b"b")
        assert bucket is not None
        assert bucket[b"key 0000"] == before
        assert list(tx.check()) == []


@pytest.mark.parametrize("damaged", [0, 1])
def test_reverting_replaces_a_damaged_meta_by_the_valid_one(source: Path, damaged: int) -> None:
    raw = RawFile(source)
    raw.set_meta(damaged, sign=False, root=77)
    raw.save()
    new = operate(source, "revert-meta-page")
    assert new.meta(0) == new.meta(1) == raw.meta(1 - damaged)


def test_two_damaged_metas_leave_nothing_to_go_back_to(source: Path) -> None:
    raw = RawFile(source)
    for slot in (0, 1):
        raw.set_meta(slot, sign=False, root=77)
    raw.save()
    assert refuse(source, "revert-meta-page") == "revert-meta-page command failed: neither meta page is valid"
    assert refuse(source, "freelist abandon") == "freelist abandon command failed: neither meta page is valid"


def test_a_copied_page_is_the_other_but_for_its_id(source: Path) -> None:
    raw = RawFile(source)
    first, second = raw.leaves(raw.bucket_root(b"b"))[1:3]
    new = operate(source, "copy-page", "--from-page", first, "--to-page", second)
    assert new.page_bytes(second)[8:] == raw.page_bytes(first)[8:]
    assert new.page(second) == replace(raw.page(first), id=second)


def test_a_cleared_page_has_no_elements_and_no_overflow(source: Path) -> None:
    raw = RawFile(source)
    large = next(pgid for pgid in raw.leaves(raw.bucket_root(b"b")) if raw.page(pgid).overflow)
    new = operate(source, "clear-page", "--pageId", large)
    assert new.page(large) == replace(raw.page(large), count=0, overflow=0)
    assert any("unreachable unfreed" in problem for problem in problems(new.path))


@pytest.mark.parametrize(("start", "end"), [(0, 1), (0, 5), (3, 5), (7, -1), (0, -1), (12, 13)])
@pytest.mark.parametrize("kind", ["leaf", "branch"])
def test_elements_that_are_cleared_go_and_the_others_stay(source: Path, kind: str, start: int, end: int) -> None:
    raw = RawFile(source)
    root = raw.bucket_root(b"b")
    pgid = raw.leaves(root)[1] if kind == "leaf" else root
    read = raw.leaf_entries if kind == "leaf" else raw.children
    before = read(pgid)
    if start >= len(before) or end > len(before):
        start, end = 1, 2
    new = operate(source, "clear-page-elements", "--pageId", pgid, "--from-index", start, "--to-index", end)
    expected = [item for index, item in enumerate(before) if not start <= index < (len(before) if end == -1 else end)]
    assert (new.leaf_entries if kind == "leaf" else new.children)(pgid) == expected


def test_overflow_pages_that_are_not_needed_any_more_are_given_up(source: Path) -> None:
    raw = RawFile(source)
    large = next(pgid for pgid in raw.leaves(raw.bucket_root(b"b")) if raw.page(pgid).overflow)
    keys = [key for _, key, _ in raw.leaf_entries(large)]
    at = keys.index(b"big")
    new = operate(source, "clear-page-elements", "--pageId", large, "--from-index", at, "--to-index", at + 1)
    assert (raw.page(large).overflow, new.page(large).overflow) == (3, 0)
    assert [key for _, key, _ in new.leaf_entries(large)] == [key for key in keys if key != b"big"]


@pytest.mark.parametrize("size", [100, 4095, 8191])
@pytest.mark.parametrize("operation", ["revert-meta-page", "freelist abandon", "meta update"])
def test_a_file_that_ends_within_its_metas_is_refused(source: Path, operation: str, size: int) -> None:
    assert RawFile(source).page_size == 4096
    os.truncate(source, size)
    flags = ["--fields", "root:5", "--meta-page", "1" if size > 4096 else "0"] if operation == "meta update" else []
    assert "EOF" in refuse(source, operation, *flags)


def test_a_page_where_no_file_reaches_is_refused(source: Path) -> None:
    last = 2**64 - 1
    told = refuse(source, "copy-page", "--from-page", 2, "--to-page", last)
    assert told == f"copy-page command failed: no file can be so long that it has a page {last}"


def test_an_abandoned_freelist_is_rebuilt(source: Path) -> None:
    raw = RawFile(source)
    abandoned = operate(source, "freelist abandon")
    assert [abandoned.meta(slot).freelist for slot in (0, 1)] == [NO_FREELIST] * 2
    assert [meta.checksum for meta in map(abandoned.meta, (0, 1))] == [
        meta.expected_checksum() for meta in map(abandoned.meta, (0, 1))
    ]
    source.write_bytes(bytes(abandoned.data))
    rebuilt = operate(source, "freelist rebuild")
    assert 1 < rebuilt.newest().freelist < rebuilt.newest().high_water_mark
    assert set(raw.free_ids()) - set(rebuilt.free_ids()) <= {rebuilt.newest().freelist}
    assert problems(rebuilt.path) == []


def test_a_freelist_that_is_there_is_not_rebuilt(source: Path) -> None:
    assert refuse(source, "freelist rebuild").startswith("the file already has freelist")


def test_what_stops_a_rebuilding_is_told_with_the_command(source: Path) -> None:
    abandoned = bytes(operate(source, "freelist abandon").data)
    output = source.with_name("output.db")
    source.write_bytes(abandoned)
    error = f'[freelist rebuild] copy file failed: output file "{output}" already exists'
    assert refuse(source, "freelist rebuild") == error
    output.unlink()
    source.write_bytes(abandoned[: 3 * 4096])
    assert refuse(source, "freelist rebuild").startswith("[freelist rebuild] the file is cut short")


@pytest.mark.parametrize("slot", [0, 1])
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("pageSize:2048", {"page_size": 2048}),
        ("root:5", {"root": 5, "sequence": 0}),
        ("freelist:8", {"freelist": 8}),
        ("pgid:30", {"high_water_mark": 30}),
        ("root:5,pgid:30", {"root": 5, "sequence": 0, "high_water_mark": 30}),
        ("root:5,freelist:9,pgid:30", {"root": 5, "sequence": 0, "freelist": 9, "high_water_mark": 30}),
    ],
)
def test_a_meta_has_the_fields_that_it_was_given(
    source: Path, slot: int, fields: str, expected: dict[str, int]
) -> None:
    raw = RawFile(source)
    new = operate(source, "meta update", "--meta-page", slot, "--fields", fields)
    new.page_size = raw.page_size
    meta = replace(raw.meta(slot), flags=4, **expected)
    assert new.meta(slot) == replace(meta, checksum=meta.expected_checksum())
    assert new.page_bytes(1 - slot) == raw.page_bytes(1 - slot)


def test_page_sizes_that_differ_are_told_for_both_metas(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for slot, sizes in ((0, (2048, 4096)), (1, (4096, 2048))):
        code, out, _ = run_here(
            "surgery", "meta", "update", source, "--output", source.with_name(f"{slot}"), "--meta-page", str(slot),
            "--fields", "pageSize:2048",
        )  # fmt: skip
        assert code == 0
        warning = f"The page size ({sizes[0]}) in the first meta page doesn't match the second meta page ({sizes[1]})"
        assert out.decode().splitlines() == [f"WARNING: {warning}", f"The meta page {slot} has been updated!"]


def test_a_page_size_that_no_meta_can_hold_is_refused(source: Path) -> None:
    code, out, errors = run_here(
        "surgery", "meta", "update", source, "--output", source.with_name("new"), "--fields", f"pageSize:{2**32}"
    )
    assert (code, out) == (2, b"")
    assert errors.splitlines()[0] == f'Error: invalid value "{2**32}" for field "pageSize"'


def test_the_second_meta_is_found_although_the_first_is_damaged(source: Path) -> None:
    raw = RawFile(source)
    raw.set_meta(0, sign=False, page_size=8192)
    raw.save()
    code, out, errors = run_here("surgery", "meta", "validate", source)
    assert (code, errors) == (0, "")
    assert out == b"WARNING: The meta page 0 isn't valid: checksum error!\nThe meta page 1 is valid!\n"


def test_a_file_without_a_second_meta(source: Path) -> None:
    source.write_bytes(source.read_bytes()[:4096])
    assert run_here("surgery", "meta", "validate", source) == (1, b"", "Error: read meta page 1 failed: EOF\n")


@pytest.mark.parametrize(
    "operation",
    [
        ("revert-meta-page",),
        ("copy-page", "--from-page", 3, "--to-page", 4),
        ("clear-page", "--pageId", 3),
        ("clear-page-elements", "--pageId", 3, "--from-index", 0, "--to-index", 1),
        ("freelist abandon",),
        ("meta update",),
    ],
    ids=lambda operation: operation[0],
)
@pytest.mark.parametrize("there", ["file", "folder", "link", "source"])
def test_an_output_that_is_there_is_left_alone(source: Path, operation: tuple, there: str) -> None:
    output = source.with_name("output.db")
    if there == "file":
        output.write_text("mine")
    elif there == "folder":
        output.mkdir()
    elif there == "link":
        output.symlink_to(source.with_name("nowhere"))
    else:
        output.hardlink_to(source)
    assert f'] copy file failed: output file "{output}" already exists' in refuse(source, *operation)


def test_a_full_disk_leaves_no_output(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("boltpy.storage.os.pwrite", full)
    assert refuse(source, "revert-meta-page").endswith("No space left on device")


def test_a_file_that_is_being_written_to_is_not_copied(source: Path) -> None:
    with boltpy.open(source):
        code, _, errors = run_here("surgery", "revert-meta-page", source, "--output", source.with_name("output.db"))
    assert code == 1
    assert errors.startswith(f"Error: {source} is locked by ")


def test_what_was_done_as_json(source: Path) -> None:
    output = source.with_name("output.db")
    raw = RawFile(source)
    first, second = raw.leaves(raw.bucket_root(b"b"))[1:3]
    _, out, _ = run_here(
        "surgery",
        "copy-page",
        source,
        "--output",
        output,
        "--from-page",
        str(first),
        "--to-page",
        str(second),
        "--json",
    )
    assert json.loads(out) == {
        "output": str(output),
        "done": f"The page {first} was successfully copied to page {second}",
        "warnings": ["the free list might have changed."],
    }
    assert json.loads(run_here("surgery", "meta", "validate", source, "--json")[1]) == [
        {"meta": 0, "error": None},
        {"meta": 1, "error": None},
    ]


def test_the_way_to_a_key(source: Path) -> None:
    raw = RawFile(source)
    root = raw.newest().root
    with unchanged(source):
        code, out, errors = run_here("surgery", "find-key", source, "key 0123")
    (way,) = out.decode().splitlines()
    assert (code, errors) == (0, "")
    assert way.startswith(f"{root} {raw.bucket_root(b'b')} ")
    assert b"key 0123" in [key for _, key, _ in raw.leaf_entries(int(way.split()[-1]))]
    hexed = run_here("surgery", "find-key", source, b"key 0123".hex(), "--parse-format", "hex", "--json")
    assert json.loads(hexed[1]) == [[int(pgid) for pgid in way.split()]]
    assert run_here("surgery", "find-key", source, "nope") == (1, b"", 'Error: no page has the key "nope"\n')
