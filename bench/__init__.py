"""Benchmarks. Each one reports a ratio to a peer that is measured in the same run."""
