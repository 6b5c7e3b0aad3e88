"""The two sides of pipecat_turns.py: how each is started and called, and where the time of its turns went."""
import asyncio
import datetime
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

from scripted_caller import Caller, SipWire, WebSocketWire
from turn_latency import SETS, VOICE

TICK = os.sysconf("SC_CLK_TCK")
RECORD_SETTLES = 0.6
HERE = os.path.dirname(os.path.abspath(__file__))


def cpu_seconds(pids):
    """Processor time of these processes and all that descend from them."""
    parents, used = {}, {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = open(f"/proc/{entry}/stat").read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents[int(entry)] = int(fields[1])
        used[int(entry)] = sum(map(int, fields[11:15])) / TICK
    family = set(pids)
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    return sum(used.get(pid, 0.0) for pid in family)


def wait_for(url, process, log):
    for _ in range(900):
        try:
            if urllib.request.urlopen(url, timeout=2).status == 200:
                return
        except OSError:
            time.sleep(0.2)
        if process.poll() is not None:
            break
    raise SystemExit(f"not ready: see {log}")


def ended(turn):
    """When the server took the caller's speech to have ended, by the machine's clock."""
    return datetime.datetime.fromisoformat(turn["speech_ended_at"]).timestamp()


class Trunkline:
    """The server. Its engines serve Pipecat too."""

    name = "Trunkline"

    def __init__(self, args, instructions):
        self.args, self.folder = args, tempfile.mkdtemp(prefix="pipecat_turns.")
        self.stt, self.llm = SETS[args.set]
        self.url = f"http://127.0.0.1:{args.http}"
        config = os.path.join(self.folder, "bench.toml")
        open(config, "w").write(self._config(instructions))
        self.log = os.path.join(self.folder, "server.log")
        self.process = subprocess.Popen(
            [args.trunkline, "serve", "--config", config], stderr=open(self.log, "w"), stdout=subprocess.DEVNULL)
        wait_for(self.url + "/ready", self.process, self.log)
        self.pids = [self.process.pid]

    def _config(self, instructions):
        args = self.args
        return (f'[models]\ndir = "{args.models}"\nstt = "{self.stt}"\nllm = "{self.llm}"\nthreads = {args.threads}\n'
                f'[sip]\nbind = "127.0.0.1:{args.sip}"\nrtp_port_min = {args.rtp}\nrtp_port_max = {args.rtp + 199}\nmax_calls = 64\n'
                f'[gateway]\nbind = "127.0.0.1:{args.http}"\nadmission = {str(not args.no_admission).lower()}\n'
                f'[store]\ndata_dir = "{self.folder}/data"\n[agents.bench]\nnumbers = ["*"]\ngreeting = ""\n'
                f'instructions = {json.dumps(instructions)}\nmax_reply_tokens = {args.reply_tokens}\n')

    async def call(self, clips, until):
        wire = SipWire(self.args.sip)
        caller = Caller(wire, clips)
        said = await caller.call(until)
        await asyncio.sleep(RECORD_SETTLES)
        turns = await asyncio.to_thread(self._record, wire.call_id)
        return [self._row(one, following, turns) for one, following in zip(said, [*said[1:], None])]

    def _record(self, call_id):
        try:
            with urllib.request.urlopen(f"{self.url}/admin/v1/calls/{call_id}", timeout=5) as answer:
                return json.load(answer)["turns"]
        except OSError:
            return []

    def _row(self, said, following, turns):
        until = following.began if following else said.ended + 6
        mine = [t for t in turns if t.get("speech_ended_at") and said.began <= ended(t) < until]
        row = {"clip": said.clip, "ended": said.ended, "total": said.total(), "early": said.early,
               "heard": " ".join(t.get("heard") or "" for t in mine), "parts": None}
        stages = mine[-1].get("latency_ms") if mine else None
        if stages and row["total"] is not None:
            parts = {"endpoint": ended(mine[-1]) - said.ended + stages["endpoint"] / 1000, "stt": stages["stt"] / 1000,
                     "llm": stages["llm_first_token"] / 1000, "clause and voice": stages["tts_first_audio"] / 1000}
            parts["overhead"] = row["total"] - sum(parts.values())
            row["parts"] = parts | {"to the ear": parts["overhead"]}
        return row

    def refused_requests(self):
        return open(self.log).read().count("a request is refused")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)


