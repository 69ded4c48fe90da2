"""The version, read by the build and by `waypost version`."""

__version__ = "0.1.0"
