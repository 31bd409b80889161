"""Workloads: names, sizes from the command line, and what a peer is told."""

from __future__ import annotations

import json

import pytest

from benchmarks.catalogue import WORKLOADS, chosen
from benchmarks.job import MEASURE, Job
from benchmarks.peers import PEERS
from benchmarks.workload import Workload


def workload(name: str) -> Workload:
    return next(it for it in WORKLOADS if it.name == name)


def names(*only: str, large: bool = False) -> list[str]:
    return [it.name for it in chosen(list(only), large=large)]


def test_names_and_titles_occur_once() -> None:
    assert len({it.name for it in WORKLOADS}) == len({it.named() for it in WORKLOADS}) == len(WORKLOADS)


def test_goals_are_for_peers() -> None:
    assert {peer for it in WORKLOADS for peer in it.goals} <= set(PEERS)


def test_a_beginning_chooses_all_that_begin_so() -> None:
    assert names("commit") == ["commit-no-sync", "commit-sync"]
    assert names("seek", "scan") == ["scan", "seek"]


def test_large_ones_are_left_out_unless_asked_for_or_named_in_full() -> None:
    assert "get-at-10m" not in names()
    assert "get-at-10m" not in names("get-at")
    assert "get-at-10m" in names(large=True)
    assert names("get-at-10m") == ["get-at-10m"]


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no workload is called 'juggle'"):
        names("juggle")


def test_operations_follow_the_count() -> None:
    sized = workload("delete-random").sized(keys=16, values=100, count=1_000_000, batch=500)
    assert (sized.keys, sized.values, sized.count, sized.ops, sized.batch) == (16, 100, 1_000_000, 750_000, 500)


def test_none_keeps_a_size() -> None:
    original = workload("put-random")
    assert original.sized(keys=None, values=None, count=None, batch=None) == original


def test_a_name_that_says_a_size_keeps_it() -> None:
    original = workload("get-at-100k")
    assert original.sized(keys=16, values=100, count=5, batch=5) == original


def test_goals_are_for_one_size_alone() -> None:
    original = workload("put-random")
    assert original.goals
    assert original.sized(keys=8, values=32, count=200_000, batch=10_000).goals == original.goals
    assert original.sized(keys=16, values=None, count=None, batch=None).goals == {}
    assert original.quick().goals == {}


def test_one_put_a_transaction_stays_one() -> None:
    assert workload("commit-sync").sized(keys=None, values=None, count=None, batch=100).batch == 1


def test_quick_is_a_tenth_and_its_title_says_so() -> None:
    quick = workload("drop").quick()
    assert quick.count == 100_000
    assert quick.named() == "delete a bucket of 100,000 keys"


@pytest.mark.parametrize(("sizes", "text"), [({"keys": 7}, "keys is 7; 8"), ({"ops": 0}, "ops is 0; 1")])
def test_sizes_that_no_peer_takes_are_refused(sizes: dict[str, int], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Workload(name="mine", title="mine", task="put", **sizes)


@pytest.mark.parametrize("it", WORKLOADS, ids=lambda it: it.name)
def test_a_job_survives_its_way_to_a_process(it: Workload) -> None:
    sent = Job(it, "/somewhere", MEASURE, "boltpy")
    got = Job.from_json(json.loads(json.dumps(sent.as_json())))
    assert got.as_json() == sent.as_json()
    assert got.workload.as_json() == it.as_json()
