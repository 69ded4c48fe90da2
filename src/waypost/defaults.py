"""Where things are when nobody says so."""

from pathlib import Path

CONFIG_FILE = Path("waypost.yaml")
