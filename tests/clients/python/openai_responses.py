"""OpenAI's Python client: the Responses API, over HTTP and over its WebSocket."""

import json

import openai
from openai_visit import VISIT_QUESTION, Visit
from sdk import LLM, asynchronous, sync
from story import Story, expect, run_story

story = Story("openai Python")
CREATE, SOCKET = "POST /v1/responses", "WS /v1/responses"
SHOW, DELETE = "GET /v1/responses/{id}", "DELETE /v1/responses/{id}"
CANCEL, ITEMS = "POST /v1/responses/{id}/cancel", "GET /v1/responses/{id}/input_items"
COUNT, COMPACT = "POST /v1/responses/input_tokens", "POST /v1/responses/compact"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}
PARIS = "What is the weather in Paris? Use the tool."


def respond(server, input="Say hello.", **options):
    return sync(server).responses.create(model=LLM, input=input, **({"max_output_tokens": 24} | options))


@story.works(CREATE, "a question is answered, with usage and its details")
def _(server):
    answer = respond(server, max_output_tokens=200)
    expect(answer.object == "response" and answer.id.startswith("resp_") and answer.output_text, answer)
    expect(answer.status == "completed" and answer.output[0].type == "message", answer)
    usage = answer.usage
    expect(usage.total_tokens == usage.input_tokens + usage.output_tokens > 0, usage)
    expect(usage.input_tokens_details.cached_tokens >= 0 and usage.output_tokens_details.reasoning_tokens >= 0, usage)


@story.works(CREATE, "instructions and messages with parts are understood")
def _(server):
    message = {"role": "user", "content": [{"type": "input_text", "text": "Say hello."}]}
    answer = respond(server, [message], instructions="Be brief.", metadata={"a": "b"}, temperature=0.2, top_p=0.9)
    expect(answer.output_text and answer.metadata == {"a": "b"} and answer.instructions == "Be brief.", answer)


@story.works(CREATE, "a stream has every event of a text, numbered and in order")
def _(server):
    events = list(respond(server, stream=True, max_output_tokens=200))
    numbers = [event.sequence_number for event in events]
    expect(numbers == list(range(numbers[0], numbers[0] + len(numbers))), numbers)
    kinds = [event.type for event in events]
    once = [kind for i, kind in enumerate(kinds) if i == 0 or kinds[i - 1] != kind]
    steps = "created in_progress output_item.added content_part.added output_text.delta output_text.done"
    steps += " content_part.done output_item.done completed"
    expect(once == [f"response.{step}" for step in steps.split()], once)
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    expect(text == events[-1].response.output_text, (text, events[-1]))
    expect(events[-1].response.usage.total_tokens > 0, events[-1])


@story.works(CREATE, "an async program reads the stream helper")
async def _(server):
    client = asynchronous(server)
    async with client.responses.stream(model=LLM, input="Say hello.", max_output_tokens=200) as stream:
        kinds = {event.type async for event in stream}
        final = await stream.get_final_response()
    expect("response.output_text.delta" in kinds and final.output_text, kinds)


@story.works(CREATE, "an answer cut short is incomplete, because of max_output_tokens", models=True)
def _(server):
    answer = respond(server, "Tell me a long story about the sea.", max_output_tokens=16, temperature=0)
    expect(answer.status == "incomplete" and answer.incomplete_details.reason == "max_output_tokens", answer)


@story.works(CREATE, "previous_response_id goes on with the conversation", models=True)
def _(server):
    first = respond(server, "My name is Alice.", temperature=0)
    second = respond(server, "What is my name?", previous_response_id=first.id, temperature=0)
    expect("alice" in second.output_text.lower() and second.previous_response_id == first.id, second.output_text)


@story.works(CREATE, "a tool is called, and its result is spoken of", models=True)
def _(server):
    first = respond(server, PARIS, tools=[WEATHER], temperature=0, max_output_tokens=200)
    call = next(item for item in first.output if item.type == "function_call")
    expect(call.name == "get_weather" and "paris" in json.loads(call.arguments)["city"].lower(), call)
    result = {"type": "function_call_output", "call_id": call.call_id, "output": '{"sky": "sunny", "celsius": 21}'}
    # Offered the tool again, or not asked again, a small model calls again.
    again = {"role": "user", "content": "So how is the sky? Answer me in one short sentence."}
    second = respond(server, [result, again], previous_response_id=first.id, temperature=0)
    expect("sunny" in second.output_text.lower() or "21" in second.output_text, second)


