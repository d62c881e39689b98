"""Measurements of Dialtone beside its peers. Each prints one JSON object; see docs/benchmarks.md."""
