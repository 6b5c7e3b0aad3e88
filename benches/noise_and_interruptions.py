#!/usr/bin/env python3
"""Turns that noise starts (0 is right), and how soon a reply falls silent when the caller speaks over it.

usage: noise_and_interruptions.py --trunkline BIN --config FILE --to URI --admin URL --noise LIST --speech LIST

NOISE: clips without speech, played one after the other. SPEECH: clips; every second one is spoken 0.8 s into the reply to
the one before. Prints one JSON line each; the interruption's figure is from the first sound of the interrupting clip
to the last sound of the interrupted reply.
"""
import argparse
import json
import subprocess
import tempfile
import urllib.request


def script(steps):
    file = tempfile.NamedTemporaryFile("w", suffix=".toml", delete=False)
    for step in steps:
        file.write("[[step]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in step.items()))
    file.close()
    return file.name


def call(args, steps):
    result = subprocess.run(
        [args.trunkline, "call", "--config", args.config, "--to", args.to, "--admin", args.admin, "--json", "--script",
         script(steps)], capture_output=True, text=True)
    return json.loads(result.stdout)


def record(args, report):
    return json.load(urllib.request.urlopen(f"{args.admin}/admin/v1/calls/{report['call_id']}"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("trunkline", "config", "to", "admin", "noise", "speech"):
        parser.add_argument(f"--{name}", required=True)
    args = parser.parse_args()
    lines = lambda path: [line.strip() for line in open(path) if line.strip()]

    noise = [{"wav": wav, "expects_reply": False, "when": "now", "pause_seconds": 1.0} for wav in lines(args.noise)]
    noise[0]["when"] = "quiet"
    kept = record(args, call(args, noise))
    ignored = [d["reason"] for d in kept["decisions"] if d["kind"] == "speech_ignored"]
    print(json.dumps({"noise_clips": len(noise), "turns": len(kept["turns"]),
                      "heard": [t["heard"] for t in kept["turns"]], "ignored": ignored}))

    speech = lines(args.speech)
    steps = []
    for n, wav in enumerate(speech):
        steps.append({"wav": wav} if n % 2 == 0 else {"wav": wav, "when": "sounding", "pause_seconds": 0.8})
    report = call(args, steps)
    stops = [t["barge_in_ms"] for n, t in enumerate(report["turns"]) if n % 2 == 1]
    print(json.dumps({"interruptions": len(stops), "reply_stopped_after_ms": stops,
                      "replies_heard": [(t["reply"], t["interrupted"]) for t in report["turns"]]}))


if __name__ == "__main__":
    main()
