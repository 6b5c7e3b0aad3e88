"""OpenAI's Python client: text becomes speech."""

import base64
import io
import json

import av
import numpy
import soundfile
from sdk import TTS, WHISPER, asynchronous, sync
from speech import share_heard
from story import Story, expect, run_story

story = Story("openai Python")
SPEAK = "POST /v1/audio/speech"
# No numbers: a recognizer may write them as digits.
TEXT = "The morning train to the mountains leaves from the old station behind the river."
RATE = 24_000


def speak(server, text=TEXT, **options):
    return sync(server).audio.speech.create(input=text, **({"model": TTS, "voice": "alloy"} | options))


def is_intelligible(server, file, text=TEXT):
    heard = sync(server).audio.transcriptions.create(model=WHISPER, file=file).text
    expect(share_heard(text, heard) >= 0.6, f"said {text!r}, heard {heard!r}")


@story.works(SPEAK, "without a format it is MP3, and is understood", models=True)
def _(server):
    answer = speak(server)
    expect(answer.response.headers["content-type"] == "audio/mpeg", answer.response.headers)
    is_intelligible(server, ("speech.mp3", answer.read()))


@story.works(SPEAK, "wav, flac and opus are read by others and sound for as long")
def _(server):
    seconds = len(speak(server, response_format="pcm").read()) / 2 / RATE
    for kind, mimes in (("wav", ["audio/wav"]), ("flac", ["audio/flac"]), ("opus", ["audio/opus", "audio/ogg"])):
        answer = speak(server, response_format=kind)
        expect(answer.response.headers["content-type"] in mimes, (kind, answer.response.headers))
        with av.open(io.BytesIO(answer.read())) as file:
            length = sum(frame.samples / frame.sample_rate for frame in file.decode(audio=0))
        # Voices draw the length of each sound anew.
        expect(0.6 < length / seconds < 1.7, (kind, length, seconds))


@story.works(SPEAK, "pcm is 24 kHz, 16 bits, one channel, and is understood", models=True)
def _(server):
    answer = speak(server, response_format="pcm")
    samples = numpy.frombuffer(answer.read(), "<i2")
    expect(numpy.abs(samples).max() > 2000, "it is silent")
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV")
    is_intelligible(server, ("speech.wav", file.getvalue()))


@story.works(SPEAK, "with_streaming_response brings the first sound before the last is made", models=True)
def _(server):
    import time

    long = " ".join([TEXT] * 6)
    began = time.monotonic()
    with sync(server).audio.speech.with_streaming_response.create(
        model=TTS, voice="alloy", input=long, response_format="pcm"
    ) as answer:
        pieces = answer.iter_bytes(4800)
        next(pieces)
        first = time.monotonic() - began
        size = sum(len(piece) for piece in pieces)
    whole = time.monotonic() - began
    expect(first < 0.7 * whole and size > 10 * RATE, (first, whole, size))


@story.works(SPEAK, "an async program streams it")
async def _(server):
    client = asynchronous(server)
    options = {"model": TTS, "voice": "nova", "input": "Hello.", "response_format": "pcm"}
    async with client.audio.speech.with_streaming_response.create(**options) as answer:
        size = 0
        async for piece in answer.iter_bytes():
            size += len(piece)
    expect(size > 2000, size)


@story.works(SPEAK, "stream_format sse brings sound as events, with usage at the end")
def _(server):
    answer = speak(server, "Hello there.", model="gpt-4o-mini-tts", response_format="pcm", stream_format="sse")
    expect(answer.response.headers["content-type"].startswith("text/event-stream"), answer.response.headers)
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    sound = b"".join(base64.b64decode(e["audio"]) for e in events if e["type"] == "speech.audio.delta")
    expect(len(sound) > RATE // 4 and len(sound) % 2 == 0, len(sound))
    expect(events[-1]["type"] == "speech.audio.done" and "total_tokens" in events[-1]["usage"], events[-1])


@story.works(SPEAK, "every voice of OpenAI's speaks")
def _(server):
    names = "alloy ash ballad cedar coral echo fable marin nova onyx sage shimmer verse"
    for name in names.split():
        expect(len(speak(server, "Yes.", voice=name, response_format="pcm").read()) > 1000, name)


@story.works(SPEAK, "a voice may be named as {id}")
def _(server):
    expect(len(speak(server, "Yes.", voice={"id": "alloy"}, response_format="pcm").read()) > 1000, "no sound")


@story.works(SPEAK, "every name of OpenAI's voice models speaks")
def _(server):
    for name in ("tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15"):
        expect(len(speak(server, "Yes.", model=name, response_format="pcm").read()) > 1000, name)


@story.works(SPEAK, "speed makes it shorter and longer", models=True)
def _(server):
    slow, fast = (len(speak(server, speed=speed, response_format="pcm").read()) for speed in (0.5, 2.0))
    expect(slow > 2 * fast, (slow, fast))


@story.works(SPEAK, "instructions are taken")
def _(server):
    options = {"model": "gpt-4o-mini-tts", "instructions": "Speak warmly.", "response_format": "pcm"}
    expect(len(speak(server, "Yes.", **options).read()) > 1000, "no sound")


@story.refused(SPEAK, "AAC is refused: ask for mp3, opus, flac, wav or pcm", param="response_format")
def _(server):
    speak(server, response_format="aac")


@story.refused(SPEAK, "an unknown voice is refused", param="voice")
def _(server):
    speak(server, voice="nobody")


@story.refused(SPEAK, "an empty text is refused", param="input")
def _(server):
    speak(server, "")


@story.refused(SPEAK, "a text of more than 4096 letters is refused", param="input")
def _(server):
    speak(server, "a" * 4097)


@story.refused(SPEAK, "a speed beyond 4 is refused", param="speed")
def _(server):
    speak(server, speed=4.5)


@story.refused(SPEAK, "an unknown format is refused", param="response_format")
def _(server):
    speak(server, response_format="midi")


run_story(story)
