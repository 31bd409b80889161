"""The command `boltpy`: as its users run it, beside the real bbolt, on sound and on damaged files."""
