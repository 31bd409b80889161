"""The rules of the house, held by tests: who may import whom, what is public, and that README.md tells the truth."""
