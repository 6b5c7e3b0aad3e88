#!/usr/bin/env python3
"""The chain that anyone can put together today, one stage after the other: faster-whisper, llama.cpp, Piper.

Reads a JSON line {"wav": PATH} a turn on standard input and answers with one:
{"text", "clause", "stt", "llm_first_token", "llm_first_clause", "tts", "total"} (seconds). There is no
end-of-turn wait: the clock starts with the whole clip in memory and stops with the first clause's audio.
The system prompt is evaluated before the first turn and stays cached. A first clause ends at the first
comma, semicolon, colon or stop.

Needs: pip install faster-whisper llama-cpp-python piper-tts soundfile
"""
import argparse
import json
import re
import sys
import time

CLAUSE_END = re.compile(r"[,.;:!?](\s|$)")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--whisper", required=True, help="folder of the CTranslate2 model")
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--piper", required=True, help="voice.onnx")
    parser.add_argument("--piper-config", required=True, help="voice.json")
    parser.add_argument("--instructions", required=True, help="file with the system prompt")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


class Chain:
    def __init__(self, args):
        from faster_whisper import WhisperModel
        from llama_cpp import Llama
        from piper import PiperVoice

        self.whisper = WhisperModel(
            args.whisper, device="cpu", compute_type="int8", cpu_threads=args.threads
        )
        self.llama = Llama(
            args.gguf, n_ctx=4096, n_threads=args.threads, n_threads_batch=args.threads, verbose=False
        )
        self.piper = PiperVoice.load(args.piper, config_path=args.piper_config)
        self.instructions = open(args.instructions).read().strip()
        for _ in self.reply("Hello."):
            break
        for _ in self.piper.synthesize("Hello."):
            pass

    def reply(self, text):
        messages = [
            {"role": "system", "content": self.instructions},
            {"role": "user", "content": text},
        ]
        stream = self.llama.create_chat_completion(
            messages, stream=True, temperature=0.0, max_tokens=120
        )
        for chunk in stream:
            piece = chunk["choices"][0]["delta"].get("content")
            if piece:
                yield piece

    def first_clause(self, text):
        clause, first_token = "", None
        stream = self.reply(text)
        for piece in stream:
            first_token = first_token or time.perf_counter()
            clause += piece
            end = CLAUSE_END.search(clause)
            if end:
                clause = clause[: end.start() + 1]
                break
        stream.close()
        return clause.strip(), first_token or time.perf_counter()

    def turn(self, sound):
        began = time.perf_counter()
        segments, _ = self.whisper.transcribe(
            sound, language="en", beam_size=1, condition_on_previous_text=False,
            without_timestamps=True, temperature=0.0,
        )
        text = " ".join(segment.text.strip() for segment in segments)
        heard = time.perf_counter()
        clause, first_token = self.first_clause(text)
        thought = time.perf_counter()
        for _ in self.piper.synthesize(clause):
            break
        spoken = time.perf_counter()
        return {
            "text": text,
            "clause": clause,
            "stt": heard - began,
            "llm_first_token": first_token - heard,
            "llm_first_clause": thought - first_token,
            "tts": spoken - thought,
            "total": spoken - began,
        }


def main():
    import soundfile

    chain = Chain(arguments())
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        sound, rate = soundfile.read(json.loads(line)["wav"], dtype="float32")
        assert rate == 16000, "clips are 16 kHz"
        print(json.dumps(chain.turn(sound)), flush=True)


if __name__ == "__main__":
    main()
