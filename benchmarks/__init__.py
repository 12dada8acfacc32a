"""Benchmarks: each a ratio to a named peer or limit, measured in the same run. `make bench` writes RESULTS.md."""
