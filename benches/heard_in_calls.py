#!/usr/bin/env python3
"""What the server hears of clips spoken over real calls: JSON lines for word_errors.py.

usage: heard_in_calls.py --trunkline BIN --models DIR --set starter|tiny --clips LIST [--per-call N] [--at-once N] > OUT

The agent answers in a word or two, so that the clips follow each other closely. A clip's text is all that was heard
while it was spoken, answered early or not.
"""
import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor

import turn_latency


class Server(turn_latency.Trunkline):
    def configured(self):
        return '[agents.brief]\ngreeting = "Yes?"\ninstructions = "Answer with one word."\nmax_reply_tokens = 3\n'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trunkline", required=True)
    parser.add_argument("--models", required=True)
    parser.add_argument("--set", choices=turn_latency.SETS, required=True)
    parser.add_argument("--clips", required=True)
    parser.add_argument("--per-call", type=int, default=6)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    clips = [line.strip() for line in open(args.clips) if line.strip()]
    batches = [clips[at:at + args.per_call] for at in range(0, len(clips), args.per_call)]
    server = Server(args)
    early = 0
    try:
        with ThreadPoolExecutor(args.at_once) as pool:
            for batch, (turns, _) in zip(batches, pool.map(server.call, batches)):
                for clip, turn in zip(batch, turns):
                    early += turn["answered_early"]
                    print(json.dumps({"file": clip, "text": turn["heard"] or ""}), flush=True)
    finally:
        server.stop()
    print(f"{len(clips)} clips, {early} answers before a clip's end", file=sys.stderr)


if __name__ == "__main__":
    main()
