"""Results as a chart: one column for each peer, one row for each workload, and a line where both are equally fast.

A bar to the left of the line is work that boltpy does in less time (or memory), to the right in more. The scale is
logarithmic: twice as fast and twice as slow are equally far from the line. A mark shows the goal.
"""

from __future__ import annotations

from dataclasses import dataclass

from .results import Results

_BETTER, _WORSE, _GOAL = "#2a7f9e", "#d1743c", "#333333"
_MANY = 100.0  # bars end here, with the figure beside them


class NoMatplotlibError(Exception):
    """The package that draws is not installed."""

    def __init__(self) -> None:
        super().__init__("plot needs matplotlib: pip install -e '.[bench]'")


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
    """Write the chart as a PNG.

    Raises:
        NoMatplotlibError: matplotlib is not installed.
        OSError: The file can not be written.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - only this command needs it
    except ImportError:
        raise NoMatplotlibError from None
    others = [peer for peer in results.peers if peer != results.ours and bars(results, peer)]
    rows = len(results.measured)
    figure = Figure(figsize=(4.2 + 2.6 * max(1, len(others)), 1.6 + 0.3 * rows), layout="constrained")
    panels = figure.subplots(1, max(1, len(others)), sharey=True, squeeze=False)[0]
    panels[0].set_yticks(range(rows), [it.title for it in results.measured])
    panels[0].set_ylim(rows - 0.4, -0.6)
    for panel, peer in zip(panels, others, strict=False):
        panel.set_title(f"beside {results.peers[peer]}")
        panel.set_xscale("log")
        panel.set_xlim(1 / _MANY / 3, _MANY * 3)
        panel.axvline(1, color=_GOAL, linewidth=1)
        panel.grid(axis="x", alpha=0.25)
        panel.tick_params(axis="y", length=0)
        for bar in bars(results, peer):
            end = min(max(bar.ratio, 1 / _MANY), _MANY)
            panel.barh(bar.row, end - 1, left=1, height=0.66, color=_BETTER if bar.ratio <= 1 else _WORSE)
            side = "right" if bar.ratio <= 1 else "left"
            panel.annotate(
                f"{bar.ratio:.2g}",
                (end, bar.row),
                (-3 if side == "right" else 3, 0),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=8,
            )
            if bar.goal is not None:
                panel.plot([bar.goal, bar.goal], [bar.row - 0.42, bar.row + 0.42], color=_GOAL, linewidth=2.5)
    figure.suptitle(
        f"{results.peers[results.ours]} / peer, in time or memory: left of the line is better, a thick mark is the goal"
    )
    figure.supxlabel(f"{results.machine.get('processor', '')}, {results.machine.get('python', '')}", fontsize=8)
    figure.savefig(path, dpi=110, format="png")
