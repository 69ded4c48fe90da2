"""The config: one YAML file, LiteLLM's `model_list` verbatim and our own blocks, checked line by line.

``load`` and ``loads`` give a ``Config`` or raise ``ConfigError`` with every problem at once; nothing else comes out of them.
"""

from waypost.config.discovery import DiscoverySettings, DiscoveryTarget
from waypost.config.loader import Config, Setup, load, loads
from waypost.config.schema import (
    CacheSettings,
    FeedbackSettings,
    LedgerSettings,
    PolicySettings,
    ServerSettings,
    json_schema,
)
from waypost.config.show import effective, effective_requests

__all__ = [
    "CacheSettings",
    "Config",
    "DiscoverySettings",
    "DiscoveryTarget",
    "FeedbackSettings",
    "LedgerSettings",
    "PolicySettings",
    "ServerSettings",
    "Setup",
    "effective",
    "effective_requests",
    "json_schema",
    "load",
    "loads",
]
