"""Runs the real Triton in the foreground, with a small model of ours in it: `python triton_server.py PORT`, until SIGTERM.

The program comes with NVIDIA's PyTriton; no GPU is needed. The model ``ensemble`` has the tensors of TensorRT-LLM's backend and
answers ``w001 w002 …``, as many words as ``max_tokens``. The last word of a prompt may change that: ``echo`` comes back,
``fail`` makes the model fail at once, ``break`` after three words of a stream, and ``many`` gives several answers where one is
asked for. gRPC and metrics take any free ports.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator
from typing import Any

HOST = "127.0.0.1"
TOKEN_S = 0.002
MOST_WORDS = 200


def with_own_libpython() -> None:
    """Starts again so that Triton's Python backend loads the library of this interpreter, not an older one of the system."""
    folder, path = sysconfig.get_config_var("LIBDIR"), os.environ.get("LD_LIBRARY_PATH", "")
    if folder and folder not in path.split(":"):
        os.environ["LD_LIBRARY_PATH"] = f"{folder}:{path}"
        os.execv(sys.executable, [sys.executable, *sys.argv])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def first(request: Any, name: str, default: Any) -> Any:
    """The one value of an input that may be absent."""
    return request[name].reshape(-1)[0] if name in request else default


def fail() -> None:
    raise RuntimeError("the model failed on purpose")


def generate(requests: list[Any]) -> Iterator[list[Any]]:
    """The answers to one request: word by word if it asks for a stream."""
    import numpy as np

    request = requests[0]
    prompt = bytes(first(request, "text_input", b"")).decode().strip()
    if prompt.endswith("fail"):
        fail()
    count = min(int(first(request, "max_tokens", 16)), MOST_WORDS)
    words = [prompt] if prompt.endswith("echo") else [f"{' ' * (n > 1)}w{n:03d}" for n in range(1, count + 1)]

    def said(text: str) -> list[Any]:
        return [{"text_output": np.array([text.encode()], dtype=object)}]

    time.sleep(TOKEN_S)
    if not first(request, "stream", False) and not prompt.endswith("many"):
        yield said("".join(words))
        return
    for number, word in enumerate(words):
        if prompt.endswith("break") and number == 3:
            fail()
        yield said(word)
        time.sleep(TOKEN_S)


def main() -> None:
    import numpy as np
    from pytriton.model_config import ModelConfig, Tensor
    from pytriton.triton import Triton, TritonConfig, TritonSecurityConfig

    def optional(name: str, kind: Any) -> Any:
        return Tensor(name=name, dtype=kind, shape=(1,), optional=True)

    config = TritonConfig(
        http_address=HOST,
        http_port=int(sys.argv[1]),
        grpc_address=HOST,
        grpc_port=free_port(),
        metrics_address=HOST,
        metrics_port=free_port(),
        exit_timeout_secs=5,
    )
    with Triton(config=config, security_config=TritonSecurityConfig(restricted_endpoints=[])) as triton:
        triton.bind(
            model_name="ensemble",
            infer_func=generate,
            strict=False,
            inputs=[
                Tensor(name="text_input", dtype=bytes, shape=(1,)),
                optional("max_tokens", np.int32),
                optional("stream", np.bool_),
                optional("temperature", np.float32),
                optional("bad_words", bytes),
                optional("stop_words", bytes),
            ],
            outputs=[Tensor(name="text_output", dtype=bytes, shape=(-1,))],
            config=ModelConfig(batching=False, decoupled=True),
        )
        over = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: over.set())
        triton.run()
        over.wait()


if __name__ == "__main__":
    with_own_libpython()
    main()
