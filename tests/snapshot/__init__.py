"""Tests of backups, seals, scrubbing and live copies."""
