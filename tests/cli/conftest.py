"""The real `bbolt` command, and all the database files there are to try commands on."""

from __future__ import annotations

import lzma
import os
from pathlib import Path

import pytest

from tests.cli.beside import PACKAGE, SOURCES, Bbolt
from tests.cli.samples import make_samples
from tests.interop.peer import PeerUnavailableError, build

DATA = Path(__file__).parents[1] / "data"
FIXTURES = sorted(
    path.relative_to(DATA).as_posix()
    for pattern in ("*.db", "*.db.xz", "*.bolt.xz")
    for path in DATA.rglob(pattern)
    if "gofer_medium" not in path.name  # 42 MB of what gofer_small has little of
)


@pytest.fixture(scope="session")
def bbolt(tmp_path_factory: pytest.TempPathFactory) -> Bbolt:
    """Go's command, built from its module; without Go the test is left out, or fails where Go is required."""
    try:
        return Bbolt(build(tmp_path_factory.getbasetemp().parent, SOURCES, PACKAGE))
    except PeerUnavailableError as reason:
        if os.environ.get("BOLTPY_REQUIRE_GO") == "1":
            pytest.fail(f"BOLTPY_REQUIRE_GO=1, but {reason}")
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Generated files by name: what fixtures do not have."""
    return make_samples(tmp_path_factory.mktemp("samples"))


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of tests/data, unpacked, by their place there."""
    folder = tmp_path_factory.mktemp("fixtures")
    files = {}
    for name in FIXTURES:
        data = (DATA / name).read_bytes()
        files[name] = folder / name.replace("/", "_").removesuffix(".xz")
        files[name].write_bytes(lzma.decompress(data) if name.endswith(".xz") else data)
    return files
