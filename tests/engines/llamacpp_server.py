"""Runs the real llama.cpp HTTP server, from the xllamacpp wheel, in the foreground until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import signal
import threading

import xllamacpp


def parameters(options: argparse.Namespace) -> xllamacpp.CommonParams:
    """llama.cpp's parameters for one tiny model."""
    made = xllamacpp.CommonParams()
    made.model.path = options.model
    made.model_alias = {options.alias}
    made.port = options.port
    made.hostnames = ["127.0.0.1"]
    made.n_parallel = options.parallel
    made.n_ctx = options.window * options.parallel
    # With more threads than free cores the threads of a tiny model wait for each other: 4 tokens a second instead of 3,000.
    made.cpuparams.n_threads = made.cpuparams_batch.n_threads = 1
    made.endpoint_metrics = made.endpoint_slots = made.use_jinja = True
    made.warmup = made.fit_params = False
    made.verbosity = 1
    made.sleep_idle_seconds = options.sleep_idle
    if options.embedding:
        made.embedding = True
        made.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    if options.api_key:
        made.api_keys = [options.api_key]
    return made


def main() -> None:
    """Serves until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="a GGUF file")
    parser.add_argument("--alias", required=True, help="the name that the server gives the model")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--window", type=int, default=2048, help="tokens a slot")
    parser.add_argument("--parallel", type=int, default=4, help="slots")
    parser.add_argument("--sleep-idle", type=int, default=-1, help="unload the model after so many idle seconds")
    parser.add_argument("--api-key")
    parser.add_argument("--embedding", action="store_true", help="make embeddings, and nothing else")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = xllamacpp.Server(parameters(parser.parse_args()))
    while not stop.wait(0.2):
        pass
    del server


if __name__ == "__main__":
    main()
