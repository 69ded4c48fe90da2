"""Prices, windows and capabilities of cloud models, from the table that LiteLLM brings along.

The table is read as a data file: finding it imports nothing of LiteLLM, and without the package everything is unknown. It is
parsed when it is first asked, and only the columns that matter here are kept.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from waypost.fleet.deployment import Capabilities, Deployment, Mode, Price
from waypost.fleet.facts import Facts, fill
from waypost.fleet.reading import flag, mapping, number, text, tokens

_FILE = "model_prices_and_context_window_backup.json"
# The table knows Ollama by one of its two names in LiteLLM.
_NAMES = {"ollama_chat": "ollama"}
_MODES: dict[str, Mode] = {"chat": "chat", "responses": "chat", "embedding": "embedding"}


class Catalogue:
    """What is known of models by provider and name."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._rows: Mapping[str, tuple[str, Facts]] | None = None

    @classmethod
    def load(cls) -> Catalogue:
        """The table of the installed LiteLLM, whose distribution may be ``litellm`` or ``litellm-core``; empty without it."""
        spec = importlib.util.find_spec("litellm")
        folders = (spec.submodule_search_locations if spec else None) or ()
        return cls(next((path for folder in folders if (path := Path(folder, _FILE)).is_file()), None))

    def facts(self, provider: str, model: str) -> Facts | None:
        """What is known of ``provider/model``; ``None`` if it is not in the table.

        A row under the bare model name counts if it is this provider's: another one may serve the same model for another price.
        """
        if self._rows is None:
            self._rows = _rows(self._path)
        provider = _NAMES.get(provider, provider)
        row = self._rows.get(f"{provider}/{model}")
        if row is None:
            row = self._rows.get(model)
            if row is None or not f"{row[0]}_".replace("-", "_").startswith(f"{provider}_"):
                return None
        return row[1]

    def fill(self, deployment: Deployment) -> Deployment:
        """The deployment with the catalogue's facts where nothing is known yet, under its ``base_model`` if it has one.

        Of a local model only the capabilities are taken: its window is what its engine allocates, and its price is not zero
        because the table lists it as free.
        """
        if deployment.lane == "simulated" or (
            deployment.local and _NAMES.get(deployment.provider, deployment.provider) != "ollama"
        ):
            return deployment
        base = deployment.transport.get("base_model")
        facts = self.facts(deployment.provider, str(base).removeprefix(f"{deployment.provider}/")) if base else None
        facts = facts or self.facts(deployment.provider, deployment.model)
        if facts is None:
            return deployment
        if deployment.local:
            facts = Facts(mode=facts.mode, capabilities=facts.capabilities)
        return fill(deployment, facts, "catalogue")


def _rows(path: Path | None) -> Mapping[str, tuple[str, Facts]]:
    if path is None:
        return {}
    try:
        table = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return {
        name: (provider, _facts(row))
        for name, row in mapping(table).items()
        if isinstance(row, dict) and name != "sample_spec" and (provider := text(row.get("litellm_provider")))
    }


def _facts(row: Mapping[str, Any]) -> Facts:
    mode = row.get("mode")
    schema = flag(row.get("supports_response_schema"))
    return Facts(
        window_tokens=tokens(row.get("max_input_tokens")),
        max_output_tokens=tokens(row.get("max_output_tokens")),
        price=_price(row),
        mode=_MODES.get(mode, "other") if isinstance(mode, str) else None,
        capabilities=Capabilities(
            tools=flag(row.get("supports_function_calling")),
            vision=flag(row.get("supports_vision")),
            audio=flag(row.get("supports_audio_input")),
            files=flag(row.get("supports_pdf_input")),
            structured_output=flag(row.get("supports_native_structured_output")) if schema is None else schema,
            reasoning=flag(row.get("supports_reasoning")),
        ),
    )


def _price(row: Mapping[str, Any]) -> Price | None:
    """The base rates. Two zeros are no price: the table writes them for local models and where it does not know."""
    given, made = number(row.get("input_cost_per_token")), number(row.get("output_cost_per_token"))
    if given is None or made is None or (given == 0 and made == 0):
        return None
    return Price(given, made, number(row.get("cache_read_input_token_cost")))