class Pipecat:
    """Its agents, one process a core, to which callers go in turn."""

    def __init__(self, args, engines, server, instructions):
        self.args, self.folder = args, tempfile.mkdtemp(prefix="pipecat_turns.")
        self.name = "Pipecat" if engines == "api" else "Pipecat, local engines"
        self.calls, self.agents = 0, []
        prompt = os.path.join(self.folder, "instructions.txt")
        open(prompt, "w").write(instructions)
        self.marks = os.path.join(self.folder, "marks.jsonl")
        self.others = self._language_model(server) if engines == "local" else []
        for n in range(1 if engines == "local" else args.processes):
            self.agents.append(self._agent(n, engines, server, prompt))
        self.pids = [p.pid for p in self.agents + self.others] + ([server.process.pid] if engines == "api" else [])

    def _agent(self, n, engines, server, prompt):
        args, port = self.args, self.args.ws + n
        command = [args.pipecat, "-W", "ignore", os.path.join(HERE, "pipecat_agent.py"), "--port", str(port), "--marks",
                   self.marks, "--instructions", prompt, "--max-tokens", str(args.reply_tokens), "--engines", engines]
        if engines == "api":
            command += ["--api", server.url + "/v1", "--stt", server.stt, "--llm", server.llm, "--tts", VOICE]
        else:
            command += ["--llm-api", f"http://127.0.0.1:{args.llama}/v1", "--stt", args.ct2, "--tts",
                        self._piper_voice()]
        log = os.path.join(self.folder, f"agent{n}.log")
        process = subprocess.Popen(command, stderr=open(log, "w"), stdout=subprocess.DEVNULL)
        wait_for(f"http://127.0.0.1:{port}/ready", process, log)
        return process

    def _piper_voice(self):
        """The same voice under the names that Piper's own file has."""
        for name, file in (("voice.onnx", "voice.onnx"), ("voice.onnx.json", "voice.json")):
            os.symlink(os.path.abspath(f"{self.args.models}/{VOICE}/{file}"), f"{self.folder}/{name}")
        return f"{self.folder}/voice"

    def _language_model(self, server):
        log = os.path.join(self.folder, "llama.log")
        command = [self.args.pipecat, os.path.join(HERE, "llama_server.py"), "--port", str(self.args.llama),
                   "--gguf", f"{self.args.models}/{server.llm}/model.gguf", "--threads", str(self.args.threads)]
        process = subprocess.Popen(command, stderr=open(log, "w"), stdout=subprocess.DEVNULL)
        wait_for(f"http://127.0.0.1:{self.args.llama}/health", process, log)
        return [process]

    async def call(self, clips, until):
        self.calls += 1
        name, port = f"call{self.calls}", self.args.ws + self.calls % len(self.agents)
        caller = Caller(WebSocketWire(f"ws://127.0.0.1:{port}/ws?call={name}"), clips)
        said = await caller.call(until)
        marks = [m for m in map(json.loads, open(self.marks)) if m["call"] == name]
        marks.sort(key=lambda mark: mark["at"])
        return [self._row(one, following, marks) for one, following in zip(said, [*said[1:], None])]

    def _row(self, said, following, marks):
        until = following.began if following else said.ended + 20
        mine = [m for m in marks if said.began <= m["at"] < until]
        total = said.total()
        heard = " ".join(m["text"] for m in mine if m["mark"] == "stt_known")
        parts = pipecat_parts([m for m in mine if m["at"] <= said.answered], said) if total is not None else None
        return {"clip": said.clip, "ended": said.ended, "total": total, "early": said.early, "heard": heard,
                "parts": parts}

    def stop(self):
        for process in self.agents + self.others:
            process.send_signal(signal.SIGTERM)
        for process in self.agents + self.others:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def pipecat_parts(marks, said):
    """The parts of the reply that was heard, by the marks on its way; None where one is missing."""
    def last(mark, before, **with_):
        found = [m["at"] for m in marks
                 if m["mark"] == mark and m["at"] <= before and all(m.get(k) == v for k, v in with_.items())]
        return found[-1] if found else None

    def first(mark, after):
        return next((m["at"] for m in marks if m["mark"] == mark and m["at"] >= after), None)

    llm_asked = last("llm_asked", said.answered)
    known = llm_asked and last("stt_known", llm_asked)
    stt_asked = known and last("stt_asked", known)
    silence = stt_asked and last("vad_stop", stt_asked)
    token = llm_asked and first("llm_token", llm_asked)
    sentence = token and first("tts_asked", token)
    sound = sentence and first("tts_audio", sentence)
    if not (silence and sound):
        return None
    judged = last("judged", llm_asked, complete=True) or known
    parts = {"endpoint": silence - said.ended + max(0.0, judged - known), "stt": known - stt_asked,
             "llm": token - llm_asked, "clause and voice": sound - token}
    parts["overhead"] = said.answered - said.ended - sum(parts.values())
    return parts | {"to the ear": said.answered - sound, "clause": sentence - token}
