#!/usr/bin/env python3
"""Language models served side by side: first token, tokens a second and processor time, one caller and several at once.

usage: language_models.py --trunkline BIN --models DIR --llama-server BIN [--llama-cpp-python PYTHON] [--rounds 5]
                          [--at-once 1,4,8] [--threads 2] [--model qwen2.5-coder-0.5b-instruct] [--out FILE]

Every server has the same GGUF file and as many threads, is asked over its own OpenAI-compatible HTTP API, greedily, and streams.
All are up at once, and only one is asked at a time; rounds are interleaved: ours, theirs, ours, theirs. Callers share instructions of
about a thousand tokens, ask questions of their own, and ask the next one when the last is answered. Four measurements:

  callers   so many at once; the instructions are known to every slot beforehand, which is the peers' best case
  burst     as many calls begin at once with instructions that nobody has seen
  cached    one caller: the first token after known instructions, beside that of a prompt of only the new tokens
  good      tokens a second of replies that are in time as MLPerf has it: the first within 2 s, then 100 ms a token

Prints a table of medians with ratios (ours over theirs, least to most of the rounds), and JSON with --out. Needs nothing but python.
The peers: llama.cpp's `llama-server`, and `pip install 'llama-cpp-python[server]'` by the name of its python.
"""
import argparse
import concurrent.futures
import hashlib
import http.client
import json
import os
import random
import signal
import statistics
import subprocess
import tempfile
import time

TICK = os.sysconf("SC_CLK_TCK")
PORTS = {"Trunkline": 18110, "llama-server": 18111, "llama-cpp-python": 18112}
CONTEXT = 2048
FIRST_WITHIN, NEXT_WITHIN = 2.0, 0.1
THINGS = ["breakfast", "a parking place", "a boat trip", "the sauna", "a towel", "a late departure", "a double room", "a picnic",
          "a bicycle", "the laundry", "a taxi to the station", "a guided walk", "an extra bed", "a packed lunch", "a dog"]
FLOORS = ["ground floor", "first floor", "second floor", "garden", "lake side", "tower"]


def instructions(nonce, sentences=38):
    """About a thousand tokens, the same for the same nonce and different from the first words on for another."""
    rng = random.Random(nonce)
    facts = [f"{rng.choice(THINGS).capitalize()} on the {rng.choice(FLOORS)} costs {rng.randint(3, 180)} francs and is to be had from "
             f"{rng.randint(6, 11)} to {rng.randint(14, 22)}." for _ in range(sentences)]
    return f"House {nonce}. You answer the telephone of a hotel. Answer from these facts alone, in two or three sentences. " + " ".join(facts)


def question(rng):
    return (f"Good morning, what would {rng.choice(THINGS)} on the {rng.choice(FLOORS)} cost for {rng.randint(2, 9)} people, "
            f"and could we also have {rng.choice(THINGS)}?")


