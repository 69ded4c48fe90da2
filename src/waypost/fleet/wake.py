"""Wakes a vLLM that was put to sleep, before a call: it refuses requests until somebody does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from waypost.addresses import root_of
from waypost.errors import ProviderUnavailable
from waypost.http.session import FAILURES, HttpSession

if TYPE_CHECKING:
    from waypost.fleet.deployment import Deployment

Woken = Callable[[str, float], None]


class Wakes:
    """The wake-ups under way: who asks for an engine that is being woken waits for the same one."""

    def __init__(self, clock: Callable[[], float], woken: Woken) -> None:
        self._clock = clock
        self._woken = woken
        self._under_way: dict[tuple[asyncio.AbstractEventLoop, str], asyncio.Task[bool]] = {}

    async def wake(self, deployment: Deployment) -> None:
        """Returns when the engine is awake; ``woken`` hears how long it took. A caller that leaves stops it for nobody else.

        Raises `ProviderUnavailable` if it does not wake within the time to the first byte.
        """
        key = asyncio.get_running_loop(), root_of(deployment.api_base or "")
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._post(deployment, key[1]))
            task.add_done_callback(lambda _: self._under_way.pop(key))
        if not await asyncio.shield(task):
            raise ProviderUnavailable(
                f"{deployment.id} sleeps and did not wake up; start its vLLM with --enable-sleep-mode and "
                "VLLM_SERVER_DEV_MODE=1, or take `wake` out of the config",
                deployment=deployment.id,
            )

    async def _post(self, deployment: Deployment, root: str) -> bool:
        began = self._clock()
        key = deployment.api_key
        headers = {} if key is None else {"Authorization": f"Bearer {key.reveal()}"}
        timeout_s = deployment.timeouts.first_byte_s
        try:
            async with (
                HttpSession() as session,
                session.ask("POST", f"{root}/wake_up", timeout_s=timeout_s, headers=headers, body=b"") as answer,
            ):
                awake = answer.status == 200
        except FAILURES:
            return False
        if awake:
            self._woken(deployment.id, self._clock() - began)
        return awake
