"""What the stories about /v1/realtime share: sessions, sound in, events out."""

import asyncio
import base64
import io

import numpy
import openai
import soundfile
from sdk import WHISPER, sync
from speech import Speech, share_heard
from story import Server, expect

MODEL = "gpt-realtime"
RATE = 24_000
PCM = {"type": "audio/pcm", "rate": RATE}
# What a chunk of sound lasts.
CHUNK_S = 0.1
# Sent after speech, so that its end is heard.
SILENCE_S = 1.5


def session(*, vad=None, modalities=("audio",), **options) -> dict:
    """A session's settings; without `vad` the client says itself when it is done."""
    audio_in = {"format": PCM, "turn_detection": vad, "transcription": {"model": "whisper-1", "language": "en"}}
    audio = {"input": audio_in, "output": {"format": PCM, "voice": "alloy"}}
    return {"type": "realtime", "output_modalities": list(modalities), "audio": audio} | options


SERVER_VAD = {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 500, "interrupt_response": True}


async def configure(connection, settings: dict) -> object:
    """Sets a session up and returns what it is then."""
    await connection.session.update(session=settings)
    return (await until(connection, "session.updated"))[-1].session


async def until(connection, *kinds: str) -> list:
    """The events up to the first of these kinds. An `error` that is not waited for fails the check."""
    events = []
    while True:
        event = await connection.recv()
        events.append(event)
        if event.type in kinds:
            return events
        if event.type == "error":
            raise AssertionError(f"{event.error} after {[e.type for e in events[-6:-1]]}")


async def ask(connection, text: str) -> None:
    part = {"type": "input_text", "text": text}
    await connection.conversation.item.create(item={"type": "message", "role": "user", "content": [part]})


async def send_at_once(connection, speech: Speech) -> None:
    """Sound faster than it was spoken, as from a file."""
    sound = speech.pcm(RATE)
    step = int(RATE * CHUNK_S) * 2
    for at in range(0, len(sound), step):
        await connection.input_audio_buffer.append(audio=base64.b64encode(sound[at : at + step]).decode())


async def speak(connection, speech: Speech, silence_s: float = SILENCE_S) -> None:
    """Sound as a microphone sends it, and silence after."""
    sound = speech.pcm(RATE) + bytes(2 * int(RATE * silence_s))
    step = int(RATE * CHUNK_S) * 2
    clock = asyncio.get_running_loop().time
    due = clock()
    for at in range(0, len(sound), step):
        await connection.input_audio_buffer.append(audio=base64.b64encode(sound[at : at + step]).decode())
        due += CHUNK_S
        await asyncio.sleep(max(0.0, due - clock()))


def sound_of(events) -> numpy.ndarray:
    deltas = (event.delta for event in events if event.type == "response.output_audio.delta")
    return numpy.frombuffer(b"".join(base64.b64decode(delta) for delta in deltas), "<i2")


def transcript_of(events) -> str:
    deltas = (event.delta for event in events if event.type == "response.output_audio_transcript.delta")
    return "".join(deltas)


def heard_by_server(server: Server, samples: numpy.ndarray) -> str:
    """What the server itself understands when it hears its reply."""
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV")
    client = sync(server)
    try:
        return client.audio.transcriptions.create(model=WHISPER, file=("reply.wav", file.getvalue())).text
    except openai.APIStatusError as error:
        raise AssertionError(f"the reply could not be transcribed: {error}") from error


def is_spoken_as_written(server: Server, events) -> None:
    """The sound of a reply holds the words of its transcript."""
    text, samples = transcript_of(events), sound_of(events)
    expect(len(samples) > RATE // 4, f"{len(samples)} samples for {text!r}")
    heard = heard_by_server(server, samples)
    expect(share_heard(text, heard) >= 0.5, f"written {text!r}, heard {heard!r}")
