#!/usr/bin/env python3
"""Can the voice be understood over the telephone? Word error rate of what callers heard, by Whisper base.

usage: intelligibility.py --trunkline BIN --models DIR --set starter|tiny --clips LIST [--per-call N]

Places real calls, takes the agent's side of each 8 kHz recording, cuts it where it is quiet for a second, has Whisper
base transcribe the pieces, and compares them with the texts that the record says were spoken.
"""
import argparse
import json
import os
import subprocess
import tempfile
import wave

import numpy as np
import soundfile

import turn_latency
from interruptions import FRAME, HZ, QUIET_DBFS, levels
from word_errors import errors, words


def pieces(sound):
    """The stretches of sound between seconds of quiet."""
    audible = np.flatnonzero(levels(sound) > QUIET_DBFS)
    cuts = np.flatnonzero(np.diff(audible) > 50)
    starts = np.concatenate([audible[:1], audible[cuts + 1]])
    ends = np.concatenate([audible[cuts], audible[-1:]])
    for start, end in zip(starts, ends):
        yield sound[max(0, start - 10) * FRAME:(end + 10) * FRAME]


def transcribe(args, sounds):
    folder = tempfile.mkdtemp()
    paths = [os.path.join(folder, f"{n:03}.wav") for n in range(len(sounds))]
    for path, sound in zip(paths, sounds):
        soundfile.write(path, sound, HZ)
    out = subprocess.run([args.trunkline, "transcribe", "--model", "whisper-base", "--json", *paths], check=True,
                         capture_output=True, text=True, env=os.environ | {"TRUNKLINE_MODELS": args.models})
    return " ".join(json.loads(line)["text"] for line in out.stdout.splitlines())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trunkline", required=True)
    parser.add_argument("--models", required=True)
    parser.add_argument("--set", choices=turn_latency.SETS, required=True)
    parser.add_argument("--clips", required=True)
    parser.add_argument("--per-call", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    clips = [line.strip() for line in open(args.clips) if line.strip()]
    server = turn_latency.Trunkline(args)
    wrong = total = 0
    try:
        for at in range(0, len(clips), args.per_call):
            folder = tempfile.mkdtemp()
            _, record = server.place(["--save", folder, "--wav", *clips[at:at + args.per_call]])
            with wave.open(os.path.join(folder, "call.wav")) as file:
                sound = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)[:, 1] / 32768
            spoken = [prompt["text"] for prompt in record["prompts"]] + [turn["reply"] or "" for turn in record["turns"]]
            reference = words(" ".join(spoken), False)
            heard = words(transcribe(args, list(pieces(sound))), False)
            wrong, total = wrong + errors(reference, heard), total + len(reference)
            print(f"{len(reference)} words, {errors(reference, heard)} errors", flush=True)
    finally:
        server.stop()
    print(json.dumps({"set": args.set, "words": total, "errors": wrong, "rate": round(wrong / total, 4)}))


if __name__ == "__main__":
    main()
