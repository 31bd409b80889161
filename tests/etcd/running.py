"""One etcd server for all tests of a process, started when the first of them asks."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
import uuid
from pathlib import Path

import pytest

from .servers import EtcdServer, EtcdUnavailableError, etcd_program


def require_etcd() -> None:
    """Skip the test where there is no etcd; with BOLTPY_REQUIRE_ETCD=1, as in CI, fail."""
    try:
        etcd_program()
    except EtcdUnavailableError as reason:
        if os.environ.get("BOLTPY_REQUIRE_ETCD") == "1":
            pytest.fail(f"BOLTPY_REQUIRE_ETCD=1, but {reason}")
        pytest.skip(str(reason))


def new_url() -> str:
    """The URL of an empty place in the shared server."""
    require_etcd()
    return f"etcd://{_server().endpoint}/{uuid.uuid4().hex}"


@functools.cache
def _server() -> EtcdServer:
    # No test of its own is about what a power cut leaves, so the data may lie in memory.
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="etcd-", dir=memory if memory.is_dir() else None))
    server = EtcdServer(folder / "shared")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.kill)
    server.start()
    server.wait_healthy()
    return server


def control(*arguments: str) -> str:
    """Run etcd's own command on the shared server, and return what it prints."""
    return _server().control(*arguments)
