"""What counts and what does not, ratios, and the file, the table and the chart that show them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cli import main
from benchmarks.plot import Bar, PlotError, bars, draw
from benchmarks.results import Measured, ResultError, Results, Series, judge
from benchmarks.table import markdown, seconds

SAME, OTHER, THIRD = [10, 10, 0xAB], [10, 9, 0xAB], [10, 10, 0xCD]


def series(*values: float, reads: list[int] = SAME) -> Series:
    return Series(list(values), [reads for _ in values], {"it": "1"})


def each_its_own(all_series: list[Series]) -> list[tuple[str, Series]]:
    return [(f"peer {number}", it) for number, it in enumerate(all_series)]


@pytest.fixture
def results() -> Results:
    all_series = {
        "boltpy": series(2e-6, 1e-6, 3e-6),
        "go": series(4e-6),
        "lmdb": series(1e-6),
        "sqlite3": Series(problem="has none"),
    }
    measured = Measured("put", "put, somehow", "time", {"keys": 8}, {"go": 0.6, "lmdb": 0.8}, all_series)
    peers = {"boltpy": "boltpy", "go": "Go bbolt", "lmdb": "py-lmdb", "sqlite3": "sqlite3"}
    return Results({"processor": "abacus"}, peers, {"pure": "is tired"}, [measured])


class TestJudge:
    def test_those_who_agree_count(self) -> None:
        all_series = [series(1.0), series(2.0)]
        judge(each_its_own(all_series))
        assert all(it.counts for it in all_series)

    def test_a_wrong_peer_does_not_count(self) -> None:
        right, wrong, right_too = series(1.0), series(0.1, reads=OTHER), series(2.0)
        judge(each_its_own([right, wrong, right_too]))
        assert right.counts
        assert right_too.counts
        assert not wrong.counts
        assert wrong.failed
        assert not right.failed
        assert wrong.problem == (
            "the answer differs: 10 operations, 9 pairs, checksum 000000ab;"
            " most say 10 operations, 10 pairs, checksum 000000ab"
        )

    def test_a_peer_that_is_wrong_once_does_not_count(self) -> None:
        once = Series([1.0, 1.0], [SAME, THIRD])
        judge(each_its_own([series(1.0), once, series(1.0)]))
        assert not once.counts

    def test_of_two_that_differ_neither_counts(self) -> None:
        all_series = [series(1.0), series(1.0, reads=THIRD)]
        judge(each_its_own(all_series))
        assert not any(it.counts for it in all_series)
        assert all(it.failed for it in all_series)

    def test_one_program_in_two_modes_has_one_voice(self) -> None:
        ours, pure, other = series(1.0), series(9.0), series(1.0, reads=OTHER)
        judge([("boltpy", ours), ("boltpy", pure), ("go", other)])
        assert not any(it.counts for it in (ours, pure, other))
        assert other.problem.startswith("answers differ, and none has the most voices: 10 operations, 9 pairs")

    def test_one_program_that_contradicts_itself_does_not_outvote(self) -> None:
        ours, pure, other = series(1.0), series(9.0, reads=THIRD), series(1.0)
        judge([("boltpy", ours), ("boltpy", pure), ("go", other)])
        assert (ours.counts, pure.counts, other.counts) == (True, False, True)

    def test_a_peer_without_an_answer_has_no_vote(self) -> None:
        failed, right = Series(problem="failed"), series(1.0)
        judge(each_its_own([failed, right]))
        assert failed.problem == "failed"
        assert right.counts


def test_a_ratio_is_of_medians(results: Results) -> None:
    (it,) = results.measured
    assert it.ratio("boltpy", "go") == pytest.approx(0.5)
    assert it.ratio("boltpy", "lmdb") == pytest.approx(2)
    assert it.ratio("boltpy", "sqlite3") is None
    assert it.ratio("boltpy", "nobody") is None


def test_the_file_holds_everything(results: Results, tmp_path: Path) -> None:
    path = str(tmp_path / "results.json")
    results.write(path)
    assert Results.read(path) == results


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "another"}', '{"format": "boltpy benchmarks 1"}'])
def test_another_file_is_refused(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(ResultError, match="holds no results"):
        Results.read(str(path))
    assert main(["table", str(path)]) == 1
    assert capsys.readouterr().err.startswith("Error: ")


def test_the_table_tells_ratios_goals_and_what_is_missing(results: Results) -> None:
    text = markdown(results)
    assert "| put, somehow | 2 us ±50 % | 0.5 (goal 0.6) | **2** (goal 0.8) | - |" in text
    assert "* put, somehow: sqlite3 has none" in text
    assert "* missing: pure: is tired" in text
    assert "processor: abacus" in text


def test_memory_is_told_in_mebibytes(results: Results) -> None:
    results.measured[0].measure = "memory"
    results.measured[0].series["boltpy"] = series(3 * 2.0**20)
    assert "| put, somehow | 3 MiB |" in markdown(results)


@pytest.mark.parametrize(
    ("value", "text"), [(2.0, "2 s"), (0.0123, "12.3 ms"), (4.56e-6, "4.56 us"), (7e-8, "70 ns"), (5e-10, "0.5 ns")]
)
def test_times_have_a_unit_that_suits_them(value: float, text: str) -> None:
    assert seconds(value) == text


def test_bars_are_the_ratios_that_there_are(results: Results) -> None:
    assert bars(results, "go") == [Bar(0, pytest.approx(0.5), 0.6)]
    assert bars(results, "sqlite3") == []


def test_a_chart_is_drawn(results: Results, tmp_path: Path) -> None:
    source, picture = tmp_path / "results.json", tmp_path / "results.png"
    results.write(str(source))
    assert main(["plot", str(source), "-o", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG\r\n")


@pytest.mark.parametrize(("suffix", "begin"), [("svg", b"<?xml"), ("pdf", b"%PDF"), ("PNG", b"\x89PNG")])
def test_the_suffix_says_what_kind_of_picture(results: Results, suffix: str, begin: bytes, tmp_path: Path) -> None:
    picture = tmp_path / f"results.{suffix}"
    draw(results, str(picture))
    assert picture.read_bytes().startswith(begin)


@pytest.mark.parametrize("name", ["results", "results.json"])
def test_no_picture_without_its_suffix(results: Results, name: str, tmp_path: Path) -> None:
    with pytest.raises(PlotError, match=r"no suffix of a picture; there are .*\.pdf, .*\.png, .*\.svg"):
        draw(results, str(tmp_path / name))
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_compare_is_no_chart(results: Results, tmp_path: Path) -> None:
    results.measured[0].series = {"boltpy": series(1.0)}
    with pytest.raises(PlotError, match="nothing to draw"):
        draw(results, str(tmp_path / "results.png"))


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that are drawn while the test runs."""
    figure_type = pytest.importorskip("matplotlib.figure").Figure
    drawn: list[Any] = []

    def remembered(**how: Any) -> Any:
        drawn.append(figure_type(**how))
        return drawn[-1]

    monkeypatch.setattr("matplotlib.figure.Figure", remembered)
    return drawn


