"""Speed and memory: `python -m benchmarks.NAME --json FILE`."""