class Server:
    def __init__(self, name, command, model, path="/v1/models"):
        self.name, self.port, self.model = name, PORTS[name], model
        self.log = tempfile.NamedTemporaryFile("w", suffix=f".{name}.log", delete=False)
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)
        deadline = time.time() + 300
        while not self.is_ready(path):
            if time.time() > deadline or self.process.poll() is not None:
                raise SystemExit(f"{name} does not answer; see {self.log.name}")
            time.sleep(0.3)

    def is_ready(self, path):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except OSError:
            return False

    def cpu_seconds(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def ask(self, path, body):
        """Times of the pieces, and what the server says of the tokens."""
        body = {"model": self.model, "temperature": 0, "stream": True, "stream_options": {"include_usage": True}, **body}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        began, times, usage = time.perf_counter(), [], {}
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise SystemExit(f"{self.name}: {answer.status} {answer.read()[:300]}")
        for line in answer:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            usage = event.get("usage") or usage
            choice = (event.get("choices") or [{}])[0]
            if choice.get("text") or choice.get("delta", {}).get("content"):
                times.append(time.perf_counter() - began)
        connection.close()
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        tokens = usage.get("completion_tokens", len(times))
        return {"times": times, "prompt": usage.get("prompt_tokens", 0), "cached": cached, "tokens": tokens}

    def chat(self, told, asked, tokens):
        messages = [{"role": "system", "content": told}, {"role": "user", "content": asked}]
        return self.ask("/v1/chat/completions", {"messages": messages, "max_tokens": tokens})

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def start_trunkline(args, folder, slots):
    config = os.path.join(folder, "trunkline.toml")
    with open(config, "w") as file:
        file.write(f'[models]\ndir = "{args.models}"\nllm = "{args.model}"\nstt = "{args.stt}"\nembedding = ""\nspeakers = ""\n'
                   f'end_of_turn = ""\nthreads = {args.threads}\nslots = {slots}\ncontext_tokens = {CONTEXT}\ndevice = "cpu"\n'
                   f'[sip]\nbind = "127.0.0.1:15110"\n[gateway]\nbind = "127.0.0.1:{PORTS["Trunkline"]}"\n[store]\n'
                   f'data_dir = "{folder}/data"\n')
    return Server("Trunkline", [args.trunkline, "serve", "--config", config], "gpt-4o-mini", "/ready")


def start_llama_server(args, gguf, slots):
    return Server("llama-server", [
        args.llama_server, "-m", gguf, "--host", "127.0.0.1", "--port", str(PORTS["llama-server"]), "-t", str(args.threads),
        "-tb", str(args.threads), "-np", str(slots), "-c", str(CONTEXT * slots), "--jinja", "-ngl", "0"], "any", "/health")


def start_llama_cpp_python(args, gguf):
    return Server("llama-cpp-python", [
        args.llama_cpp_python, "-m", "llama_cpp.server", "--model", gguf, "--host", "127.0.0.1", "--port", str(PORTS["llama-cpp-python"]),
        "--n_threads", str(args.threads), "--n_threads_batch", str(args.threads), "--n_ctx", str(CONTEXT), "--cache", "true"], "any")


def quantile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]


def figures(answers, took, used):
    """Of replies: times in seconds, speeds in tokens a second."""
    firsts = [answer["times"][0] for answer in answers]
    each = [(a["times"][-1] - a["times"][0]) / max(1, a["tokens"] - 1) for a in answers]
    tokens = sum(answer["tokens"] for answer in answers)
    good = sum(a["tokens"] for a, first, next_ in zip(answers, firsts, each) if first <= FIRST_WITHIN and next_ <= NEXT_WITHIN)
    return {"first_p50_s": quantile(firsts, 0.5), "first_p95_s": quantile(firsts, 0.95), "tokens_a_s": tokens / took,
            "good_tokens_a_s": good / took, "decode_tokens_a_s": 1 / max(1e-9, statistics.median(each)), "cpu_s_a_token": used / tokens}


def at_once(server, callers, calls):
    """Answers to the calls, each a list of requests one after the other, so many callers at a time."""
    with concurrent.futures.ThreadPoolExecutor(callers) as pool:
        before, began = server.cpu_seconds(), time.perf_counter()
        answers = [answer for call in pool.map(lambda call: [server.chat(*asked) for asked in call], calls) for answer in call]
        return figures(answers, time.perf_counter() - began, server.cpu_seconds() - before)


def measure_callers(server, args, callers, seed):
    told = instructions("shared")
    rng = random.Random(seed)
    # Twice: some servers take note of a prompt only as its reply ends.
    for _ in range(2):
        at_once(server, callers, [[(told, question(rng), 2)] for _ in range(callers)])
    calls = [[(told, question(rng), args.tokens) for _ in range(args.replies)] for _ in range(callers)]
    return at_once(server, callers, calls)


def measure_burst(server, args, callers, seed):
    told, rng = instructions(f"new {seed}"), random.Random(seed)
    return at_once(server, callers, [[(told, question(rng), args.tokens)] for _ in range(callers)])


