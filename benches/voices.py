#!/usr/bin/env python3
"""Voices side by side: time to the first sound, gaps in the sound, and processor time for a second of it.

usage: voices.py --lines BIN --models FOLDER [--voice piper|kokoro] [--rounds 3] [--at-once 1,4,8] [--texts 3] [--threads 1]

Trunkline's side is `cargo build -p trunkline-benches --bin voice_lines --features voices`, which speaks as the server does: clauses, stretches, 24 kHz,
levelled. The peers run in a process of their own on the same weights: piper-tts as its authors load it and, since that spends
processor time on waiting threads, again on one thread that sleeps; or kokoro-onnx. Both yield a sentence at a time. Each
of the streams listens in real time: it asks for its next text half a second after the last has been heard. Rounds are interleaved.
Processor time is that of the process and its children (espeak-ng). Needs `pip install piper-tts kokoro-onnx`. Prints tables, and
JSON lines with --json.
"""
import argparse
import hashlib
import importlib.metadata
import json
import multiprocessing
import os
import random
import statistics
import subprocess
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")
TEXTS = """Good morning, this is Harbor Dental. How may I help you today?
We are open from Monday to Friday, from nine in the morning to five in the afternoon.
Your appointment is confirmed for Tuesday the fourteenth at half past three. Please come ten minutes early.
Let me check that for you. There is a free slot on Thursday at eleven, or one on Friday at two.
I am sorry, the doctor is away this week. Would next Monday suit you instead?
You can park behind the building, next to the pharmacy. It is free for the first two hours.
A check up costs sixty dollars without insurance, and most plans cover it completely.
Could you please spell your last name for me? I want to be sure that I have it right.
Thank you. I have moved your appointment to Wednesday, and you will get a message in a few minutes.
Yes, we do take new patients. May I have your date of birth and a telephone number?
If the pain gets worse before then, please call us again at any time, also at night.
Certainly. The address is forty two Market Street, second floor, just above the bakery.""".splitlines()


def cpu_seconds(pid):
    """Of a process and all below it."""
    def used(pid):
        fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        return sum(map(int, fields[11:15])) / TICK
    total = used(pid)
    for task in os.listdir(f"/proc/{pid}/task"):
        for child in open(f"/proc/{pid}/task/{task}/children").read().split():
            total += cpu_seconds(int(child))
    return total


class Lines:
    """Answers that come as lines `NUMBER SECONDS` and `NUMBER end`, each stamped as it is read."""

    def __init__(self):
        self.replies, self.count, self.lock = {}, 0, threading.Lock()

    def listen(self, lines):
        def run():
            for line in lines:
                number, what = line.split()
                came, (pieces, done) = time.perf_counter(), self.replies[int(number)]
                if what == "end":
                    done.set()
                else:
                    pieces.append((came, float(what)))
        threading.Thread(target=run, daemon=True).start()

    def speak(self, text):
        with self.lock:
            self.count += 1
            number, reply = self.count, ([], threading.Event())
            self.replies[number] = reply
            began = time.perf_counter()
            self.ask(number, text)
        if not reply[1].wait(120):
            raise TimeoutError(f"{self.name} did not end {text!r}")
        return began, reply[0]


