"""faultd, an engine that fails on purpose, and the bench that shows what a gateway makes of it.

Tests and ``waypost bench`` use this room; nothing that serves a request imports it.
"""
