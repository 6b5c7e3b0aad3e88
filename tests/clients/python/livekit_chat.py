"""LiveKit's OpenAI plugin: chats over HTTP, and the Responses API over its WebSocket."""

import json

from livekit.agents import APIConnectOptions, llm
from livekit.agents.llm import function_tool
from livekit.agents.utils import http_context
from livekit.plugins import openai
from sdk import LLM, asynchronous
from story import Story, expect, run_story

story = Story("LiveKit")
# A busy CPU needs more than the 10 s that the plugin waits, and a failure is to be seen at once.
PATIENT = APIConnectOptions(max_retry=0, timeout=120)
CHAT, SOCKET, CREATE = "POST /v1/chat/completions", "WS /v1/responses", "POST /v1/responses"


@function_tool
async def get_weather(city: str) -> str:
    """The weather in a city.

    Args:
        city: The city's name.
    """
    return f"It is sunny in {city}."


def conversation(*messages: str) -> llm.ChatContext:
    """Messages of the user and of the assistant, in turn."""
    context = llm.ChatContext.empty()
    context.add_message(role="system", content="Answer in one short sentence.")
    for i, text in enumerate(messages):
        context.add_message(role="assistant" if i % 2 else "user", content=text)
    return context


async def reply(model, context, **options):
    """The text, the tool calls and the usage of a reply."""
    text, calls, usage = "", [], None
    async with model.chat(chat_ctx=context, conn_options=PATIENT, **options) as stream:
        async for chunk in stream:
            usage = chunk.usage or usage
            if chunk.delta:
                text += chunk.delta.content or ""
                calls += chunk.delta.tool_calls
    return text, calls, usage


async def calls_a_tool(model):
    context = conversation("What is the weather in Paris? Use the tool.")
    text, calls, _ = await reply(model, context, tool_choice="required", tools=[get_weather])
    expect(calls and calls[0].name == "get_weather", (text, calls))
    expect("paris" in json.loads(calls[0].arguments)["city"].lower(), calls)
    called = llm.FunctionCall(call_id=calls[0].call_id, name=calls[0].name, arguments=calls[0].arguments)
    output = "It is sunny and 21 degrees."
    result = llm.FunctionCallOutput(call_id=called.call_id, name=called.name, output=output, is_error=False)
    context.insert([called, result])
    context.add_message(role="user", content="Tell me in five words how the weather is.")
    # Offered the tool again, a small model calls again.
    text, _, _ = await reply(model, context)
    expect("sunny" in text.lower() or "21" in text, text)


@story.works(CHAT, "LLM.chat streams text, with usage")
async def _(server):
    model = openai.LLM(model=LLM, client=asynchronous(server), max_completion_tokens=40, temperature=0.1)
    text, _, usage = await reply(model, conversation("Say hello."))
    expect(text and usage.total_tokens > 0, (text, usage))


@story.works(CHAT, "LLM.chat calls a tool and speaks of its result", models=True)
async def _(server):
    await calls_a_tool(openai.LLM(model=LLM, client=asynchronous(server), max_completion_tokens=60, temperature=0))


@story.works(CHAT, "LLM.chat with its settings for OpenAI: verbosity, service_tier, prompt_cache_key")
async def _(server):
    options = {"verbosity": "low", "service_tier": "auto", "prompt_cache_key": "k", "user": "u", "parallel_tool_calls": True}
    model = openai.LLM(model=LLM, client=asynchronous(server), max_completion_tokens=12, **options)
    text, _, _ = await reply(model, conversation("Say hello."))
    expect(text, "no text")


def over_socket(server, **options):
    # Over its socket the plugin takes the base URL for the whole address.
    return openai.responses.LLM(model=LLM, base_url=f"{server.base_url}/responses", api_key=server.key, **options)


@story.works(SOCKET, "responses.LLM.chat streams text, with usage")
async def _(server):
    async with http_context.open():
        model = over_socket(server, temperature=0.1, max_output_tokens=60)
        text, _, usage = await reply(model, conversation("Say hello."))
        expect(text and usage.total_tokens > 0, (text, usage))


@story.works(SOCKET, "responses.LLM.chat goes on with a conversation", models=True)
async def _(server):
    async with http_context.open():
        model = over_socket(server, temperature=0, max_output_tokens=30)
        first, _, _ = await reply(model, conversation("My name is Alice."))
        text, _, _ = await reply(model, conversation("My name is Alice.", first, "What is my name?"))
        expect("alice" in text.lower(), (first, text))


@story.works(SOCKET, "responses.LLM.chat calls a tool and speaks of its result", models=True)
async def _(server):
    async with http_context.open():
        # An answer that is cut off is an error here.
        await calls_a_tool(over_socket(server, temperature=0, max_output_tokens=300))


@story.works(CREATE, "responses.LLM.chat over HTTP")
async def _(server):
    options = {"use_websocket": False, "max_output_tokens": 60}
    model = openai.responses.LLM(model=LLM, base_url=server.base_url, api_key=server.key, **options)
    text, _, _ = await reply(model, conversation("Say hello."))
    expect(text, "no text")


run_story(story)
