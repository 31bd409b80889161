"""`pages --map`: a picture of the whole file, a letter and a colour for each kind of page."""

from __future__ import annotations

import json
from collections import Counter
from shutil import get_terminal_size

import boltpy

from ..page_map import KINDS, cells, page_kinds, runs
from ..printing import Printer

_MOST_ROWS = 24
_LETTERS = {"meta": "M", "branch": "B", "leaf": "L", "overflow": "O", "freelist": "F", "free": ".", "unknown": "?"}
# SGR codes: black on a colour; free pages are grey.
_COLOURS = {
    "meta": "30;45",
    "branch": "30;43",
    "leaf": "30;42",
    "overflow": "30;46",
    "freelist": "37;44",
    "free": "37;100",
    "unknown": "37;41",
}


def print_map(tx: boltpy.Tx, out: Printer, *, as_json: bool) -> None:
    """Print what each page of a file is used for."""
    kinds = page_kinds(tx)
    numbers = Counter(kinds)
    counts = {name: numbers[i] for i, name in enumerate(KINDS)}
    page_size = tx.db.info().page_size
    if as_json:
        out.line(json.dumps({"pageSize": page_size, "pages": len(kinds), "counts": counts, "runs": list(runs(kinds))}))
        return
    label = len(str(len(kinds)))
    columns = max(get_terminal_size((80, 24)).columns - label - 2, 10)
    per_cell = -(-len(kinds) // (columns * _MOST_ROWS)) or 1
    shown = list(cells(kinds, per_cell))
    for row in range(0, len(shown), columns):
        line = "".join(_cell(name, pure, out) for name, pure in shown[row : row + columns])
        out.line(f"{row * per_cell:>{label}}  {line}")
    out.line("")
    for name, count in counts.items():
        if count:
            share = f"{count / len(kinds):6.1%}"
            out.line(
                f"{_cell(name, True, out)}  {name:<9}{count:>{max(label, 5)}}{share}{count * page_size:>16,} bytes"
            )
    scale = f"{per_cell} pages" if per_cell > 1 else "a page"
    mixed = "; a small letter, or :, where there are others among them" if per_cell > 1 else ""
    out.line(f"each letter is {scale} of {page_size} bytes{mixed}")


def _cell(name: str, pure: bool, out: Printer) -> str:
    letter = _LETTERS[name] if pure else ":" if name == "free" else _LETTERS[name].lower()
    return f"\x1b[{_COLOURS[name]}m{letter}\x1b[0m" if out.wants_colours else letter
