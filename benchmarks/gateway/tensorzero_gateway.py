"""TensorZero's gateway, served by its Python package; runs in the environment of that package, and needs nothing of ours.

    PYTHON_OF_THAT_ENVIRONMENT benchmarks/gateway/tensorzero_gateway.py CONFIG

`patch_openai_client` is the package's documented way: it starts the gateway on a free port and sets the client's ``base_url``.
"""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace
from urllib.parse import urlsplit

from tensorzero import patch_openai_client  # type: ignore[import-not-found]  # it is in its own environment only

client = patch_openai_client(SimpleNamespace(base_url=None), config_file=sys.argv[1], async_setup=False)
print(f"PORT={urlsplit(client.base_url).port}", flush=True)
threading.Event().wait()
