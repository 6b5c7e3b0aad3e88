#!/usr/bin/env python3
"""N calls at once against one server: turn latency, processor time and memory a call.

usage: concurrent_calls.py --trunkline BIN --config FILE --to URI --admin URL --pid SERVER_PID --calls N --clips LIST

Each call speaks three of the clips, starting 0.7 s after the one before. Prints one JSON line.
"""
import argparse
import json
import os
import subprocess
import time


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid):
    status = open(f"/proc/{pid}/status").read()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("trunkline", "config", "to", "admin", "clips"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--calls", type=int, required=True)
    args = parser.parse_args()
    clips = [line.strip() for line in open(args.clips) if line.strip()]
    cpu, memory, began = cpu_seconds(args.pid), memory_mib(args.pid), time.time()
    calls = []
    for n in range(args.calls):
        wavs = [clips[(3 * n + k) % len(clips)] for k in range(3)]
        calls.append(subprocess.Popen(
            [args.trunkline, "call", "--config", args.config, "--to", args.to, "--admin", args.admin, "--json", "--wav",
             *wavs], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))
        time.sleep(0.7)
    peak, totals, turns, heard, outcomes = memory, [], 0, 0, {}
    while any(call.poll() is None for call in calls):
        peak = max(peak, memory_mib(args.pid))
        time.sleep(0.5)
    for call in calls:
        out = call.stdout.read().strip()
        report = json.loads(out) if out else {"outcome": "no report", "turns": []}
        outcomes[report["outcome"]] = outcomes.get(report["outcome"], 0) + 1
        for turn in report["turns"]:
            turns += 1
            heard += bool(turn["heard"])
            if turn["heard"] and turn["latency_ms"]:
                totals.append(turn["latency_ms"]["total"])
    totals.sort()
    seconds = time.time() - began
    used = cpu_seconds(args.pid) - cpu
    pick = lambda share: totals[min(len(totals) - 1, int(share * len(totals)))] if totals else None
    print(json.dumps({
        "calls": args.calls, "turns": turns, "heard": heard, "p50_ms": pick(0.5), "p95_ms": pick(0.95),
        "outcomes": outcomes, "seconds": round(seconds), "server_cpu_seconds_a_call": round(used / args.calls, 1),
        "server_cores_used": round(used / seconds, 2), "memory_mib": round(peak),
        "memory_mib_a_call": round((peak - memory) / args.calls, 1)}))


if __name__ == "__main__":
    main()
