#!/usr/bin/env python3
"""Turn latency of Trunkline against the naive chain, on the same clips in the same run, call by call in turn.

usage: turn_latency.py --trunkline BIN --models DIR --ct2 DIR --set starter|tiny --clips LIST [--per-call N] [--out FILE]

LIST holds one 16 kHz clip a line. The clips are dealt into calls of N turns; before each call the naive chain
(benches/naive_chain.py) answers the same clips. Ours is measured from the caller's own packets, end-of-turn wait
included; the chain's clock runs from the whole clip in memory to the first clause's audio and knows no waiting.
Prints p50 and p95 of both, their ratios, where our time went, and how many utterances were answered early.
Needs the packages that naive_chain.py names, in the python that runs this.
"""
import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

SETS = {
    "starter": ("whisper-base", "qwen2.5-coder-1.5b-instruct"),
    "tiny": ("whisper-tiny.en", "qwen2.5-coder-0.5b-instruct"),
}
VOICE = "piper-en_US-joe-medium"
SIP, HTTP = 15060, 18080
STAGES = ["endpoint", "stt", "llm_first_token", "tts_first_audio", "playout"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trunkline", required=True)
    parser.add_argument("--models", required=True)
    parser.add_argument("--ct2", required=True, help="folder of the CTranslate2 Whisper model of the set")
    parser.add_argument("--set", choices=SETS, required=True)
    parser.add_argument("--clips", required=True)
    parser.add_argument("--per-call", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-naive", action="store_true", help="measure ours alone")
    parser.add_argument("--out", help="JSON of every turn, and of every call's decisions")
    return parser.parse_args()


def instructions(trunkline):
    """The built-in receptionist's, so that both sides answer from the same prompt."""
    source = os.path.join(os.path.dirname(__file__), "..", "crates/trunkline/src/config/agents.rs")
    text = open(source).read().split('const RECEPTIONIST: &str = "', 1)[1].split('";', 1)[0]
    file = tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False)
    file.write(text.strip())
    file.close()
    return file.name


class Naive:
    def __init__(self, args):
        llm = SETS[args.set][1]
        here = os.path.dirname(os.path.abspath(__file__))
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(here, "naive_chain.py"), "--whisper", args.ct2,
             "--gguf", f"{args.models}/{llm}/model.gguf", "--piper", f"{args.models}/{VOICE}/voice.onnx",
             "--piper-config", f"{args.models}/{VOICE}/voice.json", "--instructions", instructions(args.trunkline),
             "--threads", str(args.threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        json.loads(self.process.stdout.readline())

    def turn(self, wav):
        self.process.stdin.write(json.dumps({"wav": wav}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)


class Trunkline:
    def __init__(self, args):
        stt, llm = SETS[args.set]
        self.binary = args.trunkline
        self.folder = tempfile.mkdtemp()
        self.config = os.path.join(self.folder, "bench.toml")
        with open(self.config, "w") as file:
            file.write(f'[models]\ndir = "{args.models}"\nstt = "{stt}"\nllm = "{llm}"\nthreads = {args.threads}\n'
                       f'[sip]\nbind = "127.0.0.1:{SIP}"\n[gateway]\nbind = "127.0.0.1:{HTTP}"\n'
                       f'[store]\ndata_dir = "{self.folder}/data"\n' + self.configured())
        log = open(os.path.join(self.folder, "server.log"), "w")
        self.process = subprocess.Popen([args.trunkline, "serve", "--config", self.config], stderr=log)
        for _ in range(600):
            try:
                if urllib.request.urlopen(f"http://127.0.0.1:{HTTP}/ready", timeout=2).status == 200:
                    return
            except OSError:
                time.sleep(0.2)
        raise SystemExit(f"the server is not ready: see {self.folder}/server.log")

    def configured(self):
        """More for the configuration: agents, say. None here: the built-in receptionist answers."""
        return ""

    def call(self, wavs):
        report, record = self.place(["--wav", *wavs])
        return report["turns"], record["decisions"]

    def place(self, said, user="demo"):
        """Places a call; the caller's report and the server's record."""
        result = subprocess.run(
            [self.binary, "call", "--config", self.config, "--to", f"sip:{user}@127.0.0.1:{SIP}",
             "--admin", f"http://127.0.0.1:{HTTP}", "--json", *said], capture_output=True, text=True, timeout=900)
        if result.returncode:
            raise SystemExit(f"the call failed: {result.stderr}")
        report = json.loads(result.stdout)
        return report, json.load(urllib.request.urlopen(f"http://127.0.0.1:{HTTP}/admin/v1/calls/{report['call_id']}"))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def main():
    args = arguments()
    clips = [line.strip() for line in open(args.clips) if line.strip()]
    naive = None if args.no_naive else Naive(args)
    server = Trunkline(args)
    rows, decisions = [], []
    try:
        for at in range(0, len(clips), args.per_call):
            batch = clips[at:at + args.per_call]
            chain = [naive.turn(wav) if naive else None for wav in batch]
            turns, why = server.call(batch)
            decisions.append(why)
            for wav, other, turn in zip(batch, chain, turns):
                rows.append({"wav": os.path.basename(wav), "naive": other, "ours": turn})
                latency = turn["latency_ms"]
                print(f"{os.path.basename(wav):48} ours {latency['total'] if latency else None} ms"
                      f"  naive {1000 * other['total']:.0f} ms" if other else f"{os.path.basename(wav)} {latency}",
                      flush=True)
    finally:
        server.stop()
        if naive:
            naive.stop()
    report(args, rows, decisions)


def report(args, rows, decisions):
    timed = [r for r in rows if r["ours"]["latency_ms"]]
    ours = [r["ours"]["latency_ms"]["total"] / 1000 for r in timed]
    early = sum(1 for r in rows if r["ours"]["answered_early"])
    summary = {"set": args.set, "turns": len(rows), "timed": len(timed), "answered_early": early,
               "ours_p50": quantile(ours, 0.5), "ours_p95": quantile(ours, 0.95), "cpu": platform.processor()}
    if not args.no_naive:
        chain = [r["naive"]["total"] for r in timed]
        summary |= {"naive_p50": quantile(chain, 0.5), "naive_p95": quantile(chain, 0.95)}
        summary["ratio_p50"] = summary["ours_p50"] / summary["naive_p50"]
        summary["ratio_p95"] = summary["ours_p95"] / summary["naive_p95"]
        for part in ("stt", "llm_first_token", "llm_first_clause", "tts"):
            summary[f"naive_{part}"] = quantile([r["naive"][part] for r in timed], 0.5)
    for stage in STAGES:
        values = [r["ours"]["latency_ms"][stage] for r in timed if r["ours"]["latency_ms"][stage] is not None]
        summary[f"ours_{stage}_ms"] = quantile(values, 0.5)
    gaps = [abs(r["ours"]["latency_ms"]["total"] - sum(r["ours"]["latency_ms"][s] for s in STAGES))
            for r in timed if r["ours"]["latency_ms"]["stt"] is not None]
    summary["largest_gap_between_sum_and_total_ms"] = max(gaps, default=float("nan"))
    print(json.dumps(summary, indent=1))
    if args.out:
        with open(args.out, "w") as file:
            json.dump({"summary": summary, "turns": rows, "decisions": decisions}, file, indent=1)


if __name__ == "__main__":
    main()
