"""The engine: what Gofer stored is read as Gofer's own Go code reads it."""
