#!/usr/bin/env python3
"""How soon a reply falls silent when the caller speaks over it, what the chat keeps of it, and what does not stop it.

usage: interruptions.py --trunkline BIN --models DIR --set starter|tiny --speech LIST --listening LIST [--out FILE]

SPEECH: recorded clips of 2 s and more; each is spoken over the long reply to the one before. LISTENING: clips that
must not stop a reply (coughs, "uh-huh", noise); each is played over a long greeting. Everything is measured in the call's
stereo recording. `late_ms` runs from the moment when 300 ms of the caller's speech (found by Silero in the clip itself)
have sounded to the end of the reply's sound; the goal is 200. The reply's sound up to there is
transcribed by Whisper base and compared with what the chat keeps: `words_off` counts words too many or too few.
"""
import argparse
import difflib
import json
import os
import re
import subprocess
import tempfile
import wave

import numpy as np
import soundfile
from faster_whisper.vad import VadOptions, get_speech_timestamps

import turn_latency
from word_errors import words

QUIET_DBFS, HZ, FRAME = -50.0, 8000, 160
AGENT = ("You tell stories. Whatever the caller says, answer with one long story of at least ten sentences. "
         "Never ask anything, never stop early.")
READ = ("Here is the weather for the coming days. It will rain in the north until the evening, with strong winds on the "
        "coast. The south stays dry and warm, and the sun comes out in the afternoon. Tomorrow there will be some clouds.")


