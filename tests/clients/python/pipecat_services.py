"""Pipecat's OpenAI services: chats, Responses over WebSocket, speech to text, text to speech."""

import asyncio

import numpy
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.openai.responses.llm import OpenAIResponsesHttpLLMService, OpenAIResponsesLLMService
from pipecat.services.openai.stt import OpenAIRealtimeSTTService, OpenAISTTService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat_pipeline import RATE, microphone, run
from sdk import LLM
from speech import SUNDAY, say, share_heard
from story import Story, expect, run_story

story = Story("Pipecat")
CHAT, SOCKET, CREATE = "POST /v1/chat/completions", "WS /v1/responses", "POST /v1/responses"
HEAR, SPEAK = "POST /v1/audio/transcriptions", "POST /v1/audio/speech"
TRANSCRIBE = "WS /v1/realtime?intent=transcription"


async def once(*frames):
    for frame in frames:
        yield frame


def context(question, tools=None):
    messages = [{"role": "system", "content": "Answer in one short sentence."}, {"role": "user", "content": question}]
    return LLMContext(messages, tools=tools) if tools else LLMContext(messages)


async def answered(service, question="Say hello."):
    ended = lambda frame: isinstance(frame, LLMFullResponseEndFrame)  # noqa: E731
    frames = await run(service, once(LLMContextFrame(context(question))), ended)
    text = "".join(frame.text for frame in frames if isinstance(frame, LLMTextFrame))
    expect(text.strip(), [type(frame).__name__ for frame in frames])
    return frames


@story.works(CHAT, "OpenAILLMService streams text")
async def _(server):
    settings = OpenAILLMService.Settings(model=LLM, max_tokens=24, temperature=0.1, seed=1)
    await answered(OpenAILLMService(api_key=server.key, base_url=server.base_url, settings=settings))


@story.works(CHAT, "OpenAILLMService calls a function", models=True)
async def _(server):
    settings = OpenAILLMService.Settings(model=LLM, max_tokens=60, temperature=0)
    service = OpenAILLMService(api_key=server.key, base_url=server.base_url, settings=settings)
    asked = asyncio.get_running_loop().create_future()

    async def get_weather(params):
        asked.done() or asked.set_result(params.arguments)
        await params.result_callback({"sky": "sunny"})

    service.register_function("get_weather", get_weather)
    city = {"city": {"type": "string", "description": "The city's name."}}
    schema = FunctionSchema(name="get_weather", description="The weather in a city.", properties=city, required=["city"])
    question = context("What is the weather in Paris? Use the tool.", ToolsSchema(standard_tools=[schema]))
    await run(service, once(LLMContextFrame(question)), lambda _: asked.done())
    expect("paris" in asked.result()["city"].lower(), asked.result())


@story.works(SOCKET, "OpenAIResponsesLLMService streams text")
async def _(server):
    settings = OpenAIResponsesLLMService.Settings(model=LLM)
    url = f"{server.websocket_url}/responses"
    await answered(OpenAIResponsesLLMService(api_key=server.key, base_url=server.base_url, ws_url=url, settings=settings))


@story.works(CREATE, "OpenAIResponsesHttpLLMService streams text")
async def _(server):
    settings = OpenAIResponsesHttpLLMService.Settings(model=LLM)
    await answered(OpenAIResponsesHttpLLMService(api_key=server.key, base_url=server.base_url, settings=settings))


async def spoken(server):
    yield VADUserStartedSpeakingFrame()
    async for frame in microphone(say(server, SUNDAY).pcm(RATE), silence_s=0.4):
        yield frame
    yield VADUserStoppedSpeakingFrame()


@story.works(HEAR, "OpenAISTTService transcribes what is said between two VAD frames", models=True)
async def _(server):
    for model in ("gpt-transcribe", "whisper-1"):
        settings = OpenAISTTService.Settings(model=model)
        service = OpenAISTTService(api_key=server.key, base_url=server.base_url, settings=settings)
        frames = await run(service, spoken(server), lambda frame: isinstance(frame, TranscriptionFrame))
        text = next(frame.text for frame in frames if isinstance(frame, TranscriptionFrame))
        expect(share_heard(SUNDAY, text) >= 0.7, (model, text))


async def transcribed_live(server, sent, **options):
    url = f"{server.websocket_url}/realtime"
    service = OpenAIRealtimeSTTService(api_key=server.key, base_url=url, **options)
    frames = await run(service, sent, lambda frame: isinstance(frame, TranscriptionFrame))
    text = next(frame.text for frame in frames if isinstance(frame, TranscriptionFrame))
    expect(share_heard(SUNDAY, text) >= 0.7, text)


@story.works(TRANSCRIBE, "OpenAIRealtimeSTTService with its defaults: gpt-realtime-whisper, local VAD", models=True)
async def _(server):
    await transcribed_live(server, spoken(server))


@story.works(TRANSCRIBE, "OpenAIRealtimeSTTService with server_vad", models=True)
async def _(server):
    settings = OpenAIRealtimeSTTService.Settings(model="gpt-transcribe")
    sent = microphone(say(server, SUNDAY).pcm(RATE))
    await transcribed_live(server, sent, turn_detection={"type": "server_vad"}, settings=settings)


@story.works(SPEAK, "OpenAITTSService speaks with OpenAI's voices, pcm at 24 kHz")
async def _(server):
    for voice in ("alloy", "ash", "cedar", "verse"):
        settings = OpenAITTSService.Settings(voice=voice)
        service = OpenAITTSService(api_key=server.key, base_url=server.base_url, settings=settings)
        frames = await run(service, once(TTSSpeakFrame("Hello there.")), lambda frame: isinstance(frame, TTSStoppedFrame))
        sound = b"".join(frame.audio for frame in frames if isinstance(frame, TTSAudioRawFrame))
        samples = numpy.frombuffer(sound, "<i2")
        expect(len(samples) > RATE // 4 and numpy.abs(samples).max() > 500, (voice, len(samples)))


run_story(story)
