"""Fixtures that open each engine in turn."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import engine

from .engines import ENGINES, Opener


@pytest.fixture(params=ENGINES)
def open_storage(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    return partial(ENGINES[request.param], tmp_path)


@pytest.fixture
def storage(open_storage: Opener) -> Iterator[engine.Engine]:
    with open_storage() as storage:
        yield storage
