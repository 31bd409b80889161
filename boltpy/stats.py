"""Plain counters: what `DB.stats`, `Tx.stats` and `Bucket.stats` return. Field names are bbolt's, snake_cased."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace


@dataclass(slots=True)
class TxStats:
    """What transactions did. Sizes in bytes, times in seconds.

    Attributes:
        page_count: Pages allocated.
        page_alloc: Bytes allocated.
        cursor_count: Cursors made.
        node_count: Pages that were changed or made.
        node_deref: Always 0: nothing here points into an old mapping.
        rebalance: Pages that joined a neighbour after deletes.
        rebalance_time: Seconds spent deciding about that.
        split: Pages that were split.
        spill: Pages written by commits.
        spill_time: Seconds spent merging changes into pages.
        write: Write calls, meta pages included.
        write_time: Seconds spent writing and syncing.
    """

    page_count: int = 0
    page_alloc: int = 0
    cursor_count: int = 0
    node_count: int = 0
    node_deref: int = 0
    rebalance: int = 0
    rebalance_time: float = 0.0
    split: int = 0
    spill: int = 0
    spill_time: float = 0.0
    write: int = 0
    write_time: float = 0.0

    def add(self, other: TxStats) -> None:
        """Add the counters of `other` to these."""
        # Spelled out: this runs at the end of every transaction.
        self.page_count += other.page_count
        self.page_alloc += other.page_alloc
        self.cursor_count += other.cursor_count
        self.node_count += other.node_count
        self.node_deref += other.node_deref
        self.rebalance += other.rebalance
        self.rebalance_time += other.rebalance_time
        self.split += other.split
        self.spill += other.spill
        self.spill_time += other.spill_time
        self.write += other.write
        self.write_time += other.write_time

    def __add__(self, other: TxStats) -> TxStats:
        total = replace(self)
        total.add(other)
        return total

    def __sub__(self, other: TxStats) -> TxStats:
        return TxStats(**{name: getattr(self, name) - getattr(other, name) for name in _TX_FIELDS})


_TX_FIELDS = tuple(f.name for f in fields(TxStats))


@dataclass(slots=True)
class Stats:
    """What a DB did since it was opened, and how its freelist stands.

    Attributes:
        free_page_n: Free pages.
        pending_page_n: Pages that open readers may still need.
        free_alloc: Bytes in free and pending pages.
        freelist_inuse: Bytes that the freelist takes when it is stored.
        tx_n: Read transactions begun.
        open_tx_n: Read transactions open now.
        tx_stats: The sum over all transactions that have ended.
    """

    free_page_n: int = 0
    pending_page_n: int = 0
    free_alloc: int = 0
    freelist_inuse: int = 0
    tx_n: int = 0
    open_tx_n: int = 0
    tx_stats: TxStats = field(default_factory=TxStats)

    def __sub__(self, other: Stats) -> Stats:
        """Return what happened since `other`: counters are subtracted, the freelist's gauges are kept (bbolt's Sub)."""
        return Stats(
            free_page_n=self.free_page_n,
            pending_page_n=self.pending_page_n,
            free_alloc=self.free_alloc,
            freelist_inuse=self.freelist_inuse,
            tx_n=self.tx_n - other.tx_n,
            open_tx_n=0,
            tx_stats=self.tx_stats - other.tx_stats,
        )


@dataclass(slots=True)
class BucketStats:
    """The pages of a bucket and of all buckets nested in it, as they were last committed.

    Attributes:
        branch_page_n: Branch pages, overflow not counted.
        branch_overflow_n: Overflow pages of branch pages.
        leaf_page_n: Leaf pages, overflow not counted.
        leaf_overflow_n: Overflow pages of leaf pages.
        key_n: Pairs and nested buckets.
        depth: Levels of the tree, nested buckets added.
        branch_alloc: Bytes in branch pages.
        branch_inuse: Bytes used in them.
        leaf_alloc: Bytes in leaf pages.
        leaf_inuse: Bytes used in them.
        bucket_n: Buckets, this one included.
        inline_bucket_n: Buckets stored inside their parent's page.
        inline_bucket_inuse: Bytes used by those.
    """

    branch_page_n: int = 0
    branch_overflow_n: int = 0
    leaf_page_n: int = 0
    leaf_overflow_n: int = 0
    key_n: int = 0
    depth: int = 0
    branch_alloc: int = 0
    branch_inuse: int = 0
    leaf_alloc: int = 0
    leaf_inuse: int = 0
    bucket_n: int = 0
    inline_bucket_n: int = 0
    inline_bucket_inuse: int = 0

    def __add__(self, other: BucketStats) -> BucketStats:
        """Return the sum; `depth` is the larger of the two (bbolt's Add)."""
        total = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(BucketStats)}
        total["depth"] = max(self.depth, other.depth)
        return BucketStats(**total)


@dataclass(slots=True)
class BucketStructure:
    """A bucket as `inspect` sees it.

    Attributes:
        name: The bucket's name; b"root" for the root bucket.
        key_n: Plain pairs in it, nested buckets not counted.
        buckets: The buckets nested in it, in key order.
    """

    name: bytes
    key_n: int
    buckets: list[BucketStructure]


@dataclass(frozen=True, slots=True)
class PageInfo:
    """A page as `Tx.page` sees it.

    Attributes:
        id: The pgid.
        type: "branch", "leaf", "meta", "freelist", "free" or "unknown<hex>".
        count: Elements in it.
        overflow_count: Further pages that belong to it.
    """

    id: int
    type: str
    count: int
    overflow_count: int


@dataclass(frozen=True, slots=True)
class Info:
    """Facts about an open DB.

    Attributes:
        page_size: Bytes a page.
        file_size: Bytes of the file when it was last mapped.
    """

    page_size: int
    file_size: int
