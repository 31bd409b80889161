"""An empty place in the shared server, and engines on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import engine
from engine.etcd import EtcdEngine

from .running import new_url

OpenEngine = Callable[..., EtcdEngine]


@pytest.fixture
def url() -> str:
    return new_url()


@pytest.fixture
def open_engine(url: str) -> Iterator[OpenEngine]:
    """Opens engines on the same place, as if from several hosts."""
    with ExitStack() as opened:

        def open_one(**options: Any) -> EtcdEngine:
            found = opened.enter_context(engine.open_engine(url, **options))
            assert isinstance(found, EtcdEngine)
            return found

        yield open_one
