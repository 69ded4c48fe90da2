"""Data, training and judging. Never imported by the serving path."""