def test_no_figure_is_covered_by_a_goal(results: Results, tmp_path: Path, figures: list[Any]) -> None:
    draw(results, str(tmp_path / "results.png"))
    assert "a thick mark is the goal" in figures[0].get_suptitle()
    panels = figures[0].axes
    assert [panel.get_title() for panel in panels] == ["beside Go bbolt", "beside py-lmdb"]
    for panel, ratio in zip(panels, ("0.5", "2"), strict=True):
        (text,) = panel.texts
        assert text.get_text() == ratio
        assert text.get_window_extent().x0 >= panel.get_window_extent().x1


def test_a_chart_without_goals_has_no_marks_and_tells_the_sizes(
    results: Results, tmp_path: Path, figures: list[Any]
) -> None:
    results.measured[0].goals = {}
    results.machine["sizes"] = "600 bytes of a key"
    draw(results, str(tmp_path / "results.png"))
    assert "goal" not in figures[0].get_suptitle()
    assert figures[0].get_supxlabel() == "processor: abacus\nsizes: 600 bytes of a key"
    for panel in figures[0].axes:
        assert len(panel.lines) == 1  # where both are equally fast
        assert panel.texts[0].get_fontweight() == "normal"


def test_without_matplotlib_the_error_says_what_to_install(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(PlotError, match=r"pip install -e '\.\[bench\]'"):
        draw(results, str(tmp_path / "results.png"))


def test_the_file_is_json_that_others_can_read(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results.write(str(path))
    told = json.loads(path.read_text())
    assert told["measured"][0]["series"]["boltpy"]["values"] == [2e-6, 1e-6, 3e-6]
