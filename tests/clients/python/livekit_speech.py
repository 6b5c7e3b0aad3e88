"""LiveKit's OpenAI plugin: speech to text, by upload and live; text to speech."""

import asyncio

import numpy
from livekit import rtc
from livekit.agents import APIConnectOptions
from livekit.agents import stt as hearing
from livekit.agents.utils import http_context
from livekit.plugins import openai
from sdk import asynchronous
from speech import SUNDAY, say, share_heard
from story import Story, expect, run_story

story = Story("LiveKit")
HEAR, SPEAK = "POST /v1/audio/transcriptions", "POST /v1/audio/speech"
TRANSCRIBE = "WS /v1/realtime?intent=transcription"
RATE = 24_000
# A busy CPU needs more than the 10 s that the plugin waits, and a failure is to be seen at once.
PATIENT = APIConnectOptions(max_retry=0, timeout=120)


def frames(sound: bytes, rate: int = RATE, ms: int = 50):
    """Sound as a track brings it."""
    size = rate * ms // 1000
    for at in range(0, len(sound), 2 * size):
        piece = sound[at : at + 2 * size]
        yield rtc.AudioFrame(piece, sample_rate=rate, num_channels=1, samples_per_channel=len(piece) // 2)


async def recognized(server, model):
    # The plugin's own client gives up after 5 s, which a busy CPU may need.
    recognizer = openai.STT(model=model, client=asynchronous(server))
    frame = rtc.combine_audio_frames(list(frames(say(server, SUNDAY).pcm(RATE))))
    return await recognizer.recognize(frame, conn_options=PATIENT)


@story.works(HEAR, "STT.recognize with whisper-1 and with gpt-4o-mini-transcribe", models=True)
async def _(server):
    for model in ("whisper-1", "gpt-4o-mini-transcribe"):
        event = await recognized(server, model)
        expect(event.type == hearing.SpeechEventType.FINAL_TRANSCRIPT, event)
        expect(share_heard(SUNDAY, event.alternatives[0].text) >= 0.7, (model, event))


async def streamed(server, model, **options):
    """What the live recognizer says until its first final transcript."""
    async with http_context.open():
        recognizer = openai.STT(model=model, base_url=server.base_url, api_key=server.key, use_realtime=True, **options)
        stream = recognizer.stream()

        async def speak():
            for frame in frames(say(server, SUNDAY).pcm(RATE) + bytes(2 * 2 * RATE)):
                stream.push_frame(frame)
                await asyncio.sleep(frame.duration)

        speaking = asyncio.create_task(speak())
        events = []
        async for event in stream:
            events.append(event)
            if event.type == hearing.SpeechEventType.FINAL_TRANSCRIPT:
                break
        speaking.cancel()
        await stream.aclose()
        return events


@story.works(TRANSCRIBE, "STT.stream by server_vad", models=True)
async def _(server):
    events = await streamed(server, "gpt-4o-mini-transcribe")
    kinds = [event.type for event in events]
    expect(hearing.SpeechEventType.START_OF_SPEECH in kinds, kinds)
    expect(share_heard(SUNDAY, events[-1].alternatives[0].text) >= 0.7, events[-1])


@story.works(TRANSCRIBE, "STT.stream of gpt-realtime-whisper, committed by LiveKit's own voice activity", models=True)
async def _(server):
    events = await streamed(server, "gpt-realtime-whisper")
    expect(share_heard(SUNDAY, events[-1].alternatives[0].text) >= 0.6, events[-1])


@story.works(SPEAK, "TTS.synthesize with every model name, as events and as bytes")
async def _(server):
    for model in ("gpt-4o-mini-tts", "tts-1", "tts-1-hd"):
        voice = openai.TTS(model=model, voice="ash", client=asynchronous(server))
        sound = [audio.frame async for audio in voice.synthesize("Hello there, how are you?", conn_options=PATIENT)]
        samples = numpy.concatenate([numpy.frombuffer(frame.data, "<i2") for frame in sound])
        expect(sound[0].sample_rate == RATE and len(samples) > RATE // 3, (model, len(samples)))


@story.works(SPEAK, "TTS.synthesize as pcm and as wav")
async def _(server):
    for kind in ("pcm", "wav", "mp3"):
        voice = openai.TTS(model="gpt-4o-mini-tts", voice="ash", response_format=kind, client=asynchronous(server))
        sound = [audio.frame async for audio in voice.synthesize("Hello there.", conn_options=PATIENT)]
        expect(sum(frame.duration for frame in sound) > 0.3, kind)


run_story(story)