class Trunkline(Lines):
    name = "Trunkline"

    def __init__(self, args):
        super().__init__()
        command = [args.lines, args.models, args.voice, str(args.threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.pid = self.process.pid
        assert self.process.stdout.readline() == "ready\n"
        self.listen(self.process.stdout)

    def ask(self, number, text):
        self.process.stdin.write(f"{number}\t{text}\n")
        self.process.stdin.flush()


def one_thread(path):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def load_piper(models, single):
    from piper import PiperVoice
    folder = os.path.join(models, "piper-en_US-joe-medium")
    voice = PiperVoice.load(f"{folder}/voice.onnx", f"{folder}/voice.json")
    if single:
        voice.session = one_thread(f"{folder}/voice.onnx")

    def speak(text):
        for chunk in voice.synthesize(text):
            yield len(chunk.audio_int16_bytes) / 2 / chunk.sample_rate
    return speak


def load_kokoro(models, single):
    import numpy
    from kokoro_onnx import Kokoro
    folder = os.path.join(models, "kokoro-82m")
    voices = f"/tmp/voices-{os.getpid()}.npz"
    style = numpy.fromfile(f"{folder}/voices/af_heart.bin", "<f4").reshape(-1, 1, 256)
    numpy.savez(voices, af_heart=style)
    if single:
        kokoro = Kokoro.from_session(one_thread(f"{folder}/model.onnx"), voices)
    else:
        kokoro = Kokoro(f"{folder}/model.onnx", voices)

    def speak(text):
        samples, rate = kokoro.create(text, voice="af_heart", speed=1.0, lang="en-us")
        yield len(samples) / rate
    return speak


def serve_peer(load, models, single, pipe):
    os.nice(5)  # As Trunkline's voices are.
    speak = load(models, single)
    for _ in speak("Good morning, how may I help you?"):
        pass
    sends = threading.Lock()

    def run(number, text):
        for seconds in speak(text):
            with sends:
                pipe.send(f"{number} {seconds}")
        with sends:
            pipe.send(f"{number} end")

    pipe.send("ready")
    while True:
        threading.Thread(target=run, args=pipe.recv(), daemon=True).start()


class Peer(Lines):
    def __init__(self, args, single):
        super().__init__()
        load, package = {"piper": (load_piper, "piper-tts"), "kokoro": (load_kokoro, "kokoro-onnx")}[args.voice]
        self.name = f"{package} {importlib.metadata.version(package)}" + (", 1 thread" if single else "")
        self.pipe, theirs = multiprocessing.Pipe()
        given = (load, args.models, single, theirs)
        self.process = multiprocessing.get_context("spawn").Process(target=serve_peer, args=given, daemon=True)
        self.process.start()
        self.pid = self.process.pid
        assert self.pipe.recv() == "ready"
        self.listen(iter(self.pipe.recv, None))

    def ask(self, number, text):
        self.pipe.send((number, text))


def listen_to(engine, texts, delay, results):
    """One stream: each text is asked for when the one before has been heard."""
    time.sleep(delay)
    for text in texts:
        began, pieces = engine.speak(text)
        # Who runs dry has not caught up before a tenth of a second: small pieces are not so many gaps.
        dry, gaps, since, silent = pieces[0][0], 0, 1, 0
        for came, seconds in pieces:
            if came > dry:
                gaps, since, silent = gaps + (since > 0.1), 0, silent + came - dry
            dry, since = max(dry, came) + seconds, since + seconds
        results.append((pieces[0][0] - began, gaps, silent, sum(seconds for _, seconds in pieces)))
        time.sleep(max(0, dry + 0.5 - time.perf_counter()))


def measure(engine, at_once, texts, seed):
    # The same texts and delays for each engine of a round.
    chance, results = random.Random(seed), []
    streams = []
    for _ in range(at_once):
        said, delay = chance.sample(TEXTS, texts), chance.uniform(0, 2)
        streams.append(threading.Thread(target=listen_to, args=(engine, said, delay, results)))
    before = cpu_seconds(engine.pid)
    for stream in streams:
        stream.start()
    for stream in streams:
        stream.join()
    used, sound = cpu_seconds(engine.pid) - before, sum(result[3] for result in results)
    firsts = sorted(result[0] for result in results)
    return {"first_p50_s": firsts[len(firsts) // 2], "first_p95_s": firsts[len(firsts) * 95 // 100],
            "gaps_a_1000_s": sum(result[1] for result in results) / sound * 1000,
            "silent_s_a_1000_s": sum(result[2] for result in results) / sound * 1000, "cpu_s_a_s": used / sound,
            "cpu_s_a_text": used / len(results), "sound_s": sound}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", required=True)
    parser.add_argument("--models", required=True)
    parser.add_argument("--voice", choices=["piper", "kokoro"], default="piper")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--at-once", default="1,4,8")
    parser.add_argument("--texts", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    weights = {"piper": "piper-en_US-joe-medium/voice.onnx", "kokoro": "kokoro-82m/model.onnx"}[args.voice]
    digest = hashlib.file_digest(open(os.path.join(args.models, weights), "rb"), "sha256").hexdigest()
    print(f"{weights} sha256 {digest}, load {os.getloadavg()[0]:.1f}", flush=True)
    engines = [Trunkline(args), Peer(args, False), Peer(args, True)]
    for engine in engines:
        engine.speak(TEXTS[0])
    for at_once in map(int, args.at_once.split(",")):
        runs = {engine.name: [] for engine in engines}
        for number in range(args.rounds):
            for engine in engines:
                run = measure(engine, at_once, args.texts, number)
                runs[engine.name].append(run)
                if args.json:
                    print(json.dumps(run | {"engine": engine.name, "at_once": at_once, "round": number}), flush=True)
        report(runs, at_once, args)
    print(f"load {os.getloadavg()[0]:.1f}", flush=True)
    for engine in engines:
        engine.process.terminate()
    os._exit(0)


def report(runs, at_once, args):
    ours = runs["Trunkline"]
    print(f"\n{at_once} streams, {args.texts} texts each, median of {args.rounds} rounds (ours over theirs: median, least, most)")
    for key in ours[0]:
        print(f"  {key:17} Trunkline {statistics.median(run[key] for run in ours):8.3f}")
        for name, theirs in runs.items():
            if theirs is not ours:
                ratios = sorted(a[key] / b[key] if b[key] else float("nan") for a, b in zip(ours, theirs))
                print(f"    {name:26} {statistics.median(run[key] for run in theirs):8.3f}   "
                      f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})", flush=True)


if __name__ == "__main__":
    main()
