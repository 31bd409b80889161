"""What the tasks ask of each store in Python, and the stores by name."""

from __future__ import annotations

from .bolt import BoltStore
from .face import Store, UnsupportedError
from .sqlite import SqliteStore

__all__ = ["BoltStore", "SqliteStore", "Store", "UnsupportedError"]
