#!/usr/bin/env python3
"""The whole turn of a telephone call: Trunkline beside Pipecat, the same engines, weights, clips, caller and run.

usage: pipecat_turns.py --trunkline BIN --models DIR --pipecat PYTHON --clips LIST [--json FILE]

LIST has lines "FILE<tab>TEXT" (sound of any rate; the text, for word errors, may be left out). PYTHON is that of a
virtual environment with the peer, which may run this script too:

    python3 -m venv VENV
    VENV/bin/pip install "pipecat-ai[silero,local-smart-turn-v3,openai,websocket]" uvicorn
    VENV/bin/pip install faster-whisper piper-tts xllamacpp          # for --local-engines

One caller (scripted_caller.py) calls both: Trunkline over SIP and RTP, Pipecat's agents (pipecat_agent.py) over a
WebSocket. Pipecat's recognizer, language model and voice are its services for OpenAI's API, pointed at the HTTP API of
the very same Trunkline process, so that only what lies between the engines differs. With --local-engines a second
peer has what its users would take instead: faster-whisper (int8), Piper and llama.cpp's server on the same weights.

Measured, first call by call in turn, then with 1, 2, 4 ... callers at once on each side in turn:

- mouth to ear: from the clip's last sound to the reply's first, by the caller's own packets, endpoint wait included;
- endpoint: Pipecat: until its VAD reported silence, and what smart-turn's judgement came later than the text;
  Trunkline: `endpoint` of its record (until the recognizer is asked for what the reply is made of, and what the decision
  comes later than the sound);
- stt, llm, clause and voice: Pipecat: each service from the call of its method to its result (text; first token; from
  that the first sentence, handed to the voice, and from there the voice's first frame); Trunkline: the stages of its record,
  in which work done while the caller spoke counts nothing;
- overhead: mouth to ear less all of these. In Trunkline's record each stage begins where the one before ends, so what
  passes between engines inside it is in its stages; in Pipecat's it is overhead. The like for like figure is "to
  the ear": from the voice's first sound in hand to the caller's ear;
- processor seconds a turn: server and agents with all their children, without the caller;
- goodput: turns a minute answered within 2 s and not talked over, of callers that call again until the time is up, wait for the
  end of each reply, and come back 2 s after a refusal.

Prints a Markdown table; --json writes everything, every turn included.
"""
import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time

from pipecat_sides import Pipecat, Trunkline, cpu_seconds
from scripted_caller import Refused, read_clip
from turn_latency import SETS, VOICE, instructions, quantile
from word_errors import errors, words

