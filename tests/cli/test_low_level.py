"""`page`, `page-item` and `dump` where they are better than bbolt's on purpose, and on damaged pages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.boltpy.rawfile import BRANCH_PAGE, LEAF_PAGE, RawFile
from tests.cli.beside import Bbolt, run_here, unchanged

EMPTY_META_0 = """\
Page ID:    0
Page Type:  meta
Total Size: 4096 bytes
Overflow pages: 0
Version:    2
Page Size:  4096 bytes
Flags:      00000000
Root:       <pgid=3>
Freelist:   <pgid=2>
HWM:        <pgid=4>
Txn ID:     0
Checksum:   07516e114689fdee

"""


@pytest.fixture
def raw(samples: dict[str, Path], tmp_path: Path) -> RawFile:
    """A copy to damage."""
    raw = RawFile(samples["rich"])
    raw.path = tmp_path / "damaged.db"
    raw.save()
    return raw


def leaf_of(raw: RawFile) -> int:
    """A leaf page with many pairs."""
    return raw.leaves(raw.bucket_root(b"b"))[1]


def test_a_meta_page_is_printed_as_bbolt_does(samples: dict[str, Path]) -> None:
    assert run_here("page", samples["empty"], "0") == (0, EMPTY_META_0.encode(), "")


def test_bytes_are_printed_as_bbolt_does(samples: dict[str, Path]) -> None:
    code, out, errors = run_here("dump", samples["empty"], "0")
    lines = out.decode().split("\n")
    assert (code, errors) == (0, "")
    assert lines[1] == "0000010 edda 0ced 0200 0000 0010 0000 0000 0000"
    assert lines[-4:] == ["0000060 *", "0000ff0 0000 0000 0000 0000 0000 0000 0000 0000", "", ""]


class TestBetterThanBbolt:
    def test_a_page_that_is_not_there_is_an_error_behind_the_others(self, raw: RawFile, bbolt: Bbolt) -> None:
        code, out, errors = run_here("page", raw.path, "999999", "0")
        assert code == 1
        assert errors == "Error: 1 of the pages could not be printed\n"
        theirs = bbolt("page", raw.path, "999999", "0")
        assert (out, theirs.code) == (theirs.out, 0)

    @pytest.mark.parametrize(
        "damage", [{"magic": 0, "sign": False}, {"checksum": 5, "sign": False}, {"page_size": 8192, "sign": False}]
    )
    def test_a_damaged_first_meta_does_no_harm(self, raw: RawFile, damage: dict[str, int]) -> None:
        pgid = str(leaf_of(raw))
        expected = [run_here(*line) for line in self._lines(raw, pgid)]
        raw.set_meta(0, **damage)
        raw.save()
        assert [run_here(*line) for line in self._lines(raw, pgid)] == expected
        assert {code for code, _, _ in expected} == {0}

    @staticmethod
    def _lines(raw: RawFile, pgid: str) -> list[list[str | Path]]:
        return [["page", raw.path, pgid], ["page-item", raw.path, pgid, "1"], ["dump", raw.path, pgid]]

    def test_a_file_whose_metas_are_both_wrong_is_read_as_bbolt_does(self, raw: RawFile, bbolt: Bbolt) -> None:
        raw.set_meta(0, sign=False, checksum=0)
        raw.set_meta(1, sign=False, version=7)
        raw.save()
        for line in (["page", raw.path, "0", "1", "3"], ["dump", raw.path, "3"]):
            bbolt.agrees(*line)

    def test_the_number_of_an_item_does_not_begin_anew_at_65536(self, raw: RawFile, bbolt: Bbolt) -> None:
        pgid = str(leaf_of(raw))
        count = raw.page(int(pgid)).count
        assert bbolt("page-item", raw.path, pgid, "65536").code == 0
        for index in (count, 65536, 65537, 2**64 - 1):
            error = f"Error: leafPageElement: expected item index less than {count}, but got {index}\n"
            assert run_here("page-item", raw.path, pgid, str(index)) == (1, b"", error)

    def test_pages_behind_the_stale_end_of_the_first_meta_are_printed(self, samples: dict[str, Path]) -> None:
        raw = RawFile(samples["newer meta 1"])
        assert raw.meta(0).high_water_mark < raw.newest().high_water_mark
        _, out, _ = run_here("page", "--all", "--json", raw.path)
        assert max(page["id"] for page in json.loads(out)) >= raw.meta(0).high_water_mark


class TestDamage:
    def damaged(self, raw: RawFile, pgid: int, **header: int) -> str:
        """What `page` says of a page with another header."""
        raw.set_page(pgid, **header)
        raw.save()
        code, out, errors = run_here("page", raw.path, str(pgid))
        assert code == 1
        assert errors == "Error: 1 of the pages could not be printed\n"
        last = out.decode().splitlines()[-1]
        assert last.startswith(f"Prining page {pgid} failed: ")
        assert last.endswith(". Continuing...")
        return last.removeprefix(f"Prining page {pgid} failed: ").removesuffix(". Continuing...")

    def test_another_id(self, raw: RawFile) -> None:
        pgid = leaf_of(raw)
        assert self.damaged(raw, pgid, id=7777) == (f"error: invalid value due to unexpected Page id: 7777 != {pgid}")

    def test_more_overflow_than_there_are_pages(self, raw: RawFile, bbolt: Bbolt) -> None:
        pgid, mark = leaf_of(raw), raw.newest().high_water_mark
        for overflow in (mark - 3, mark, 2**32 - 1):
            assert f"claims to have {overflow} overflow pages" in self.damaged(raw, pgid, overflow=overflow)
            assert bbolt("page", raw.path, str(pgid)).out == run_here("page", raw.path, str(pgid))[1]
        raw.data[pgid * raw.page_size + 4096 :] = b""
        assert self.damaged(raw, pgid, overflow=1) == "unexpected EOF"

    def test_more_elements_than_fit(self, raw: RawFile) -> None:
        assert "elements, more than fit" in self.damaged(raw, leaf_of(raw), count=60000)

    def test_a_leaf_taken_for_a_branch_and_a_freelist(self, raw: RawFile) -> None:
        pgid = leaf_of(raw)
        assert self.damaged(raw, pgid, flags=0x10, count=0xFFFF).startswith("freelist says it has ")
        raw.set_page(pgid, flags=BRANCH_PAGE, count=5)
        raw.save()
        assert run_here("page", raw.path, str(pgid))[0] in (0, 1)

    def test_elements_that_share_bytes_print_no_more_than_the_page_has(self, raw: RawFile) -> None:
        pgid = leaf_of(raw)
        count = raw.page(pgid).count
        for index in range(count):
            at = raw.element_offset(pgid, index)
            raw.data[at : at + 16] = b"".join(
                number.to_bytes(4, "little") for number in (0, 16, 1, 4096 - 16 - 16 * (index + 2))
            )
        assert "shares bytes with another" in self.damaged(raw, pgid, flags=LEAF_PAGE)
        assert len(run_here("page", raw.path, str(pgid))[1]) < 4 * 4096

    def test_a_bucket_without_its_bytes(self, raw: RawFile) -> None:
        root = raw.newest().root
        at = raw.element_offset(root, 0)
        raw.data[at + 12 : at + 16] = (3).to_bytes(4, "little")
        assert "a bucket's value has 3 bytes" in self.damaged(raw, root, flags=LEAF_PAGE)

    def test_of_all_pages_free_ones_need_not_be_sound(self, raw: RawFile) -> None:
        free = raw.free_ids()[0]
        raw.set_page(free, id=7777)
        raw.save()
        code, out, errors = run_here("page", "--all", raw.path)
        assert (code, errors) == (0, "")
        assert f"Prining page {free} failed" in out.decode()

    def test_a_file_that_is_none(self, tmp_path: Path) -> None:
        path = tmp_path / "text"
        path.write_text("text\n" * 3000)
        for line in (["page", path, "0"], ["page-item", path, "0", "0"], ["dump", path, "0"]):
            code, out, errors = run_here(*line)
            assert (code, out) == (1, b"")
            assert errors == f"Error: {path}: invalid database: neither meta page is valid\n"


def test_pages_as_json(samples: dict[str, Path]) -> None:
    path = samples["rich"]
    raw = RawFile(path)
    with unchanged(path):
        code, out, _ = run_here("page", "--all", "--json", path)
    pages = {page["id"]: page for page in json.loads(out)}
    assert code == 0
    assert pages[0]["meta"]["page_size"] == raw.meta(0).page_size
    assert pages[raw.newest().freelist]["ids"] == raw.free_ids()
    root = pages[raw.newest().root]
    assert [item["key"] for item in root["items"]] == [{"hex": "00ff"}, "<&>", "b", "ünï"]
    assert root["items"][2]["root"] == raw.bucket_root(b"b")
    branch = pages[raw.bucket_root(b"b")]
    assert [item["pgid"] for item in branch["items"]] == raw.children(raw.bucket_root(b"b"))
    leaf = str(leaf_of(raw))
    item = pages[int(leaf)]["items"][3]
    assert json.loads(run_here("page-item", path, leaf, "3", "--json")[1]) == item
    assert json.loads(run_here("page-item", path, leaf, "3", "--json", "--key-only")[1]) == {"key": item["key"]}
    (dumped,) = json.loads(run_here("dump", path, leaf, "--json")[1])
    assert bytes.fromhex(dumped["hex"]) == raw.page_bytes(int(leaf))
    assert json.loads(run_here("page", path, "999999", "--json")[1]) == [{"id": 999999, "error": "EOF"}]
