#!/usr/bin/env python3
"""llama.cpp's own HTTP server on a GGUF, for pipecat_turns.py --local-engines: slots with prompt caches, continuous
batching.

usage: llama_server.py --gguf FILE --port PORT [--threads 2] [--slots 12]

Needs: pip install xllamacpp
"""
import argparse
import signal

import xllamacpp


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--slots", type=int, default=12)
    parser.add_argument("--context", type=int, default=2048, help="tokens a slot")
    args = parser.parse_args()
    params = xllamacpp.CommonParams()
    params.model.path, params.port, params.hostnames = args.gguf, args.port, ["127.0.0.1"]
    params.n_parallel, params.n_ctx = args.slots, args.slots * args.context
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = args.threads
    params.n_gpu_layers = 0
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
