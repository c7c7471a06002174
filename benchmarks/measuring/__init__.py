"""What benchmarks share: how to measure, and how to draw what was measured."""
