"""The words and flags of a command line, by the rules of Go's tools."""

from __future__ import annotations

from typing import Any

import pytest

from boltpy.cli.command import Command, Flag, UsageError
from boltpy.cli.parsing import HelpWanted, page_number, parse
from boltpy.cli.table import command_named, resolve

COMMAND = Command(
    name="try",
    run=lambda arguments, out: 0,
    about="for these tests",
    words=(("WORD", "a word"),),
    least=0,
    most=None,
    flags=(
        Flag("all", "bool", "a switch", default=False, short="a"),
        Flag("output", "path", "a path", default="", short="o"),
        Flag("page-size", "uint", "a number", default=4096),
        Flag("meta-page", "uint32", "a small number", default=0),
        Flag("to", "int", "a number, also below zero", default=0),
        Flag("fill", "float", "a share", default=0.5),
        Flag("timeout", "seconds", "a time", default=0.0),
        Flag("fields", "list", "texts", default=[]),
    ),
)


def value(flag: str, *line: str) -> Any:
    return getattr(parse(COMMAND, line), flag)


@pytest.mark.parametrize(
    "line", [["-o", "x"], ["-ox"], ["-o=x"], ["--output", "x"], ["--output=x"], ["-ao", "x"], ["-o", "y", "-o", "x"]]
)
def test_the_value_of_a_flag(line: list[str]) -> None:
    assert value("output", *line) == "x"


def test_flags_stand_anywhere_and_two_dashes_end_them() -> None:
    arguments = parse(COMMAND, ["one", "--all", "two", "-", "--output", "--", "--", "--all", "-x"])
    assert arguments.words == ["one", "two", "-", "--all", "-x"]
    assert (arguments.all, arguments.output, arguments.page_size) == (True, "--", 4096)
    assert arguments.given == {"all", "output"}


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("17", 17), ("0x1F", 31), ("0b11", 3), ("0o17", 15), ("017", 15), ("1_000", 1000),
                         ("18446744073709551615", 2**64 - 1)],
)  # fmt: skip
def test_numbers_are_written_as_in_go(text: str, number: int) -> None:
    assert value("page_size", "--page-size", text) == number


@pytest.mark.parametrize(
    "text",
    ["", "x", "-1", "+1", "1.5", " 1", "1 ", "08", "0x", "_1", "1_", "1__0", "0_", "\u0661", "18446744073709551616"],
)
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(
        UsageError, match=r'^invalid argument ".*" for "--page-size" flag: strconv.ParseUint: parsing "'
    ):
        value("page_size", f"--page-size={text}")


def test_numbers_below_zero_and_small_ones() -> None:
    assert value("to", "--to", "-1") == value("to", "--to=-0x1") == -1
    assert value("to", "--to", "+7") == 7
    for text in ("--1", "-", "9223372036854775808", "-9223372036854775809"):
        with pytest.raises(UsageError, match="ParseInt"):
            value("to", f"--to={text}")
    with pytest.raises(UsageError, match="value out of range"):
        value("meta_page", "--meta-page", "4294967296")


@pytest.mark.parametrize("text", ["true", "1", "T", "TRUE"])
def test_a_switch_can_be_given_a_value(text: str) -> None:
    assert value("all", f"--all={text}") is True
    assert value("all", "--all", "--all=false") is False
    with pytest.raises(UsageError, match="ParseBool"):
        value("all", "--all=yes")


def test_shares_and_times() -> None:
    assert value("fill", "--fill", "0.75") == 0.75
    assert value("timeout", "--timeout", "1.5") == 1.5
    for line in (["--fill", "x"], ["--timeout", "-1"], ["--timeout", "nan"], ["--timeout", "inf"]):
        with pytest.raises(UsageError):
            parse(COMMAND, line)


def test_a_list_grows() -> None:
    assert value("fields", "--fields", "a,b", "--fields=c", "--fields=") == ["a", "b", "c"]
    assert value("fields") == []


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (["--bogus"], "unknown flag: --bogus"),
        (["--bogus=1"], "unknown flag: --bogus"),
        (["-x"], "unknown shorthand flag: 'x' in -x"),
        (["-axo"], "unknown shorthand flag: 'x' in -xo"),
        (["--output"], "flag needs an argument: --output"),
        (["-ao"], "flag needs an argument: 'o' in -o"),
        (["--=x"], "bad flag syntax: --=x"),
    ],
)
def test_wrong_flags(line: list[str], error: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(COMMAND, line)
    assert str(caught.value) == error


@pytest.mark.parametrize("line", [["-h"], ["--help"], ["word", "-ah"], ["--help", "--all"]])
def test_help_is_asked_for_anywhere_but_behind_two_dashes(line: list[str]) -> None:
    with pytest.raises(HelpWanted):
        parse(COMMAND._replace(least=9), line)
    assert parse(COMMAND, ["--", *line]).words == line


def test_the_number_of_words() -> None:
    for least, most, line, error in (
        (1, 1, [], "accepts 1 arg(s), received 0"),
        (1, 2, ["a", "b", "c"], "accepts between 1 and 2 arg(s), received 3"),
        (2, None, ["a"], "requires at least 2 arg(s), only received 1"),
    ):
        with pytest.raises(UsageError) as caught:
            parse(COMMAND._replace(least=least, most=most), line)
        assert str(caught.value) == error


def test_page_numbers_are_plain_digits() -> None:
    assert page_number("007") == 7
    for text in ("", "x", "-1", "0x1", "1_0", "\u0661"):
        with pytest.raises(UsageError, match="invalid syntax"):
            page_number(text)
    for text in (str(2**64), "9" * 5000):
        with pytest.raises(UsageError, match="value out of range"):
            page_number(text)


def test_the_longest_name_is_the_command() -> None:
    assert resolve(["surgery", "meta", "update", "f"]) == ("surgery meta update", ["f"])
    assert resolve(["surgery", "--help"]) == ("surgery", ["--help"])
    assert resolve(["info", "surgery"]) == ("info", ["surgery"])
    assert resolve([]) == ("", [])
    for line, error in (
        (["sing"], 'unknown command "sing" for "boltpy"'),
        (["surgery", "meta", "sing"], 'unknown command "sing" for "boltpy surgery meta"'),
        ([""], 'unknown command "" for "boltpy"'),
        (["surgery", ""], 'unknown command "" for "boltpy surgery"'),
        (["surgery meta"], 'unknown command "surgery meta" for "boltpy"'),
    ):
        with pytest.raises(UsageError) as caught:
            resolve(line)
        assert str(caught.value) == error


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("keys f b --json -f morse", "formatBytes"),
        ("get f b k --format=", "formatBytes"),
        ("page f --all --format-value morse", "formatBytes"),
        ("page-item f 3 0 --json --format HEX", "formatBytes"),
        ("get f b k --bucket-format auto", "parseBytes"),
        ("put f b k --value-format morse -i n", "parseBytes"),
        ("seq f --parse-format morse", "parseBytes"),
    ],
)
def test_a_format_that_does_not_exist_is_a_wrong_command_line(line: str, told: str) -> None:
    name, rest = resolve(line.split())
    with pytest.raises(UsageError, match=f"^{told}: unsupported format: (morse|HEX|auto|)$"):
        parse(command_named(name), rest)
