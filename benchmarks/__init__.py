"""Benchmarks: boltpy beside Go's bbolt, py-lmdb, sqlite3 and its own pure mode. README.md here tells how to read them.

A tool for a checkout. It uses the public names of boltpy and engine only, as any program would.
"""
