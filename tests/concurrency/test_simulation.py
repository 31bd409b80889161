"""Random work of many threads against a model of every committed state.

Writers change pairs and nested buckets; each commit leaves a model under its txid. Readers compare what they see
with the model of their txid, whatever happens meanwhile. Between rounds the file is closed and opened again.
"""

from __future__ import annotations

import random
import threading

import pytest

import boltpy
from tests.boltpy.background import run_all
from tests.boltpy.sizes import sized
from tests.conftest import OpenDB
from tests.models import BucketModel, assert_holds, bucket_at

OPERATIONS = sized(c=240, py=120, deep=10_000)
"""Transactions of one simulation, over all its threads."""

NAMES = [b"alpha", b"beta", b"gamma", b"delta"]


class Simulation:
    """One database, the models of its committed states, and the transactions that the threads run."""

    def __init__(self, db: boltpy.DB, state: BucketModel) -> None:
        self.db = db
        with db.view() as tx:
            self.states = {tx.id: state}
        self.lock = threading.Lock()

    def newest(self) -> BucketModel:
        return self.states[max(self.states)]

    def run(self, operations: int, threads: int, seed: int) -> None:
        """Run the operations in `threads` threads, one in five of them a writer."""
        todo = iter(range(operations))

        def work(number: int) -> None:
            rng = random.Random(seed * 1000 + number)
            while True:
                with self.lock:
                    if next(todo, None) is None:
                        return
                if rng.random() < 0.2:
                    self.write(rng)
                else:
                    self.read(rng)

        run_all([lambda number=number: work(number) for number in range(threads)], timeout=240)  # type: ignore[misc]

    def read(self, rng: random.Random) -> None:
        with self.db.view() as tx:
            state = self.states[tx.id]
            path = random_path(rng, state)
            if rng.random() < 0.1:
                assert_holds(tx, state)
            elif path:
                bucket, model = bucket_at(tx, *path), state.nested(*path)
                for key in rng.sample(sorted(model.entries), min(10, len(model.entries))):
                    assert bucket.get(key) == model.item(key)[1]
                wanted = rng.randbytes(1)
                assert bucket.cursor().seek(wanted) == model.at_or_after(wanted)
                assert list(bucket.items(stop=wanted)) == model.items(stop=wanted)

    def write(self, rng: random.Random) -> None:
        with self.db.update() as tx:
            state = self.states[tx.id - 1].copy()
            for _ in range(rng.randrange(1, 6)):
                self.change(tx, state, rng)
            if rng.random() < 0.2:
                assert_holds(tx, state)
            self.states[tx.id] = state

    def change(self, tx: boltpy.Tx, state: BucketModel, rng: random.Random) -> None:
        """One random change of a random bucket, made to both."""
        path = random_path(rng, state)
        model = state.nested(*path)
        bucket = bucket_at(tx, *path) if path else None
        name = rng.choice(NAMES)
        if name in model.names() and rng.random() < 0.1:
            del model.entries[name]
            (bucket or tx).delete_bucket(name)
        elif name not in model.entries and len(path) < 4 and (bucket is None or rng.random() < 0.2):
            model.entries[name] = BucketModel()
            (bucket or tx).create_bucket(name)
        elif bucket is not None and rng.random() < 0.7:
            pairs = {rng.randbytes(rng.randint(1, 4)): rng.randbytes(rng.choice([0, 9, 99, 1500])) for _ in range(20)}
            pairs = {key: value for key, value in pairs.items() if key not in model.names()}
            model.entries.update(pairs)
            bucket.put_many(pairs)
            model.sequence = bucket.next_sequence()
        elif bucket is not None and model.pairs():
            for key in rng.sample(list(model.pairs()), len(model.pairs()) // 3 + 1):
                del model.entries[key]
                bucket.delete(key)


def random_path(rng: random.Random, state: BucketModel) -> tuple[bytes, ...]:
    """A random bucket; () is the root."""
    return rng.choice([(), *state.paths()])


@pytest.mark.parametrize("threads", [1, 10, sized(c=50, py=20, deep=1000)])
@pytest.mark.parametrize("page_size", [1024, 4096])
def test_every_reader_sees_the_state_of_its_txid(open_db: OpenDB, threads: int, page_size: int) -> None:
    simulation = Simulation(open_db(no_sync=True, page_size=page_size), BucketModel())
    simulation.run(OPERATIONS, threads, seed=threads)
    assert len(simulation.states) > OPERATIONS // 10
    with simulation.db.view() as tx:
        assert_holds(tx, simulation.newest())


@pytest.mark.parametrize("threads", [1, 10])
@pytest.mark.parametrize("no_freelist_sync", [False, True])
def test_the_state_survives_being_closed_and_opened_again(
    open_db: OpenDB, threads: int, no_freelist_sync: bool
) -> None:
    state = BucketModel()
    for round_number in range(sized(c=5, py=4, deep=8)):
        unsynced = no_freelist_sync if round_number % 3 != 2 else not no_freelist_sync
        db = open_db("a.db", no_sync=True, page_size=1024, no_freelist_sync=unsynced)
        with db.view() as tx:
            assert_holds(tx, state)
        simulation = Simulation(db, state)
        simulation.run(OPERATIONS // 4, threads, seed=round_number)
        state = simulation.newest()
        with db.view() as tx:
            assert list(tx.check()) == []
        db.close()
    with open_db("a.db").view() as tx:
        assert_holds(tx, state)
