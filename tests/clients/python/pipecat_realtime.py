"""Pipecat's OpenAIRealtimeLLMService: a spoken turn, a written one, a function."""

import asyncio

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import LLMContextFrame, LLMFullResponseEndFrame, TTSAudioRawFrame, TTSTextFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.openai.realtime import events
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat_pipeline import RATE, microphone, run
from speech import SUNDAY, say
from story import Story, expect, run_story

story = Story("Pipecat")
TALK = "WS /v1/realtime"


def service(server, turn_detection=False):
    transcription = events.InputAudioTranscription(model="gpt-4o-mini-transcribe")
    audio_in = events.AudioInput(transcription=transcription, turn_detection=turn_detection)
    properties = events.SessionProperties(audio=events.AudioConfiguration(input=audio_in))
    settings = OpenAIRealtimeLLMService.Settings(
        system_instruction="Answer in one short sentence.", session_properties=properties
    )
    return OpenAIRealtimeLLMService(api_key=server.key, base_url=f"{server.websocket_url}/realtime", settings=settings)


def spoken(frames):
    """The samples and the words of a reply."""
    samples = sum(len(frame.audio) // 2 for frame in frames if isinstance(frame, TTSAudioRawFrame))
    return samples, " ".join(frame.text for frame in frames if isinstance(frame, TTSTextFrame))


def has_ended(frame):
    return isinstance(frame, LLMFullResponseEndFrame)


async def asked(*messages, tools=None):
    chat = [{"role": "user", "content": text} for text in messages]
    yield LLMContextFrame(LLMContext(chat, tools=tools) if tools else LLMContext(chat))
    await asyncio.Event().wait()


@story.works(TALK, "OpenAIRealtimeLLMService: a written question is answered in speech", models=True)
async def _(server):
    frames = await run(service(server), asked("Say hello."), has_ended)
    samples, words = spoken(frames)
    expect(samples > RATE // 4 and words, (samples, words))


@story.works(TALK, "OpenAIRealtimeLLMService: a spoken question is heard by server_vad and answered", models=True)
async def _(server):
    vad = events.TurnDetection(type="server_vad", silence_duration_ms=500)

    async def sent():
        yield LLMContextFrame(LLMContext([]))
        async for frame in microphone(say(server, SUNDAY).pcm(RATE), silence_s=60):
            yield frame

    frames = await run(service(server, vad), sent(), has_ended)
    samples, words = spoken(frames)
    expect(samples > RATE // 4 and words, (samples, words))


@story.works(TALK, "OpenAIRealtimeLLMService: a function is called", models=True)
async def _(server):
    talker = service(server)
    called = asyncio.get_running_loop().create_future()

    async def get_weather(params):
        called.done() or called.set_result(params.arguments)
        await params.result_callback({"sky": "sunny"})

    talker.register_function("get_weather", get_weather)
    city = {"city": {"type": "string", "description": "The city's name."}}
    schema = FunctionSchema(name="get_weather", description="The weather in a city.", properties=city, required=["city"])
    tools = ToolsSchema(standard_tools=[schema])
    await run(talker, asked("What is the weather in Paris? Use the tool.", tools=tools), lambda _: called.done())
    expect("paris" in called.result()["city"].lower(), called.result())


run_story(story)
