"""LiveKit's OpenAI plugin: RealtimeModel, by text, by sound, with a tool."""

import asyncio
from contextlib import asynccontextmanager

import numpy
from livekit import rtc
from livekit.agents import llm
from livekit.agents.llm import function_tool
from livekit.agents.utils import http_context
from livekit.plugins import openai
from openai.types.realtime.realtime_audio_input_turn_detection import ServerVad
from speech import SUNDAY, say, share_heard
from story import Story, expect, run_story

story = Story("LiveKit")
TALK = "WS /v1/realtime"
RATE = 24_000


@function_tool
async def get_weather(city: str) -> str:
    """The weather in a city.

    Args:
        city: The city's name.
    """
    return f"It is sunny in {city}."


@asynccontextmanager
async def talking(server, **options):
    async with http_context.open():
        model = openai.realtime.RealtimeModel(base_url=server.base_url, api_key=server.key, voice="alloy", **options)
        session = model.session()
        await session.update_instructions("Answer in one short sentence.")
        try:
            yield session
        finally:
            await session.aclose()
            await model.aclose()


async def said(generation):
    """The text and the number of samples of a reply's message."""
    async for message in generation.message_stream:
        text, samples = "", 0

        async def listen():
            nonlocal samples
            async for frame in message.audio_stream:
                samples += frame.samples_per_channel

        listening = asyncio.create_task(listen())
        async for piece in message.text_stream:
            text += piece
        await listening
        return text, samples
    raise AssertionError("the reply has no message")


@story.works(TALK, "RealtimeModel: generate_reply speaks what it writes", models=True)
async def _(server):
    async with talking(server) as session:
        text, samples = await said(await session.generate_reply(instructions="Greet the caller."))
    expect(text and samples > RATE // 3, (text, samples))


@story.works(TALK, "RealtimeModel: text only", models=True)
async def _(server):
    async with talking(server, modalities=["text"]) as session:
        context = llm.ChatContext.empty()
        context.add_message(role="user", content="Say hello.")
        await session.update_chat_ctx(context)
        text, samples = await said(await session.generate_reply())
    expect(text and samples == 0, (text, samples))


@story.works(TALK, "RealtimeModel: a spoken turn is heard by server_vad, transcribed and answered", models=True)
async def _(server):
    vad = ServerVad(type="server_vad", silence_duration_ms=500, create_response=True, interrupt_response=True)
    async with talking(server, turn_detection=vad) as session:
        loop = asyncio.get_running_loop()
        generated, transcribed = loop.create_future(), loop.create_future()
        started, stopped = [], []
        session.on("generation_created", lambda event: generated.done() or generated.set_result(event))
        session.on(
            "input_audio_transcription_completed",
            lambda event: event.is_final and not transcribed.done() and transcribed.set_result(event),
        )
        session.on("input_speech_started", started.append)
        session.on("input_speech_stopped", stopped.append)
        sound = numpy.frombuffer(say(server, SUNDAY).pcm(RATE) + bytes(2 * 2 * RATE), "<i2")
        for at in range(0, len(sound), RATE // 20):
            piece = sound[at : at + RATE // 20]
            session.push_audio(rtc.AudioFrame(piece.tobytes(), RATE, 1, len(piece)))
            await asyncio.sleep(len(piece) / RATE)
        text, samples = await said(await generated)
        transcript = (await transcribed).transcript
    expect(started and stopped, (started, stopped))
    expect(text and samples > RATE // 3 and share_heard(SUNDAY, transcript) >= 0.7, (text, samples, transcript))


@story.works(TALK, "RealtimeModel: a reply is interrupted and truncated", models=True)
async def _(server):
    async with talking(server) as session:
        reply = "Count slowly from one to thirty."
        generation = await session.generate_reply(instructions=reply)
        async for message in generation.message_stream:
            heard = 0.0
            async for frame in message.audio_stream:
                heard += frame.duration
                if heard > 0.5:
                    break
            session.interrupt()
            session.truncate(message_id=message.message_id, modalities=["audio"], audio_end_ms=500)
            break
        await asyncio.sleep(1)
        text, _ = await said(await session.generate_reply(instructions="Say goodbye."))
    expect(text, "no reply after it")


@story.works(TALK, "RealtimeModel: a tool is called", models=True)
async def _(server):
    async with talking(server, modalities=["text"], tool_choice="required") as session:
        await session.update_tools([get_weather])
        context = llm.ChatContext.empty()
        context.add_message(role="user", content="What is the weather in Paris?")
        await session.update_chat_ctx(context)
        generation = await session.generate_reply(tool_choice="required")
        async for call in generation.function_stream:
            expect(call.name == "get_weather" and "paris" in call.arguments.lower(), call)
            return
    raise AssertionError("no tool was called")


run_story(story)