def levels(samples):
    frames = samples[:len(samples) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    return 10 * np.log10((frames ** 2).mean(axis=1) + 1e-12)


def speech_after(clip, milliseconds):
    """When so much of the clip's speech has sounded, by Silero on the wide-band clip, in ms from its first sound."""
    samples, rate = soundfile.read(clip, dtype="float32")
    samples = samples[:, 0] if samples.ndim > 1 else samples
    wanted, start = milliseconds * rate // 1000, np.flatnonzero(samples)[0]
    options = VadOptions(speech_pad_ms=0, min_silence_duration_ms=100, min_speech_duration_ms=100)
    for stretch in get_speech_timestamps(samples, options, sampling_rate=rate):
        length = stretch["end"] - stretch["start"]
        if length >= wanted:
            return 1000 * (stretch["start"] + wanted - start) / rate
        wanted -= length
    return float("nan")


class Server(turn_latency.Trunkline):
    def configured(self):
        return (f'[agents.stories]\nnumbers = ["*"]\ngreeting = "Hello."\ninstructions = "{AGENT}"\n'
                f'[agents.reader]\nnumbers = ["reader"]\ngreeting = "{READ}"\n')

    def call(self, steps, user="demo"):
        folder = tempfile.mkdtemp()
        script = os.path.join(folder, "script.toml")
        with open(script, "w") as file:
            for step in steps:
                file.write("[[step]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in step.items()))
        report, record = self.place(["--script", script, "--save", folder], user)
        with wave.open(os.path.join(folder, "call.wav")) as file:
            sound = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2) / 32768
        return report, record, sound[:, 0], sound[:, 1]


def onsets(caller, clips):
    """Where each clip begins in the caller's channel, in samples: where its first second is most like it."""
    at, found = 0, []
    for clip in clips:
        samples, rate = soundfile.read(clip, dtype="float64")
        samples = samples[:, 0] if samples.ndim > 1 else samples
        start = np.flatnonzero(samples)[0]
        step = rate // HZ
        probe = samples[start:start + 2 * rate]
        probe = probe[:len(probe) // step * step].reshape(-1, step).mean(axis=1)
        rest = caller[at:]
        size = len(rest) + len(probe)
        likeness = np.fft.irfft(np.fft.rfft(rest, size) * np.conj(np.fft.rfft(probe, size)), size)[:len(rest)]
        best = np.flatnonzero(likeness > 0.9 * likeness.max())[0]
        found.append(at + best + int(np.argmax(likeness[best:best + FRAME])))
        at = found[-1] + len(samples) * HZ // rate - FRAME * 4
    return found


def stop_after(agent, at):
    """Where the agent's sound that goes on at `at` ends: before half a second of quiet."""
    audible = levels(agent[at:]) > QUIET_DBFS
    last = -1
    for n, is_audible in enumerate(audible):
        if is_audible:
            last = n
        elif n - last > 25:
            break
    return at + (last + 1) * FRAME


def start_before(agent, at):
    """Where the agent's present reply began: after a second of quiet."""
    audible = np.flatnonzero(levels(agent[:at]) > QUIET_DBFS)
    gaps = np.flatnonzero(np.diff(audible) > 50)
    return int(audible[gaps[-1] + 1] if len(gaps) else audible[0]) * FRAME


def transcribe(args, sound):
    path = os.path.join(tempfile.mkdtemp(), "reply.wav")
    soundfile.write(path, sound, HZ)
    out = subprocess.run([args.trunkline, "transcribe", path, "--model", "whisper-base", "--json"],
                         capture_output=True, text=True, env=os.environ | {"TRUNKLINE_MODELS": args.models})
    return json.loads(out.stdout.splitlines()[0])["text"] if out.returncode == 0 else None


def words_off(kept, sounded):
    """How many words more (+) or fewer (-) were kept than sounded, counted from the last that agree."""
    kept, sounded = words(kept, False), words(sounded, False)
    blocks = difflib.SequenceMatcher(None, kept, sounded, autojunk=False).get_matching_blocks()
    last = blocks[-2] if len(blocks) > 1 else blocks[-1]
    return (len(kept) - last.a - last.size) - (len(sounded) - last.b - last.size)


def interruptions(args, server, speech):
    rows = []
    for at in range(0, len(speech) - 1, 6):
        clips = speech[at:at + 7]
        steps = [{"wav": clip} if n == 0 else {"wav": clip, "when": "sounding", "pause_seconds": 1.5}
                 for n, clip in enumerate(clips)]
        report, record, caller, agent = server.call(steps)
        begun = onsets(caller, clips)
        for n, clip in list(enumerate(clips))[1:]:
            began = begun[n]
            stopped = stop_after(agent, began)
            is_over = not (levels(agent[began:began + FRAME * 25]) > QUIET_DBFS).any()
            reply = report["turns"][n - 1]["reply"] or ""
            late = 1000 * (stopped - began) / HZ - speech_after(clip, 300)
            sounded = transcribe(args, agent[start_before(agent, began):stopped])
            rows.append({"clip": os.path.basename(clip), "late_ms": round(late), "reply_was_over": bool(is_over),
                         "interrupted": report["turns"][n - 1]["interrupted"], "kept": reply, "sounded": sounded,
                         "words_off": words_off(reply, sounded or "")})
            print(json.dumps(rows[-1]), flush=True)
    return rows


def listening(server, clips):
    rows = []
    for clip in clips:
        step = {"wav": clip, "when": "sounding", "pause_seconds": 2.0, "expects_reply": False}
        report, record, caller, agent = server.call([step], "reader")
        rows.append({"clip": os.path.basename(clip), "stopped": not record["prompts"][0]["whole"],
                     "turns": [turn["heard"] for turn in record["turns"]],
                     "why": [(d["kind"], d["reason"], d["detail"]) for d in record["decisions"]]})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trunkline", required=True)
    parser.add_argument("--models", required=True)
    parser.add_argument("--set", choices=turn_latency.SETS, required=True)
    parser.add_argument("--speech", required=True)
    parser.add_argument("--listening", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out")
    args = parser.parse_args()
    lines = lambda path: [line.strip() for line in open(path) if line.strip()]
    speech = lines(args.speech)
    server = Server(args)
    try:
        cut = interruptions(args, server, speech)
        kept = listening(server, lines(args.listening))
    finally:
        server.stop()
    timed = sorted(r["late_ms"] for r in cut if not r["reply_was_over"])
    summary = {"set": args.set, "interruptions": len(timed), "late_p50_ms": turn_latency.quantile(timed, 0.5),
               "late_p95_ms": turn_latency.quantile(timed, 0.95), "late_max_ms": timed[-1] if timed else None,
               "within_200_ms": sum(late <= 200 for late in timed),
               "at_most_one_word_off": sum(abs(r["words_off"]) <= 1 for r in cut if not r["reply_was_over"]),
               "listening_clips": len(kept), "stopped_by_them": sum(r["stopped"] for r in kept)}
    print(json.dumps(summary, indent=1))
    if args.out:
        with open(args.out, "w") as file:
            json.dump({"summary": summary, "interruptions": cut, "listening": kept}, file, indent=1)


if __name__ == "__main__":
    main()
