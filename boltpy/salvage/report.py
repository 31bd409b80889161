"""What a recovery found, and how much of it is to be doubted, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

Quality = Literal["placed", "matched", "lost", "doubtful"]

_MOST_TEXTS: Final = 50


@dataclass(slots=True)
class Pairs:
    """How many pairs there are of each quality.

    Attributes:
        placed: In the bucket that the tree has them in.
        matched: In the only bucket in which something is missing where their keys belong.
        lost: The way to their bucket is gone, they are whole.
        doubtful: Their page is damaged, and so may they be.
    """

    placed: int = 0
    matched: int = 0
    lost: int = 0
    doubtful: int = 0


@dataclass(slots=True)
class Report:
    """What was found.

    Attributes:
        page_size: Bytes a page.
        metas: Of both meta pages, the txid or what is wrong.
        meta: The one that was believed; None if none could be.
        root: The root bucket's page; None if it is not known.
        root_is_guessed: Whether it was found without a meta.
        freelist: "read", "not stored", "damaged" or "guessed".
        leaves: Leaf pages without a fault, of which something was taken.
        damaged_leaves: Leaf pages with a fault, of which something was taken.
        branches: Branch pages, likewise with or without a fault.
        old_pages: Leaf and branch pages that were passed over because they are free: older versions.
        buckets: Buckets, the root bucket not counted.
        pairs: Pairs.
        missing: Items of damaged pages that could not be read.
        unreadable: Blocks of 1 KiB or less that the system could not read.
        faults: How many things are wrong.
        texts: The first of them, in words.
    """

    page_size: int
    metas: list[str] = field(default_factory=list)
    meta: int | None = None
    root: int | None = None
    root_is_guessed: bool = False
    freelist: str = ""
    leaves: int = 0
    damaged_leaves: int = 0
    branches: int = 0
    old_pages: int = 0
    buckets: int = 0
    pairs: Pairs = field(default_factory=Pairs)
    missing: int = 0
    unreadable: int = 0
    faults: int = 0
    texts: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether all is where it was, as far as the file tells."""
        strays = self.pairs.matched or self.pairs.lost or self.pairs.doubtful
        return not (self.faults or strays or self.missing or self.unreadable or self.root_is_guessed)

    def fault(self, text: str) -> None:
        """Count something wrong."""
        self.faults += 1
        if len(self.texts) < _MOST_TEXTS:
            self.texts.append(text)

    def page(self, *, is_leaf: bool, doubts: list[str]) -> None:
        """Count a page of which something is taken, and its faults."""
        if not is_leaf:
            self.branches += 1
        elif doubts:
            self.damaged_leaves += 1
        else:
            self.leaves += 1

    def pair(self, quality: Quality) -> None:
        """Count a pair."""
        if quality == "placed":
            self.pairs.placed += 1
        elif quality == "matched":
            self.pairs.matched += 1
        elif quality == "lost":
            self.pairs.lost += 1
        else:
            self.pairs.doubtful += 1
