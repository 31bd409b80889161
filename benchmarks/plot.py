"""Results as a chart: one column for each peer, one row for each workload, and a line where both are equally fast.

A bar to the left of the line is work that boltpy does in less time (or memory), to the right in more. The scale is
logarithmic: twice as fast and twice as slow are equally far from the line. A mark shows the goal. The ratio stands
at the right, in bold above the goal.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from . import whole
from .results import Results

_BETTER, _WORSE, _GOAL = "#2a7f9e", "#d1743c", "#333333"
_MANY = 100.0  # bars end here; their figures tell how far they would go
_TOLD = ("processor", "python", "sizes", "rounds")
_TICKS = (0.01, 0.1, 1, 10, 100)


class PlotError(Exception):
    """There is no chart; the text says why."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its row from the top, the ratio, and the goal if there is one."""

    row: int
    ratio: float
    goal: float | None


def bars(results: Results, peer: str) -> list[Bar]:
    """Return a peer's bars; rows without one have nothing to compare."""
    found = []
    for row, it in enumerate(results.measured):
        ratio = it.ratio(results.ours, peer)
        if ratio is not None:
            found.append(Bar(row, ratio, it.goals.get(peer)))
    return found


def draw(results: Results, path: str) -> None:
    """Write the chart, as the suffix of the path says: .png, .svg, .pdf or another that matplotlib has.

    Raises:
        PlotError: matplotlib is not installed, or writes no such files, or there is nothing to compare.
        OSError: The file can not be written.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - only this command needs it
    except ImportError:
        raise PlotError("plot needs matplotlib: pip install -e '.[bench]'") from None
    others = [peer for peer in results.peers if peer != results.ours and bars(results, peer)]
    if not others:
        raise PlotError("there is nothing to draw: no peer has a result that can be compared")
    rows = len(results.measured)
    figure = Figure(figsize=(4.2 + 2.6 * len(others), 1.6 + 0.3 * rows), layout="constrained")
    known = figure.canvas.get_supported_filetypes()
    kind = Path(path).suffix.removeprefix(".").lower()
    if kind not in known:
        raise PlotError(f"{path} has no suffix of a picture; there are {', '.join(f'.{it}' for it in sorted(known))}")
    panels = figure.subplots(1, len(others), sharey=True, squeeze=False)[0]
    panels[0].set_yticks(range(rows), [it.title for it in results.measured])
    panels[0].set_ylim(rows - 0.4, -0.6)
    for panel, peer in zip(panels, others, strict=True):
        panel.set_title(f"beside {results.peers[peer]}", fontsize=11)
        panel.set_xscale("log")
        panel.set_xlim(1 / _MANY, _MANY)
        panel.set_xticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
        panel.minorticks_off()
        panel.axvline(1, color=_GOAL, linewidth=1)
        panel.grid(alpha=0.25)
        panel.set_axisbelow(True)
        panel.tick_params(axis="y", length=0)
        for bar in bars(results, peer):
            _draw_bar(panel, bar)
    title = f"{results.peers[results.ours]} / peer, in time or memory: left of the line is better"
    if any(it.goals for it in results.measured):
        title += "\na thick mark is the goal, a bold figure is above it"
    figure.suptitle(title, fontsize=11)
    told = [f"{it}: {results.machine[it]}" for it in _TOLD if it in results.machine]
    figure.supxlabel("\n".join(told), fontsize=8)
    picture = BytesIO()
    figure.savefig(picture, dpi=110, format=kind)
    whole.write(path, picture.getvalue())


def _draw_bar(panel: Any, bar: Bar) -> None:
    """Draw a bar and its goal, and its figure in a column at the right of the panel, where nothing covers it."""
    end = min(max(bar.ratio, 1 / _MANY), _MANY)
    panel.barh(bar.row, end - 1, left=1, height=0.66, color=_BETTER if bar.ratio <= 1 else _WORSE)
    missed = bar.goal is not None and bar.ratio > bar.goal
    if bar.goal is not None:
        panel.plot([bar.goal, bar.goal], [bar.row - 0.42, bar.row + 0.42], color=_GOAL, linewidth=2.5)
    panel.annotate(
        f"{bar.ratio:.2g}",
        (1, bar.row),
        (4, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="center",
        fontsize=8,
        fontweight="bold" if missed else "normal",
    )
