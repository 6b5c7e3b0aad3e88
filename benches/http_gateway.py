#!/usr/bin/env python3
"""The HTTP face beside LiteLLM and haproxy: processor time a request, added latency, delay of streamed tokens.

usage: http_gateway.py --trunkline BIN --load BIN --litellm BIN [--haproxy BIN] [--seconds N] [--rates 100,1000] [--model fake]

One Trunkline with a fake model (it answers by rote: with the delays of a good one, or all words at once, so that no timers of
the fake count) is asked directly, through haproxy, and through LiteLLM, each alone, at the same rates. Direct is Trunkline's own
cost, the fake included; the others' is on top of it. Needs a program
built with the feature `fakes`, benches' `http_load`, `pip install 'litellm[proxy]'` and haproxy. Prints one JSON line a run.
"""
import argparse
import json
import os
import subprocess
import tempfile
import time
import urllib.request

PORTS = {"trunkline": 18090, "haproxy": 18091, "litellm": 18092}


def cpu_seconds(pid):
    """Of a process and its children."""
    total = 0.0
    for line in subprocess.check_output(["ps", "-e", "-o", "pid=,ppid="], text=True).splitlines():
        child, parent = map(int, line.split())
        if pid in (child, parent):
            fields = open(f"/proc/{child}/stat").read().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def answers(port, path):
    try:
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"authorization": "Bearer sk-bench"})
        return urllib.request.urlopen(request, timeout=2).status == 200
    except OSError:
        return False


def wait_for(port, path, seconds):
    deadline = time.time() + seconds
    while not answers(port, path):
        if time.time() > deadline:
            raise SystemExit(f"nothing answers on port {port} after {seconds} s")
        time.sleep(0.2)


def start_trunkline(args, folder):
    config = os.path.join(folder, "trunkline.toml")
    with open(config, "w") as file:
        file.write(f'[models]\nllm = "{args.model}"\n[api]\nmax_requests = 4096\n[sip]\nbind = "127.0.0.1:15090"\n'
                   f'[gateway]\nbind = "127.0.0.1:{PORTS["trunkline"]}"\n[store]\ndata_dir = "{folder}/data"\n')
    process = subprocess.Popen([args.trunkline, "serve", "--config", config], stderr=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL)
    wait_for(PORTS["trunkline"], "/ready", 60)
    return process


def start_haproxy(args, folder):
    config = os.path.join(folder, "haproxy.cfg")
    with open(config, "w") as file:
        file.write("global\n nbthread 2\n maxconn 8000\ndefaults\n mode http\n timeout connect 5s\n timeout client 60s\n"
                   f" timeout server 60s\n option http-no-delay\nfrontend f\n bind 127.0.0.1:{PORTS['haproxy']}\n default_backend b\nbackend b\n"
                   f" http-reuse always\n option http-no-delay\n server s 127.0.0.1:{PORTS['trunkline']}\n")
    process = subprocess.Popen([args.haproxy, "-db", "-f", config])
    wait_for(PORTS["haproxy"], "/ready", 10)
    return process


def start_litellm(args, folder):
    config = os.path.join(folder, "litellm.yaml")
    with open(config, "w") as file:
        file.write("model_list:\n - model_name: gpt-4o\n   litellm_params:\n    model: openai/gpt-4o\n"
                   f"    api_base: http://127.0.0.1:{PORTS['trunkline']}/v1\n    api_key: sk-bench\n"
                   "general_settings:\n dangerously_permit_weak_or_unset_master_key: true\n")
    process = subprocess.Popen([args.litellm, "--config", config, "--host", "127.0.0.1", "--port", str(PORTS["litellm"])],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(PORTS["litellm"], "/health/liveliness", 120)
    return process


def measure(args, name, process, trunkline, rate, stream):
    before = cpu_seconds(process.pid), cpu_seconds(trunkline.pid)
    command = [args.load, f"http://127.0.0.1:{PORTS[name]}/v1/chat/completions", "gpt-4o", str(rate), str(args.seconds)]
    report = json.loads(subprocess.check_output(command + (["stream"] if stream else []), text=True))
    time.sleep(0.3)
    used = cpu_seconds(process.pid) - before[0]
    behind = cpu_seconds(trunkline.pid) - before[1]
    answered = max(report["answered"], 1)
    report.update(through=name, stream=stream, cpu_us_a_request=round(used / answered * 1e6),
                  trunkline_cpu_us_a_request=round(behind / answered * 1e6))
    print(json.dumps(report), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("trunkline", "load", "litellm"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--haproxy", default="haproxy")
    parser.add_argument("--model", default="fake-at-once", choices=["fake", "fake-at-once"])
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rates", default="20,100,1000")
    parser.add_argument("--through", default="trunkline,haproxy,litellm")
    parser.add_argument("--litellm-rates", default="20,100", help="past what it can do its figures say nothing")
    args = parser.parse_args()
    rates = lambda text: [int(rate) for rate in text.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        started = [start_trunkline(args, folder)]
        trunkline = started[0]
        try:
            for name, start in (("trunkline", None), ("haproxy", start_haproxy), ("litellm", start_litellm)):
                if name not in args.through.split(","):
                    continue
                process = start(args, folder) if start else trunkline
                if start:
                    started.append(process)
                for rate in rates(args.litellm_rates if name == "litellm" else args.rates):
                    for stream in (False, True):
                        measure(args, name, process, trunkline, rate, stream)
                if start:
                    process.terminate()
                    process.wait()
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main()
