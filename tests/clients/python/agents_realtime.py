"""OpenAI's Agents SDK: a RealtimeAgent, run against this server by its transport's url."""

import asyncio
from contextlib import asynccontextmanager

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner
from speech import SUNDAY, say
from story import Story, expect, run_story

story = Story("OpenAI Agents")
TALK = "WS /v1/realtime"
RATE = 24_000


@asynccontextmanager
async def talking(server, tools=(), **settings):
    agent = RealtimeAgent(name="Desk", instructions="Answer in one short sentence.", tools=list(tools))
    url = f"{server.websocket_url}/realtime?model=gpt-realtime"
    config = {"api_key": server.key, "url": url, "initial_model_settings": {"voice": "ash"} | settings}
    async with await RealtimeRunner(agent).run(model_config=config) as session:
        yield session


async def until(session, kind):
    """The events up to the first of this kind."""
    seen = []
    async for event in session:
        seen.append(event)
        if event.type == "error":
            raise AssertionError(f"{event.error} after {[e.type for e in seen]}")
        if event.type == kind:
            return seen
    raise AssertionError(f"the session ended after {[e.type for e in seen]}")


def samples(events):
    return sum(len(event.audio.data) // 2 for event in events if event.type == "audio")


@story.works(TALK, "RealtimeSession: a message is answered in speech, and the history tells it", models=True)
async def _(server):
    async with talking(server) as session:
        await session.send_message("Say hello.")
        events = await until(session, "agent_end")
    histories = [event.history for event in events if event.type == "history_updated"]
    expect(samples(events) > RATE // 4 and histories, [event.type for event in events])


@story.works(TALK, "RealtimeSession: sound is heard with its default, semantic_vad, and answered", models=True)
async def _(server):
    async with talking(server) as session:
        sound = say(server, SUNDAY).pcm(RATE) + bytes(2 * 8 * RATE)
        size = RATE // 10 * 2

        async def speak():
            for at in range(0, len(sound), size):
                await session.send_audio(sound[at : at + size])
                await asyncio.sleep(0.1)

        speaking = asyncio.create_task(speak())
        events = await until(session, "agent_end")
        speaking.cancel()
    expect(samples(events) > RATE // 4, [event.type for event in events])


@story.works(TALK, "RealtimeSession: a tool is run", models=True)
async def _(server):
    asked = []

    @function_tool
    def get_weather(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return f"It is sunny in {city}."

    async with talking(server, [get_weather], tool_choice="required") as session:
        await session.send_message("What is the weather in Paris? Use the tool.")
        await until(session, "tool_end")
    expect(asked and "paris" in asked[0].lower(), asked)


@story.works(TALK, "RealtimeSession: interrupt ends a reply", models=True)
async def _(server):
    async with talking(server) as session:
        await session.send_message("Count slowly from one to fifty in words.")
        await until(session, "audio")
        await session.interrupt()
        await until(session, "audio_interrupted")


run_story(story)
