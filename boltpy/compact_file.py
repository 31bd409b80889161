"""Compacts one database file into another one, which is there as a whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from errno import EEXIST

from .dense_copy import compact
from .errors import BoltError, DatabaseError, LockTimeoutError
from .files import same_file
from .opening import open as open_db
from .opening import open_database
from .options import Options
from .storage import taking_the_place_of


def compact_file(
    source: str,
    target: str,
    timeout: float,
    *,
    tx_max_size: int = 65536,
    sync: bool = True,
    progress: Callable[[int], object] | None = None,
) -> int:
    """Copy the database `source` into the new database `target`, with full pages.

    The copy is made beside the target and renamed into place, so after a failure the target is as it was; or the copy
    is there, whole, if only the folder could not be synced afterwards: then a power cut may take it back. It gets the
    source's permissions, less the umask.

    Args:
        source: The file; it is locked for reading meanwhile.
        target: No file yet, an empty file, or a database that holds nothing. A link is followed.
        timeout: Seconds to wait for the lock of each of them; 0 waits for ever.
        tx_max_size: Bytes of keys and values in a transaction on the target; 0 is no limit.
        sync: Whether the copy is on the disk when this returns.
        progress: Called now and then with the number of pairs and buckets that are copied.

    Returns:
        The bytes of the new file.

    Raises:
        FileExistsError: The target holds something.
        DatabaseError: The target is the source.
        BoltError, OSError: As `boltpy.open` and `boltpy.compact`; `filename` tells which file it was.
    """
    if same_file(source, target):
        raise DatabaseError(f"cannot compact {source} onto itself")
    with (
        open_db(source, read_only=True, timeout=timeout) as old,
        _vacant(target, timeout),
        taking_the_place_of(target) as beside,
        # Nobody knows the new file yet: one sync at its end makes it as safe as one for each commit.
        open_database(beside, os.stat(source).st_mode & 0o777, Options(no_sync=True), exclusive=True) as new,
    ):
        compact(old, new, tx_max_size, progress)
        if sync:
            new.sync()
        return os.path.getsize(beside)


@contextmanager
def _vacant(path: str, timeout: float) -> Iterator[None]:
    """Make sure that nothing is lost with `path`; a database there is locked, so that nobody fills it meanwhile."""
    if not os.path.exists(path) or (os.path.isfile(path) and not os.path.getsize(path)):
        yield
        return
    with ExitStack() as lock:
        try:
            held = lock.enter_context(open_db(path, read_only=True, timeout=timeout))
            with held.view() as tx:
                vacant = tx.cursor().first() is None
        except (LockTimeoutError, PermissionError):
            raise
        except (BoltError, OSError) as error:
            raise FileExistsError(EEXIST, f"exists and is no empty database ({error})", path) from error
        if not vacant:
            raise FileExistsError(EEXIST, "exists and is not empty; compact makes a new file", path)
        yield
