"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from benchmarks import whole


def test_a_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    whole.write(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    whole.write(str(tmp_path / "link"), b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_looking_for_a_place_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    whole.require_place(str(path))
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"old")
    whole.require_place(str(path))
    assert path.read_bytes() == b"old"


def test_where_no_file_can_be_is_told_with_the_path(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere" / "file")
    for attempt in (lambda: whole.require_place(nowhere), lambda: whole.write(nowhere, b"new")):
        with pytest.raises(OSError, match=rf"{nowhere} can not be written: {os.strerror(errno.ENOENT)}"):
            attempt()
    with pytest.raises(IsADirectoryError, match=f"{tmp_path} is a folder"):
        whole.require_place(str(tmp_path))


def test_what_was_there_survives_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(beside: Path, content: bytes) -> int:
        with beside.open("wb") as file:
            file.write(content[:1])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="can not be written: No space left"):
        whole.write(str(path), b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_where_nothing_can_be_made_or_removed_the_file_asked_for_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(beside: Path, *_: object, **__: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(beside))

    monkeypatch.setattr(Path, "write_bytes", read_only)
    monkeypatch.setattr(Path, "unlink", read_only)
    path = str(tmp_path / "file")
    for attempt in (lambda: whole.require_place(path), lambda: whole.write(path, b"new")):
        with pytest.raises(OSError, match=rf"^{path} can not be written: Read-only file system$"):
            attempt()


def test_a_place_where_files_can_not_be_removed_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_permitted(beside: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), str(beside))

    monkeypatch.setattr(Path, "unlink", not_permitted)
    path = str(tmp_path / "file")
    with pytest.raises(OSError, match=rf"^{path} can not be written: Operation not permitted$"):
        whole.require_place(path)


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    whole.require_place(str(pipe))
    whole.write(str(pipe), b"new")
    reader.join()
    assert got == [b"new"]
    assert pipe.is_fifo()