GOOD = 2.0
RAMP = 0.5
PARTS = ["endpoint", "stt", "llm", "clause and voice", "overhead", "to the ear"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trunkline", required=True, help="the binary, with local models")
    parser.add_argument("--models", required=True, help="folder of `trunkline models pull`")
    parser.add_argument("--pipecat", required=True, help="python of the environment with pipecat-ai")
    parser.add_argument("--clips", required=True)
    parser.add_argument("--set", choices=SETS, default="tiny")
    parser.add_argument("--threads", type=int, default=2, help="of Trunkline's engines")
    parser.add_argument("--processes", type=int, default=2, help="of Pipecat's agents")
    parser.add_argument("--turns", type=int, default=24, help="turns of each side call by call; 0 for none")
    parser.add_argument("--per-call", type=int, default=3)
    parser.add_argument("--levels", default="1,2,4,8,12", help="callers at once; empty for none")
    parser.add_argument("--seconds", type=float, default=25, help="of each level, after a ramp of 0.5 s a caller")
    parser.add_argument("--reply-tokens", type=int, default=32)
    parser.add_argument("--no-admission", action="store_true", help="Trunkline takes every call")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--local-engines", action="store_true", help="a second peer with engines of its own")
    parser.add_argument("--ct2", help="for it: folder of the CTranslate2 Whisper of the set")
    parser.add_argument("--json", help="file for every figure and turn")
    for name, port in (("sip", 26060), ("http", 28180), ("rtp", 26100), ("ws", 28185), ("llama", 28195)):
        parser.add_argument(f"--{name}", type=int, default=port, metavar="PORT")
    return parser.parse_args()


def read_clips(path, seed):
    clips, folder = [], os.path.dirname(os.path.abspath(path))
    for line in filter(str.strip, open(path)):
        file, _, text = line.rstrip("\n").partition("\t")
        clips.append(read_clip(os.path.join(folder, file), os.path.basename(file), text))
    random.Random(seed).shuffle(clips)
    return clips


async def admitted(side, clips):
    """A call, placed again 2 s after each refusal."""
    while True:
        try:
            return await side.call(clips, float("inf"))
        except Refused:
            await asyncio.sleep(2)


async def call_by_call(sides, clips, turns, per_call):
    """Calls each side in turn with the same clips; rows and processor seconds of each."""
    results = {side.name: {"rows": [], "cpu": 0.0} for side in sides}
    for n, at in enumerate(range(0, turns, per_call)):
        said = [clips[k % len(clips)] for k in range(at, at + per_call)]
        for side in sides if n % 2 == 0 else sides[::-1]:
            before = cpu_seconds(side.pids)
            rows = await admitted(side, said)
            results[side.name]["rows"] += rows
            results[side.name]["cpu"] += cpu_seconds(side.pids) - before
            for row in rows:
                print(f"{side.name:24} {row['clip'][:40]:40} {shown(row)}", file=sys.stderr, flush=True)
    return results


def shown(row):
    if row["total"] is None:
        return "talked over" if row["early"] else "no answer"
    parts = " ".join(f"{name} {1000 * row['parts'][name]:.0f}" for name in PARTS) if row["parts"] else "parts unknown"
    return f"{1000 * row['total']:.0f} ms = {parts}"


async def level(side, clips, callers, seconds, dice):
    """`callers` at once until the time is up: the turns that ended within it, refusals, failures, processor time."""
    began = time.time()
    counted_from, end = began + RAMP * callers, began + RAMP * callers + seconds
    result = {"callers": callers, "rows": [], "refused": 0, "failed": 0}

    async def caller(nth):
        await asyncio.sleep(RAMP * nth)
        while time.time() < end:
            try:
                result["rows"] += await side.call(dice.sample(clips, 3), end)
            except Refused:
                result["refused"] += 1
                await asyncio.sleep(2)
            except (OSError, TimeoutError, ConnectionError) as error:
                result["failed"] += 1
                print(f"{side.name}: {error!r}", file=sys.stderr)
                await asyncio.sleep(1)

    before, own = cpu_seconds(side.pids), time.process_time()
    await asyncio.gather(*(caller(n) for n in range(callers)))
    result |= {"cpu": cpu_seconds(side.pids) - before, "caller_cpu": time.process_time() - own,
               "all_turns": len(result["rows"])}
    result["rows"] = [row for row in result["rows"] if counted_from <= row["ended"] < end]
    return result | level_figures(result["rows"], seconds)


def level_figures(rows, seconds):
    totals = [row["total"] for row in rows if row["total"] is not None]
    good = sum(total <= GOOD for total in totals)
    return {"turns": len(rows), "answered": len(totals), "good": good, "goodput": good * 60 / seconds,
            "p50": quantile(totals, 0.5), "p95": quantile(totals, 0.95), "early": sum(r["early"] for r in rows)}


def latency_figures(result, texts):
    rows = result["rows"]
    timed = [row for row in rows if row["total"] is not None]
    figures = {"turns": len(rows), "answered": len(timed), "early": sum(r["early"] for r in rows),
               "cpu": result["cpu"] / max(1, len(rows))}
    wrong = [(errors(words(texts[r["clip"]], False), words(r["heard"], False)), len(words(texts[r["clip"]], False)))
             for r in rows if texts[r["clip"]]]
    figures["words wrong"] = sum(w for w, _ in wrong) / max(1, sum(n for _, n in wrong))
    columns = {"mouth to ear": [r["total"] for r in timed]}
    with_parts = [r for r in timed if r["parts"]]
    columns |= {part: [r["parts"][part] for r in with_parts] for part in PARTS}
    columns["mouth to ear less endpoint"] = [r["total"] - r["parts"]["endpoint"] for r in with_parts]
    figures["timed"] = {name: {"p50": quantile(v, 0.5), "p95": quantile(v, 0.95)} for name, v in columns.items()}
    return figures


def print_latency(figures):
    names = list(figures)
    print("\nCall by call, p50 / p95, milliseconds\n")
    print("| | " + " | ".join(names) + " |\n|---" + "|---" * len(names) + "|")
    for part in next(iter(figures.values()))["timed"]:
        cells = [f["timed"][part] for f in figures.values()]
        print(f"| {part} | " + " | ".join(f"{1000 * c['p50']:.0f} / {1000 * c['p95']:.0f}" for c in cells) + " |")
    for row, cell in (("turns, answered, talked over", lambda f: f"{f['turns']}, {f['answered']}, {f['early']}"),
                      ("processor seconds a turn", lambda f: f"{f['cpu']:.2f}"),
                      ("words wrong", lambda f: f"{100 * f['words wrong']:.1f} %")):
        print(f"| {row} | " + " | ".join(map(cell, figures.values())) + " |")


def print_curve(curve):
    print("\nCallers at once: turns a minute within 2 s (p50 / p95 s; turns, answered, talked over; refused calls; "
          "processor s a turn)\n")
    names = list(curve)
    print("| callers | " + " | ".join(names) + " |\n|---" + "|---" * len(names) + "|")
    for rows in zip(*curve.values()):
        cells = [f"**{r['goodput']:.0f}** ({r['p50']:.2f} / {r['p95']:.2f}; {r['turns']}, {r['answered']}, {r['early']}; "
                 f"{r['refused']}; {r['cpu'] / max(1, r['all_turns']):.2f})" for r in rows]
        print(f"| {rows[0]['callers']} | " + " | ".join(cells) + " |")
    best = {name: max(r["goodput"] for r in rows) for name, rows in curve.items()}
    for name in names[1:]:
        print(f"\nBest goodput: {names[0]} {best[names[0]]:.0f}, {name} {best[name]:.0f}, "
              f"ratio {best[names[0]] / max(best[name], 1e-9):.2f}")


async def measure(args, sides, clips):
    results = {"latency": None, "curve": {side.name: [] for side in sides}}
    for side in sides:
        await admitted(side, clips[:1])
    if args.turns:
        results["latency"] = await call_by_call(sides, clips, args.turns, args.per_call)
    for n, callers in enumerate(int(c) for c in args.levels.split(",") if c):
        for side in sides if n % 2 == 0 else sides[::-1]:
            met = await level(side, clips, callers, args.seconds, random.Random(args.seed * 1000 + callers))
            results["curve"][side.name].append(met)
            print(f"{callers} callers, {side.name}: {met['goodput']:.0f} turns a minute in time, {met['turns']} turns, "
                  f"p50 {met['p50']:.2f} s, {met['refused']} refused, {met['failed']} failed, caller's processor "
                  f"{met['caller_cpu']:.1f} s", file=sys.stderr, flush=True)
            await asyncio.sleep(2)
    return results


def cpu_name():
    names = [line.partition(": ")[2].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return f"{len(names)} x {names[0]}"


def versions(args):
    code = "import importlib.metadata as m; print(m.version('pipecat-ai'))"
    return {"pipecat-ai": subprocess.run([args.pipecat, "-c", code], capture_output=True, text=True).stdout.strip(),
            "trunkline": subprocess.run([args.trunkline, "--version"], capture_output=True, text=True).stdout.strip(),
            "set": args.set, "models": [*SETS[args.set], VOICE], "cpu": cpu_name(), "load": os.getloadavg()}


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    clips = read_clips(args.clips, args.seed)
    prompt = open(instructions(args.trunkline)).read()
    about = versions(args)
    print(json.dumps(about))
    sides = [Trunkline(args, prompt)]
    try:
        for engines in ["api", "local"] if args.local_engines else ["api"]:
            sides.append(Pipecat(args, engines, sides[0], prompt))
        results = asyncio.run(measure(args, sides, clips))
        about["requests_refused"] = sides[0].refused_requests()
    finally:
        for side in sides[::-1]:
            side.stop()
    if args.turns:
        texts = {clip.name: clip.text for clip in clips}
        results["figures"] = {name: latency_figures(r, texts) for name, r in results["latency"].items()}
        print_latency(results["figures"])
    if args.levels:
        print_curve(results["curve"])
    print(f"\nRequests of Pipecat that the server refused: {about['requests_refused']}")
    if args.json:
        json.dump({"about": about} | results, open(args.json, "w"), indent=1)


if __name__ == "__main__":
    main()
