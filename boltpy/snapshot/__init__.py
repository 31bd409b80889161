"""Backups that can be trusted: full and incremental ones, and what proves and restores them.

Not imported by `import boltpy`: it needs the package crc32c, and loading that takes longer than many a use of boltpy.
"""

from __future__ import annotations

from ..live import copy_live
from .backups import Backup, backup, backup_file
from .restoring import restore, verify
from .scrubbing import Scrub, scrub
from .sealing import seal

__all__ = ["Backup", "Scrub", "backup", "backup_file", "copy_live", "restore", "scrub", "seal", "verify"]
