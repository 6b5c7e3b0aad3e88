#!/usr/bin/env python3
"""Recognizers side by side: processor time and time to the text of each clip, one after the other and many at once.

usage: recognizers.py --trunkline URL --pid PID --ct2 FOLDER [--ggml FILE] --clips LIST [--rounds 5] [--at-once 1,16] [--threads 2]

Trunkline is asked over its HTTP API (its sound decoding and HTTP included); faster-whisper runs in a process of its own with the
same weights, int8, greedy, as many threads, its clips sent over a pipe. Rounds are interleaved: ours, theirs, ours, theirs. LIST has
lines "WAV<tab>TEXT". With --ggml whisper.cpp is a third one: the same weights, greedy, one clip after the other as in its own server.
Needs `pip install faster-whisper httpx`, and `pywhispercpp` for --ggml. Prints a table, and JSON lines with --json.
"""
import argparse
import concurrent.futures
import json
import multiprocessing
import os
import re
import statistics
import threading
import time
import wave

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def words(text):
    return re.sub(r"[^a-z0-9' ]", " ", text.lower().replace("-", " ")).split()


def errors(reference, heard):
    distances = list(range(len(heard) + 1))
    for i, a in enumerate(reference, 1):
        before, distances[0] = distances[0], i
        for j, b in enumerate(heard, 1):
            before, distances[j] = distances[j], min(distances[j] + 1, distances[j - 1] + 1, before + (a != b))
    return distances[-1]


def load(path):
    clips = []
    for line in open(path):
        name, text = line.rstrip("\n").split("\t")
        with wave.open(name) as file:
            assert file.getframerate() == 16000 and file.getnchannels() == 1, f"{name} is not 16 kHz mono"
            sound = file.readframes(file.getnframes())
        clips.append((sound, text))
    return clips


def as_wav(sound):
    head = b"RIFF" + (36 + len(sound)).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    head += (1).to_bytes(2, "little") * 2 + (16000).to_bytes(4, "little") + (32000).to_bytes(4, "little")
    return head + (2).to_bytes(2, "little") + (16).to_bytes(2, "little") + b"data" + len(sound).to_bytes(4, "little") + sound


class Trunkline:
    name = "Trunkline"

    def __init__(self, args):
        import httpx
        self.pid, self.client = args.pid, httpx.Client(base_url=args.trunkline, timeout=300)

    def hear(self, sound):
        answer = self.client.post("/audio/transcriptions", files={"file": ("clip.wav", as_wav(sound))},
                                  data={"model": "whisper-1", "language": "en"})
        return answer.raise_for_status().json()["text"]


def serve_ct2(folder, threads, workers, pipe):
    """One model; its authors advise several workers for several requests at once: they share the threads."""
    import numpy
    from faster_whisper import WhisperModel
    model = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=threads // workers, num_workers=workers)
    pool, sends = concurrent.futures.ThreadPoolExecutor(workers), threading.Lock()

    def hear(number, sound):
        samples = numpy.frombuffer(sound, "<i2").astype("f4") / 32768
        segments, _ = model.transcribe(samples, beam_size=1, language="en", temperature=0, condition_on_previous_text=False)
        text = "".join(segment.text for segment in segments)
        with sends:
            pipe.send((number, text))

    pipe.send("ready")
    while True:
        number, sound = pipe.recv()
        pool.submit(hear, number, sound)


def serve_ggml(file, threads, pipe):
    import numpy
    from pywhispercpp.model import Model
    model = Model(file, n_threads=threads, print_progress=False, print_realtime=False, print_timestamps=False)
    pipe.send("ready")
    while True:
        number, sound = pipe.recv()
        samples = numpy.frombuffer(sound, "<i2").astype("f4") / 32768
        heard = model.transcribe(samples, language="en", temperature=0.0, temperature_inc=0.0, greedy={"best_of": 1})
        pipe.send((number, " ".join(segment.text for segment in heard)))


class Peer:
    """A recognizer in a process of its own."""

    def __init__(self, name, serve, *given):
        self.name = name
        self.pipe, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process
        self.process = process(target=serve, args=(*given, theirs), daemon=True)
        self.process.start()
        self.sends = threading.Lock()
        self.pid, self.waiting, self.count = self.process.pid, {}, 0
        assert self.pipe.recv() == "ready"
        concurrent.futures.ThreadPoolExecutor(1).submit(self.listen)

    def listen(self):
        while True:
            number, text = self.pipe.recv()
            self.waiting.pop(number).set_result(text)

    def hear(self, sound):
        answer = concurrent.futures.Future()
        with self.sends:
            self.count += 1
            self.waiting[self.count] = answer
            self.pipe.send((self.count, sound))
        return answer.result()


def measure(engine, clips, at_once):
    times, wrong = [], 0

    def one(clip):
        began = time.perf_counter()
        text = engine.hear(clip[0])
        times.append(time.perf_counter() - began)
        return errors(words(clip[1]), words(text))

    before, began = cpu_seconds(engine.pid), time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        wrong = sum(pool.map(one, clips))
    took, used = time.perf_counter() - began, cpu_seconds(engine.pid) - before
    times.sort()
    return {"cpu_s_a_clip": used / len(clips), "clips_a_s": len(clips) / took, "p50_s": times[len(times) // 2],
            "p95_s": times[len(times) * 95 // 100], "under_1_s": sum(t < 1 for t in times) / took, "wrong": wrong}


def compare(ours, theirs, title):
    print(f"\n{title} (medians; ratio: median, least, most)")
    for key in ours[0]:
        a, b = [run[key] for run in ours], [run[key] for run in theirs]
        ratios = sorted(x / y if y else float("nan") for x, y in zip(a, b))
        print(f"  {key:13} {statistics.median(a):8.3f} {statistics.median(b):8.3f}   "
              f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("trunkline", "ct2", "clips"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--ggml")
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--at-once", default="1,16")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    clips = load(args.clips)
    said = sum(len(words(text)) for _, text in clips)
    for at_once in map(int, args.at_once.split(",")):
        workers = min(args.threads, at_once)
        peers = [Peer("faster-whisper int8", serve_ct2, args.ct2, args.threads, workers)]
        if args.ggml:
            peers.append(Peer("whisper.cpp", serve_ggml, args.ggml, args.threads))
        engines = [Trunkline(args), *peers]
        for engine in engines:
            measure(engine, clips[:2], 1)
        runs = {engine.name: [] for engine in engines}
        for number in range(args.rounds):
            for engine in engines:
                run = measure(engine, clips, at_once)
                runs[engine.name].append(run)
                if args.json:
                    print(json.dumps(run | {"engine": engine.name, "at_once": at_once, "round": number}), flush=True)
        for peer in peers:
            compare(runs[engines[0].name], runs[peer.name],
                    f"{len(clips)} clips ({said} words), {at_once} at once, {args.rounds} rounds: ours, {peer.name}, ratio")
            peer.process.terminate()
    os._exit(0)


if __name__ == "__main__":
    main()
