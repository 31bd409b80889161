"""Real etcd servers on loopback ports of their own, each a child of the test's process."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

START_SECONDS = 60


class EtcdUnavailableError(Exception):
    """There is no etcd here. The text tells how to get one."""


def etcd_program() -> str:
    """The path of the server's program; etcd's own command must be there too."""
    found = shutil.which("etcd")
    if found is None or shutil.which("etcdctl") is None:
        raise EtcdUnavailableError("there is no etcd here to test with: Debian's packages etcd-server and etcd-client")
    return found


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody uses."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for it in sockets:
            it.bind(("127.0.0.1", 0))
        return [it.getsockname()[1] for it in sockets]


class EtcdServer:
    """One server: started, killed, started again, paused."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "one",
        ports: tuple[int, int] | None = None,
        cluster: str = "",
        options: Sequence[str] = (),
        tls: bool = False,
    ) -> None:
        self.name = name
        self.port, self.peer_port = ports or free_ports(2)
        self.folder = folder
        self.scheme = "https" if tls else "http"
        self._cluster = cluster or f"{name}=http://127.0.0.1:{self.peer_port}"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The URL for clients of etcd's own tools."""
        return f"{self.scheme}://{self.endpoint}"

    def start(self) -> None:
        """Start the process; `wait` waits until it answers."""
        peer = f"http://127.0.0.1:{self.peer_port}"
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [
                    etcd_program(),
                    f"--name={self.name}",
                    f"--data-dir={self.folder / 'data'}",
                    f"--listen-client-urls={self.url}",
                    f"--advertise-client-urls={self.url}",
                    f"--listen-peer-urls={peer}",
                    f"--initial-advertise-peer-urls={peer}",
                    f"--initial-cluster={self._cluster}",
                    f"--initial-cluster-token={self.folder.parent.name}",
                    "--logger=zap",
                    "--log-level=error",
                    *self._options,
                ],
                stdout=log,
                stderr=log,
                env={"PATH": os.environ.get("PATH", "")},
            )

    def wait(self) -> None:
        """Wait until it takes connections."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            assert self._process is not None
            assert self._process.poll() is None, (self.folder / "log").read_text(errors="replace")[-2000:]
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.02)
        raise AssertionError(f"etcd did not start: {(self.folder / 'log').read_text(errors='replace')[-2000:]}")

    def wait_healthy(self) -> None:
        """Wait until it belongs to a cluster that has a leader."""
        self.wait()
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:
                if b'"true"' in answer.read():
                    return
            time.sleep(0.05)
        raise AssertionError("etcd found no leader")

    def signal(self, number: signal.Signals) -> None:
        """Pause it, or let it go on."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def forget(self) -> None:
        """Lose all data, as one that is put back to its begin; it must not run."""
        shutil.rmtree(self.folder / "data")

    def __enter__(self) -> EtcdServer:
        self.start()
        self.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def control(self, *arguments: str) -> str:
        """Run etcd's own command, and return what it prints."""
        result = subprocess.run(
            ["etcdctl", f"--endpoints={self.url}", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={"PATH": os.environ.get("PATH", ""), "ETCDCTL_API": "3"},
        )
        assert result.returncode == 0, result.stderr
        return result.stdout


@contextlib.contextmanager
def cluster(folder: Path, options: Sequence[str] = ()) -> Iterator[list[EtcdServer]]:
    """Three servers that belong together."""
    names = ("one", "two", "three")
    ports = free_ports(6)
    pairs = list(zip(ports[:3], ports[3:], strict=True))
    initial = ",".join(f"{name}=http://127.0.0.1:{peer}" for name, (_, peer) in zip(names, pairs, strict=True))
    servers = [
        EtcdServer(folder / name, name=name, ports=pair, cluster=initial, options=options)
        for name, pair in zip(names, pairs, strict=True)
    ]
    try:
        for server in servers:
            server.start()
        for server in servers:
            server.wait_healthy()
        yield servers
    finally:
        for server in servers:
            server.kill()