@story.works(CREATE, "a streamed tool call brings its arguments in pieces and whole", models=True)
def _(server):
    options = {"tools": [WEATHER], "tool_choice": "required", "temperature": 0, "max_output_tokens": 60}
    events = list(respond(server, PARIS, stream=True, **options))
    deltas = "".join(e.delta for e in events if e.type == "response.function_call_arguments.delta")
    done = next(e for e in events if e.type == "response.function_call_arguments.done")
    expect(deltas == done.arguments and json.loads(deltas), (deltas, done))
    added = next(e for e in events if e.type == "response.output_item.added")
    expect(added.item.type == "function_call" and added.item.name == "get_weather" and added.item.call_id, added)


@story.works(CREATE, "parse with a pydantic model brings a value of it", models=True)
def _(server):
    options = {"text_format": Visit, "temperature": 0, "max_output_tokens": 80}
    answer = sync(server).responses.parse(model=LLM, input=VISIT_QUESTION, **options)
    expect(isinstance(answer.output_parsed, Visit), answer)


@story.works(SHOW, "a stored answer is found again")
def _(server):
    answer = respond(server)
    again = sync(server).responses.retrieve(answer.id)
    expect(again.id == answer.id and again.output_text == answer.output_text, again)


@story.works(SHOW, "what was not to be stored is not found")
def _(server):
    answer = respond(server, store=False)
    try:
        sync(server).responses.retrieve(answer.id)
    except openai.NotFoundError:
        return
    raise AssertionError("it was found")


@story.works(ITEMS, "what was asked is listed")
def _(server):
    answer = respond(server)
    items = list(sync(server).responses.input_items.list(answer.id))
    expect(items and items[0].content[0].text == "Say hello.", items)


@story.works(DELETE, "an answer is forgotten")
def _(server):
    client = sync(server)
    answer = respond(server)
    client.responses.delete(answer.id)
    try:
        client.responses.retrieve(answer.id)
    except openai.NotFoundError:
        return
    raise AssertionError("it was found")


@story.works(CANCEL, "an answer made in the background is cancelled", models=True)
def _(server):
    client = sync(server)
    try:
        answer = respond(server, "Count from 1 to 300 in words.", background=True, max_output_tokens=600)
    except openai.BadRequestError as error:
        expect(error.param == "background", error.body)
        return
    expect(answer.status in ("queued", "in_progress"), answer)
    expect(client.responses.cancel(answer.id).status == "cancelled", "it was not cancelled")


@story.works(COUNT, "the tokens of a question are counted")
def _(server):
    counted = sync(server).responses.input_tokens.count(model=LLM, input="Say hello.")
    expect(counted.input_tokens > 0 and counted.object == "response.input_tokens", counted)


@story.refused(CREATE, "hosted tools such as web_search are refused", param="tools[0].type")
def _(server):
    respond(server, tools=[{"type": "web_search"}])


@story.works(CREATE, "an unknown previous_response_id is refused by its name")
def _(server):
    try:
        respond(server, previous_response_id="resp_unknown")
    except (openai.BadRequestError, openai.NotFoundError) as error:
        expect(error.param == "previous_response_id", error.body)
        return
    raise AssertionError("it was taken")


def read_response(connection):
    """The events up to the end of a response."""
    events = []
    for event in connection:
        events.append(event)
        if event.type in ("response.completed", "response.incomplete", "response.failed", "error"):
            return events
    raise AssertionError(f"the socket was closed after {[e.type for e in events]}")


@story.works(SOCKET, "a question is answered by the events of a stream")
def _(server):
    with sync(server).responses.connect() as connection:
        connection.response.create(model=LLM, input="Say hello.", max_output_tokens=200)
        events = read_response(connection)
    expect(events[0].type == "response.created" and events[-1].type == "response.completed", events[-1])


@story.works(SOCKET, "the last answer of a socket is remembered though nothing is stored", models=True)
def _(server):
    options = {"model": LLM, "store": False, "temperature": 0, "max_output_tokens": 24}
    with sync(server).responses.connect() as connection:
        connection.response.create(input="My name is Alice.", **options)
        first = read_response(connection)[-1].response
        connection.response.create(input="What is my name?", previous_response_id=first.id, **options)
        second = read_response(connection)[-1].response
    expect("alice" in second.output_text.lower(), second)


@story.works(SOCKET, "a wrong request is an error event, and the socket lives on")
def _(server):
    with sync(server).responses.connect() as connection:
        connection.response.create(model="no-such-model", input="Hello")
        expect(read_response(connection)[-1].type == "error", "no error")
        connection.response.create(model=LLM, input="Say hello.", max_output_tokens=200)
        expect(read_response(connection)[-1].type == "response.completed", "no answer after it")


@story.works(SOCKET, "an async program is answered")
async def _(server):
    async with asynchronous(server).responses.connect() as connection:
        await connection.response.create(model=LLM, input="Say hello.", max_output_tokens=16)
        async for event in connection:
            if event.type in ("response.completed", "response.incomplete"):
                return
    raise AssertionError("no answer")


run_story(story)