def words(rng, count):
    return " ".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(count))


def measure_cached(server, args, seed):
    """The first token after known instructions, and that of as many tokens alone."""
    rng, told = random.Random(seed), instructions("shared")
    server.chat(told, question(rng), 2)
    known, alone = [], []
    for _ in range(args.firsts):
        answer = server.chat(told, question(rng), 2)
        # Servers that do not tell what was cached have evaluated at least the question anew.
        new = answer["prompt"] - answer["cached"] if answer["cached"] else 36
        known.append((answer["times"][0], new))
        # A letter is a token; the first one differs, so that nothing of it is known.
        text = f"{rng.getrandbits(40):x} " + words(rng, max(1, new - 12))
        answer = server.ask("/v1/completions", {"prompt": text, "max_tokens": 2})
        alone.append((answer["times"][0], answer["prompt"] - answer["cached"]))
    cost = statistics.median(seconds / new for seconds, new in alone)
    return {"first_s": statistics.median(seconds for seconds, _ in known), "new_tokens": statistics.median(new for _, new in known),
            "alone_s": statistics.median(seconds for seconds, _ in alone), "alone_tokens": statistics.median(new for _, new in alone),
            "cached_over_new": statistics.median(seconds / (new * cost) for seconds, new in known)}


def measure_round(server, args, seed):
    found = {"cached": measure_cached(server, args, seed)}
    for callers in args.at_once:
        found[f"callers {callers}"] = measure_callers(server, args, callers, seed * 100 + callers)
    most = max(args.at_once)
    found[f"burst {most}"] = measure_burst(server, args, most, seed)
    return found


def table(rounds, ours, theirs):
    print(f"\n| | | {ours} | {theirs} | ratio |\n|---|---|---|---|---|")
    for what, first in rounds[ours][0].items():
        for figure in first:
            a, b = ([found[what][figure] for found in rounds[name]] for name in (ours, theirs))
            ratios = [x / y for x, y in zip(a, b) if y]
            ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if ratios else ""
            print(f"| {what} | {figure} | {statistics.median(a):.4g} | {statistics.median(b):.4g} | {ratio} |")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("trunkline", "models"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("llama-server", "llama-cpp-python", "out"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--model", default="qwen2.5-coder-0.5b-instruct")
    parser.add_argument("--stt", default="whisper-tiny.en", help="any recognizer that is there: it is not asked")
    parser.add_argument("--at-once", default="1,4,8", type=lambda text: [int(part) for part in text.split(",")])
    for name, value in (("rounds", 5), ("threads", 2), ("replies", 3), ("tokens", 48), ("firsts", 12)):
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args()


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    gguf = os.path.join(args.models, args.model, "model.gguf")
    slots = max(args.at_once)
    with open(gguf, "rb") as file:
        print(f"{args.model}: sha256 {hashlib.file_digest(file, 'sha256').hexdigest()}, {args.threads} threads")
    with tempfile.TemporaryDirectory() as folder:
        servers = [start_trunkline(args, folder, slots)]
        try:
            if args.llama_server:
                servers.append(start_llama_server(args, gguf, slots))
            if args.llama_cpp_python:
                servers.append(start_llama_cpp_python(args, gguf))
            rounds = {server.name: [] for server in servers}
            for number in range(args.rounds):
                for server in servers:
                    rounds[server.name].append(measure_round(server, args, number))
                    print(f"round {number + 1} of {args.rounds}, {server.name}, load {os.getloadavg()[0]:.1f}", flush=True)
                if args.out:
                    with open(args.out, "w") as file:
                        json.dump(rounds, file, indent=1)
        except KeyboardInterrupt:
            print("interrupted: the rounds that are whole")
        finally:
            for server in servers:
                server.stop()
    for server in servers[1:]:
        if rounds[server.name]:
            table(rounds, servers[0].name, server.name)


if __name__ == "__main__":
    main()
