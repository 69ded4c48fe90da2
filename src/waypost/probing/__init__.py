"""Probing: a deployment answers prompts whose good answers are known, and the answers are graded without another model."""
