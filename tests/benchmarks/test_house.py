"""House rules for the benchmarks: files of one concept, and only public names of what is measured."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import boltpy
import engine
from boltpy import snapshot

PACKAGE = Path(__file__).resolve().parents[2] / "benchmarks"
SOURCES = sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.go")])

every_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())


@every_source
def test_a_file_holds_one_concept(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) < 400


@pytest.mark.parametrize("path", [path for path in SOURCES if path.suffix == ".py"], ids=lambda path: path.name)
def test_only_public_names_are_measured(path: Path) -> None:
    public = {"boltpy": {*boltpy.__all__, "__version__"}, "engine": set(engine.__all__)}
    public["snapshot"] = set(snapshot.__all__)
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and ast.unparse(node) == "from boltpy import snapshot":
            continue  # a public module, which boltpy itself does not load
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            assert node.module.partition(".")[0] not in public, ast.unparse(node)
        if isinstance(node, ast.Import):
            assert all(alias.name.partition(".")[0] not in public or "." not in alias.name for alias in node.names)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in public:
            assert node.attr in public[ast.unparse(node.value)], ast.unparse(node)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self._db":
            assert not node.attr.startswith("_")
