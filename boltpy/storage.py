"""The one door to the system: opening, locking, mapping, writing, growing and syncing a file.

Only this module touches os, mmap and fcntl. A `Storage` knows nothing of pages or transactions, so a fake of one is
short. A failing system call is told as StorageError with the errno; opening keeps the system's own errors
(FileNotFoundError, PermissionError), because callers of open() expect them.
"""

from __future__ import annotations

import fcntl
import gc
import os
import stat
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from errno import EEXIST, ENOENT
from mmap import ACCESS_READ, MAP_SHARED, PROT_READ, mmap
from typing import NoReturn, Protocol, TypeAlias

from .errors import DatabaseNotOpenError, InvalidDatabaseError, LockTimeoutError, StorageError
from .ownership import leave_in_a_child, this_thread

Opener: TypeAlias = Callable[[str, int, int], int]
PathLike: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]

_LOCK_POLL_SECONDS = 0.01
AT_ONCE = 1e-9  # seconds to wait for a lock; 0 waits for ever


class Storage(Protocol):
    """A file as the DB uses it. Offsets and sizes are bytes."""

    path: str

    def lock(self, *, shared: bool, timeout: float | None) -> None:
        """Take the file's lock, waiting up to `timeout` seconds (None or 0: for ever)."""

    def size(self) -> int:
        """Return the file's length."""

    def read(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes; fewer at the end of the file."""

    def map(self, size: int, flags: int) -> mmap:
        """Map the first `size` bytes for reading. The caller drops it; it is unmapped with its last view."""

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write all of `data`."""

    def grow(self, size: int) -> None:
        """Make the file `size` bytes long; it is never made shorter."""

    def sync(self) -> None:
        """Return when what was written is on the disk."""

    def fileno(self) -> int:
        """Return the descriptor: what is asked of it is told of this file, whatever its path leads to by now."""

    def close(self) -> None:
        """Give back the lock and the descriptor. A second call does nothing."""


_open_files: weakref.WeakValueDictionary[int, FileStorage] = weakref.WeakValueDictionary()


class FileStorage:
    """A Storage on a file of the system."""

    _fd = -1  # until it is open

    def __init__(
        self, path: str, *, mode: int, read_only: bool, opener: Opener | None = None, exclusive: bool = False
    ) -> None:
        """Open `path`, creating it unless `read_only`, and only if there is nothing if `exclusive`.

        Raises:
            OSError: The system refuses (FileNotFoundError, FileExistsError, PermissionError, ...).
            InvalidDatabaseError: It is a pipe, a device or a socket.
        """
        self.path = path
        self._pid = os.getpid()
        self._thread: object | None = None  # the one that locked it
        # O_NONBLOCK: opening a pipe that nobody writes to must not hang. Regular files ignore it.
        flags = os.O_CLOEXEC | os.O_NONBLOCK | (os.O_RDONLY if read_only else os.O_RDWR | os.O_CREAT)
        flags |= os.O_EXCL if exclusive else 0
        opened: list[int] = []
        try:
            _open_into(opened, opener or os.open, path, flags, mode)
            if not isinstance(opened[0], int):
                raise TypeError(f"the opener returned {opened.pop()!r}; it must return a file descriptor")
            self._fd = opened[0]
            _open_files[id(self)] = self
            leave_in_a_child(self)
            kind = os.fstat(self._fd).st_mode
            if stat.S_ISDIR(kind):
                raise IsADirectoryError(f"{path} is a directory")
            if not stat.S_ISREG(kind):
                raise InvalidDatabaseError(f"invalid database: {path} is no regular file")
        except BaseException:
            if opened:
                self._fd = opened[0]
            self.close()
            raise

    def lock(self, *, shared: bool, timeout: float | None) -> None:
        """Take the flock(2) that Go's bbolt takes: shared to read, exclusive to write.

        Raises:
            LockTimeoutError: Another opener has it, and this thread itself would have to close that one while it waits
                here for ever, or the time is over.
        """
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        deadline = time.monotonic() + timeout if timeout else None
        if not self._try_lock(kind):
            gc.collect()  # the opener may be a DB that nobody holds any more
        while not self._try_lock(kind):
            if deadline is None:
                if self._is_held_by_this_thread():
                    raise LockTimeoutError(self.path, 0, "a DB that this thread opened: close it first")
                self._flock(kind)
                break
            left = deadline - time.monotonic()
            if left <= 0:
                raise LockTimeoutError(self.path, timeout or 0, self._holder())
            time.sleep(min(_LOCK_POLL_SECONDS, left))
        self._thread = this_thread()

    def _try_lock(self, kind: int) -> bool:
        try:
            self._flock(kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _flock(self, how: int) -> None:
        try:
            fcntl.flock(self._fd, how)
        except BlockingIOError:
            raise
        except OSError as error:
            raise self._error("lock", error) from error

    def _holder(self) -> str:
        """Return who has the lock, with the id of the process where the system tells (Linux, same namespace)."""
        found = os.fstat(self._fd)
        place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
        with suppress(OSError), open("/proc/locks", encoding="ascii") as locks:
            for line in locks:
                parts = line.split()
                if len(parts) > 5 and parts[1] == "FLOCK" and parts[5] == place and int(parts[4]) > 0:
                    return f"process {parts[4]}" if int(parts[4]) != os.getpid() else "this process"
        return "a process that the system does not name"

    def _is_held_by_this_thread(self) -> bool:
        mine = os.fstat(self._fd)
        others = [ref() for ref in _open_files.valuerefs()]  # in one step: other threads open files meanwhile
        held = [it for it in others if it and it._thread is this_thread() and it._pid == self._pid]
        return any(other._fd >= 0 and os.path.samestat(os.fstat(other._fd), mine) for other in held)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._fd

    def is_at_its_path(self) -> bool:
        """Return whether the path leads to this file: it may have been replaced or deleted since it was opened."""
        try:
            return os.path.samestat(os.fstat(self._fd), os.stat(self.path))
        except FileNotFoundError:
            return False

    def size(self) -> int:
        """Return the file's length in bytes."""
        self._require_own_process()
        try:
            return os.lseek(self._fd, 0, os.SEEK_END)  # a sixth of the time of fstat
        except OSError as error:
            raise self._error("measure", error) from error

    def read(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes from `offset` on."""
        try:
            return os.pread(self._fd, count, offset)
        except OSError as error:
            raise self._error("read", error) from error

    def map(self, size: int, flags: int) -> mmap:
        """Map the first `size` bytes, shared and read-only."""
        try:
            # A map keeps a duplicate of the descriptor that it is made with. One that has the lock would keep it for as
            # long as a forked child lives, and nobody can close it there.
            with ExitStack() as stack:
                fd = self._fd
                with suppress(OSError):  # a system without /proc
                    fd = stack.enter_context(_opened(f"/proc/self/fd/{fd}", os.O_RDONLY))
                if flags:
                    return mmap(fd, size, flags=MAP_SHARED | flags, prot=PROT_READ)
                return mmap(fd, size, access=ACCESS_READ)
        except (OSError, ValueError, OverflowError) as error:
            raise self._error("map", error) from error

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write all of `data`, going on after short writes."""
        self._require_own_process()
        try:
            written = os.pwrite(self._fd, data, offset)
            while written < len(data):
                written += os.pwrite(self._fd, memoryview(data)[written:], offset + written)
        except (OSError, OverflowError) as error:
            raise self._error("write", error) from error

    def grow(self, size: int) -> None:
        """Extend the file with zeros to `size` bytes."""
        self._require_own_process()
        try:
            os.ftruncate(self._fd, size)
        except (OSError, OverflowError) as error:
            raise self._error("grow", error) from error

    def sync(self) -> None:
        """Wait until data and length are on the disk (fdatasync where there is one)."""
        self._require_own_process()
        try:
            if hasattr(fcntl, "F_FULLFSYNC"):  # macOS: fsync alone leaves data in the drive's cache
                fcntl.fcntl(self._fd, fcntl.F_FULLFSYNC)
            elif hasattr(os, "fdatasync"):
                os.fdatasync(self._fd)
            else:
                os.fsync(self._fd)
        except OSError as error:
            raise self._error("sync", error) from error

    def close(self) -> None:
        """Unlock and close."""
        if self._fd < 0:
            return
        # A mapping may hold a duplicate of the descriptor, and with it the lock: unlock by name. A forked child shares
        # the lock with its parent and must leave it alone.
        if os.getpid() == self._pid:
            with suppress(OSError):
                fcntl.flock(self._fd, fcntl.LOCK_UN)
        fd, self._fd = self._fd, -1
        try:
            os.close(fd)
        except OSError as error:
            raise self._error("close", error) from error

    def after_fork(self) -> None:
        """Close in a forked child: the lock is there until the last one closes, and that is to be the parent."""
        with suppress(StorageError):
            self.close()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        # A copy would share the descriptor or the books, and close them a second time.
        raise TypeError(f"a {type(self).__name__} cannot be copied or pickled")

    def __del__(self) -> None:
        if self._fd >= 0:
            self.close()
            warnings.warn(f"database {self.path} was never closed", ResourceWarning, source=self, stacklevel=2)

    def _require_own_process(self) -> None:
        # Parent and child share the descriptor and its lock, and each would overwrite the other's pages.
        if os.getpid() != self._pid:
            raise DatabaseNotOpenError("database not open in this process: it was forked; open the file anew")

    def _error(self, doing: str, error: Exception) -> StorageError:
        errno = getattr(error, "errno", None) or 0
        what = getattr(error, "strerror", None) or str(error)
        return StorageError(errno, f"cannot {doing} the file: {what}", self.path)


def lock_memory(mapped: mmap) -> None:
    """Keep a mapped file in memory, with mlock(2).

    Raises:
        StorageError: The system refuses; RLIMIT_MEMLOCK is the usual reason.
    """
    from cffi import FFI  # noqa: PLC0415  only those who ask for mlock pay for the import

    ffi = FFI()
    ffi.cdef("int mlock(const void *address, size_t size);")
    if ffi.dlopen(None).mlock(ffi.from_buffer(mapped), len(mapped)):
        raise StorageError(ffi.errno, f"cannot lock {len(mapped)} bytes in memory: {os.strerror(ffi.errno)}")


def sync_folder(path: str) -> None:
    """Make the entry of a new file durable in its folder, if the folder can be opened at all."""
    with ExitStack() as stack:
        try:
            fd = stack.enter_context(_opened(os.path.dirname(os.path.realpath(path)), os.O_RDONLY))
        except PermissionError:  # to make files in it needs less than to read it
            return
        os.fsync(fd)


def _open_into(fds: list[int], opener: Opener, path: str, flags: int, mode: int) -> None:
    """Open a file and add its descriptor to a list.

    C does both in one call, so an interrupt (Ctrl-C) comes before or after; between opening and the assignment of what
    comes back it would leave a descriptor that nobody knows.
    """
    fds.extend(map(opener, [path], [flags], [mode]))


@contextmanager
def _opened(path: str, flags: int, mode: int = 0) -> Iterator[int]:
    """Open a file for the length of a block."""
    fds: list[int] = []
    try:
        _open_into(fds, os.open, path, flags | os.O_CLOEXEC, mode)
        yield fds[0]
    finally:
        for fd in fds:
            os.close(fd)


@contextmanager
def taking_the_place_of(path: PathLike) -> Iterator[str]:
    """Give the name of a file to make; when the block ends well it takes the place of `path`, else it goes.

    The file is to be on the disk by then. A link is followed. A file that is there is locked meanwhile.

    Raises:
        FileExistsError: The target is no regular file, or there was none and somebody has made one meanwhile.
        FileNotFoundError: There is no folder for it.
        LockTimeoutError: Somebody has the target open as a database, and would go on in a file without a name.
    """
    place = real_path(path)
    beside = f"{place}.{os.getpid()}.{time.monotonic_ns()}.tmp"
    with _locked(place, path_text(path)) as is_there:
        try:
            yield beside
            if is_there:
                os.replace(beside, place)
            else:
                _put_in_an_empty_place(beside, place)
        except BaseException as error:
            with suppress(OSError):
                os.unlink(beside)
            if isinstance(error, OSError) and error.filename in (beside, None):
                error.filename = path_text(path)  # the name that the caller knows
            raise
        sync_folder(place)


def _put_in_an_empty_place(beside: str, place: str) -> None:
    try:
        os.link(beside, place)  # unlike a rename, it replaces nothing
    except FileExistsError:
        raise FileExistsError(EEXIST, "was made by somebody else meanwhile", place) from None
    except OSError:  # a file system without hard links
        os.rename(beside, place)
    else:
        os.unlink(beside)


@contextmanager
def _locked(path: str, name: str) -> Iterator[bool]:
    """Keep writers out of a file, and tell if there is one: readers that have it open may go on with what they see."""
    with ExitStack() as stack:
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise FileExistsError(EEXIST, "exists and is no regular file", name)
            file = stack.enter_context(closing(FileStorage(name, mode=0, read_only=True)))
        except FileNotFoundError:
            yield False
            return
        except PermissionError:  # it cannot be read, but can still be replaced
            yield True
            return
        file.lock(shared=True, timeout=AT_ONCE)
        yield True


def real_path(path: PathLike) -> str:
    """Return where a path leads: from the root, links followed.

    Raises:
        FileNotFoundError: It begins at the current folder, and that was deleted.
    """
    try:
        return os.path.realpath(path_text(path))
    except FileNotFoundError:
        raise FileNotFoundError(ENOENT, "the current folder was deleted", path_text(path)) from None


def path_text(path: PathLike) -> str:
    """Return a path as text."""
    return os.fsdecode(path)


def system_page_size() -> int:
    """Return the bytes of a page of this machine's memory."""
    return os.sysconf("SC_PAGE_SIZE")
