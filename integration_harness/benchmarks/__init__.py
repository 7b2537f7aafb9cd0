"""Benchmarks: each prints its figures beside those of a stated baseline from the same run."""
