"""The surgery commands make the same file as Go's `bbolt`, to the byte, and say the same."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.boltpy.rawfile import RawFile
from tests.cli.beside import Bbolt, Outcome, ours, unchanged


class Both:
    """Runs one operation with both and compares the outputs."""

    def __init__(self, bbolt: Bbolt, source: Path, folder: Path) -> None:
        self._bbolt = bbolt
        self._source = source
        self._folder = folder
        self.done = 0

    def __call__(self, operation: str, *flags: object) -> Outcome:
        """Fail unless both leave the same; what they left."""
        names, outcomes, results = ("theirs", "ours"), [], []
        for name, run in zip(names, (self._bbolt, ours), strict=True):
            output = self._folder / name
            with unchanged(self._source):
                outcome = run("surgery", *operation.split(), self._source, "--output", output, *map(str, flags))
            outcomes.append(outcome)
            results.append(output.read_bytes() if output.exists() and not outcome.code else None)
            assert name == "theirs" or output.exists() == (outcome.code == 0), "there is an output after an error"
            output.unlink(missing_ok=True)
        assert outcomes[0] == outcomes[1], (operation, flags)
        assert results[0] == results[1], (operation, flags)
        self.done += outcomes[0].code == 0
        return outcomes[1]


@pytest.fixture(params=["rich", "small pages", "no freelist", "newer meta 1"])
def source(request: pytest.FixtureRequest, samples: dict[str, Path]) -> Path:
    """A file to cut into."""
    return samples[request.param]


@pytest.fixture
def both(bbolt: Bbolt, source: Path, tmp_path: Path) -> Both:
    return Both(bbolt, source, tmp_path)


def test_metas(both: Both) -> None:
    both("revert-meta-page")
    both("freelist abandon")
    for slot in (0, 1):
        both("meta update", "--meta-page", slot)
        for fields in (
            "root:3",
            "freelist:9",
            "pgid:7",
            "root:3,freelist:4,pgid:18446744073709551615",
            "root:3,root:4",
        ):
            both("meta update", "--meta-page", slot, "--fields", fields)
        both("meta update", "--meta-page", slot, "--fields", "root:5", "--fields", "pgid:6")
    both("meta update", "--meta-page", 1, "--fields", "pageSize:65536")


def test_a_second_update_changes_nothing(both: Both, source: Path, tmp_path: Path, bbolt: Bbolt) -> None:
    assert ours("surgery", "meta", "update", source, "--output", tmp_path / "first").code == 0
    again = Both(bbolt, tmp_path / "first", tmp_path)
    assert again("meta update").out == b"Nothing changed!\n"


def test_metas_are_validated(bbolt: Bbolt, source: Path, tmp_path: Path) -> None:
    bbolt.agrees("surgery", "meta", "validate", source)
    for slot in (0, 1):
        for field, value in (("magic", 1), ("version", 3), ("txid", 99)):
            raw = RawFile(source)
            raw.path = tmp_path / "damaged.db"
            raw.set_meta(slot, sign=False, **{field: value})
            raw.save()
            bbolt.agrees("surgery", "meta", "validate", raw.path)


def test_a_rebuilt_freelist(both: Both, samples: dict[str, Path], bbolt: Bbolt, tmp_path: Path, source: Path) -> None:
    if source == samples["no freelist"]:
        rebuilt = tmp_path / "rebuilt"
        assert both("freelist rebuild").code == 0
        assert ours("surgery", "freelist", "rebuild", source, "--output", rebuilt).code == 0
        bbolt.agrees("check", rebuilt)
        bbolt.agrees("page", rebuilt, str(RawFile(rebuilt).newest().freelist))
    else:
        assert "already has freelist" in both("freelist rebuild").error


def test_copied_pages(both: Both, source: Path) -> None:
    pages, rng = RawFile(source).newest().high_water_mark, random.Random(1)
    for _ in range(25):
        first, second = rng.sample(range(pages), 2)
        both("copy-page", "--from-page", first, "--to-page", second)
    assert both.done > 10


def test_cleared_pages(both: Both, source: Path) -> None:
    for pgid in range(2, min(RawFile(source).newest().high_water_mark + 2, 24)):
        both("clear-page", "--pageId", pgid)
    assert both.done > 5


def test_cleared_elements(both: Both, source: Path) -> None:
    raw, rng = RawFile(source), random.Random(2)
    pages = [pgid for pgid in range(2, raw.newest().high_water_mark) if raw.page(pgid).id == pgid]
    full = [pgid for pgid in pages if raw.page(pgid).count and raw.page(pgid).flags in (1, 2)]
    for _ in range(60):
        pgid = rng.choice(full)
        count = raw.page(pgid).count
        start, end = rng.randrange(-1, count + 1), rng.choice([-2, -1, -1, count, count + 1, rng.randrange(count + 1)])
        both("clear-page-elements", "--pageId", pgid, "--from-index", start, "--to-index", end)
    assert both.done > 15
    for pgid in set(pages) - set(full):
        if raw.page(pgid).count or raw.page(pgid).flags not in (1, 2):
            both("clear-page-elements", "--pageId", pgid, "--from-index", 0, "--to-index", 1)
