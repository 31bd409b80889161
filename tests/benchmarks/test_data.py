"""The data is what the seed says: the same everywhere, and each key once."""

from __future__ import annotations

from benchmarks.data import Data, checksum, mix, repeated


def data(*, ordered: bool = False, keys: int = 8, values: int = 32) -> Data:
    return Data(keys, values, ordered, seed=1, count=1000)


def test_the_generator_is_splitmix64() -> None:
    # The first outputs of the published generator for the seed 0.
    gamma, mask = 0x9E3779B97F4A7C15, (1 << 64) - 1
    assert [mix(gamma), mix(2 * gamma & mask)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]


def test_a_word_is_repeated_to_the_size() -> None:
    assert repeated(0x0102030405060708, 11) == bytes([1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3])
    assert repeated(1, 8) == bytes(7) + b"\x01"


def test_each_key_occurs_once_and_has_its_size() -> None:
    for keys in 8, 16, 21:
        found = {key for key, _value in data(keys=keys).pairs(0, 1000)}
        assert len(found) == 1000
        assert {len(key) for key in found} == {keys}


def test_ordered_keys_come_in_their_order_and_random_ones_do_not() -> None:
    ordered = [key for key, _value in data(ordered=True).pairs(0, 1000)]
    assert ordered == sorted(ordered)
    drawn = [key for key, _value in data().pairs(0, 1000)]
    assert drawn != sorted(drawn)


def test_a_version_changes_the_value_alone() -> None:
    (key, value), (same_key, other) = data().pair(5), data().pair(5, 1)
    assert key == same_key == data().key(5)
    assert value != other
    assert len(value) == len(other) == 32


def test_values_are_of_all_sizes_of_the_spread() -> None:
    mixed = Data(8, 20, ordered=False, seed=1, count=1000, spread=60)
    sizes = [len(value) for _key, value in mixed.pairs(0, 1000)]
    assert set(sizes) == set(range(20, 81))
    assert sizes == [len(value) for value in (mixed.pair(number, 1)[1] for number in range(1000))]


def test_what_is_chosen_is_there() -> None:
    chosen = {data().chosen(turn) for turn in range(10_000)}
    assert min(chosen) >= 0
    assert max(chosen) < 1000
    assert len(chosen) > 900


def test_the_checksum_is_that_of_all_parts() -> None:
    assert checksum([b"ab", b"c"]) == checksum([b"abc"]) != checksum([b"acb"])
    assert checksum([b"c"], checksum([b"ab"])) == checksum([b"abc"])
