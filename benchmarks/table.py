"""Results as a table in Markdown: our own figure, and its ratio to each peer beside the goal."""

from __future__ import annotations

from collections.abc import Iterator

from .results import Measured, Results

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def markdown(results: Results) -> str:
    """Return the table, what it was measured on, and what is not in it and why."""
    return "\n".join([*_head(results), "", *_rows(results), "", *_notes(results)]).rstrip() + "\n"


def _head(results: Results) -> Iterator[str]:
    yield "; ".join(f"{name}: {value}" for name, value in results.machine.items() if value)
    yield ""
    for peer, versions in results.versions().items():
        if versions:
            yield f"* {results.peers[peer]}: {', '.join(f'{name} {value}' for name, value in versions.items())}"


def _rows(results: Results) -> Iterator[str]:
    others = [peer for peer in results.peers if peer != results.ours]
    titles = [f"of {results.peers[peer]}" for peer in others]
    yield f"| work | {' | '.join([results.peers[results.ours], *titles])} |"
    yield f"|---|{'---|' * (1 + len(others))}"
    for it in results.measured:
        cells = [it.title, _figure(it, results.ours), *(_ratio(it, results.ours, peer) for peer in others)]
        yield f"| {' | '.join(cells)} |"


def _figure(it: Measured, peer: str) -> str:
    series = it.series[peer]
    if not series.counts:
        return "-"
    value = f"{series.median / 2**20:.0f} MiB" if it.measure == "memory" else seconds(series.median)
    return f"{value} ±{50 * series.spread:.0f} %" if len(series.values) > 1 else value


def seconds(value: float) -> str:
    """Return a time in the unit that suits it."""
    factor, unit = next(((factor, unit) for factor, unit in _UNITS if value >= factor), _UNITS[-1])
    return f"{value / factor:.3g} {unit}"


def _ratio(it: Measured, ours: str, peer: str) -> str:
    ratio, goal = it.ratio(ours, peer), it.goals.get(peer)
    if ratio is None:
        return "-"
    if goal is None:
        return f"{ratio:.2g}"
    return f"{ratio:.2g} (goal {goal:g})" if ratio <= goal else f"**{ratio:.2g}** (goal {goal:g})"


def _notes(results: Results) -> Iterator[str]:
    for peer, reason in results.missing.items():
        yield f"* missing: {peer}: {reason}"
    for peer, reason in results.broken.items():
        yield f"* failed: {peer}: {reason}"
    for it in results.measured:
        for peer, series in it.series.items():
            if series.problem:
                yield f"* {it.title}: {results.peers[peer]} {series.problem}"
