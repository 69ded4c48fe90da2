"""Decisions, attempts and outcomes, kept."""
