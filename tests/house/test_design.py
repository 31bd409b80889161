"""The documents name tests and files that are there: a promise whose test was renamed would look guarded and not be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ["DESIGN.md", "CONTRIBUTING.md", "SECURITY.md", "README.md", "docs/cli.md", "docs/etcd.md"]

TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^ *(?:def|class) ([tT]est\w+)", path.read_text("utf-8"), flags=re.MULTILINE)
}
FILES = {path.name for path in (ROOT / "tests").rglob("*") if path.is_file()}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_test_that_a_document_names_is_there(document: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    named = set(re.findall(r"`(test_\w+|Test\w+)`", text))
    assert named - TESTS == set()
    files = set(re.findall(r"`(?:tests/[\w/]+/)?(test_\w+\.py)`", text))
    assert files - FILES == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_path_that_a_document_names_is_there(document: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    paths = set(re.findall(r"`((?:tests|boltpy|engine|benchmarks)/[\w/]+(?:\.\w+)?/?)`", text))
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
