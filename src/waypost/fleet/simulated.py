"""A fleet that needs no engine: one deployment for each task, so that routing can be seen at work on any machine."""

from __future__ import annotations

from waypost.fleet.deployment import Capabilities, Deployment


def simulated_fleet() -> tuple[Deployment, ...]:
    """Five deployments whose answers are simulated and whose limits are real to the guards.

    Images can go to ``sim-vision`` and ``sim-reasoning`` only, tools to ``sim-tools`` and ``sim-reasoning``, and long histories
    to ``sim-memory``. They have no price, for nothing is bought.
    """
    return (
        _simulated("sim-tools", 8, 16_384, Capabilities(tools=True, vision=False, structured_output=True, reasoning=False)),
        _simulated("sim-vision", 11, 16_384, Capabilities(tools=False, vision=True, structured_output=True, reasoning=False)),
        _simulated("sim-chat", 3, 8_192, Capabilities(tools=False, vision=False, structured_output=True, reasoning=False)),
        _simulated("sim-memory", 7, 131_072, Capabilities(tools=False, vision=False, structured_output=True, reasoning=False)),
        _simulated("sim-reasoning", 32, 32_768, Capabilities(tools=True, vision=True, structured_output=True, reasoning=True)),
    )


def simulated_routes() -> dict[str, tuple[str, ...]]:
    """The deployments for each task: first the one made for it, then those that can stand in."""
    return {
        "tool_calling": ("sim-tools", "sim-reasoning", "sim-memory"),
        "vision": ("sim-vision", "sim-reasoning"),
        "chat": ("sim-chat", "sim-tools", "sim-reasoning", "sim-memory"),
        "memory": ("sim-memory", "sim-reasoning", "sim-tools"),
        "reasoning": ("sim-reasoning", "sim-tools", "sim-memory"),
        "coding": ("sim-reasoning", "sim-tools", "sim-memory"),
    }


def _simulated(name: str, parameters_b: float, window_tokens: int, capabilities: Capabilities) -> Deployment:
    return Deployment(
        id=name,
        group=name,
        provider="simulated",
        model=name,
        lane="simulated",
        local=True,
        capabilities=capabilities,
        window_tokens=window_tokens,
        parameters_b=parameters_b,
    )
