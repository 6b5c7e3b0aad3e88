"""OpenAI's Python client: /v1/realtime, by text, by sound, with tools, interrupted, and for transcription only."""

import json

from realtime_talk import (
    MODEL,
    SERVER_VAD,
    ask,
    configure,
    is_spoken_as_written,
    send_at_once,
    session,
    sound_of,
    speak,
    until,
)
from sdk import asynchronous, sync
from speech import SUNDAY, say, share_heard
from story import Story, expect, run_story

story = Story("openai Python")
TALK, SECRETS = "WS /v1/realtime", "POST /v1/realtime/client_secrets"
TRANSCRIBE = "WS /v1/realtime?intent=transcription"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
BRIEF = "Answer in one short sentence."
LONG = "Tell me a long story about a ship, in twenty sentences."


def connect(server, **options):
    return asynchronous(server).realtime.connect(**({"model": MODEL} | options))


@story.works(TALK, "a session begins with its settings, and an update is echoed")
async def _(server):
    async with connect(server) as connection:
        first = await connection.recv()
        expect(first.type == "session.created" and first.session.id and first.session.type == "realtime", first)
        settings = session(modalities=["text"], instructions=BRIEF, tools=[WEATHER], vad=SERVER_VAD)
        updated = await configure(connection, settings)
    expect(updated.instructions == BRIEF and updated.output_modalities == ["text"], updated)
    expect(updated.tools[0].name == "get_weather" and updated.audio.input.turn_detection.type == "server_vad", updated)


@story.works(TALK, "a written question is answered in writing, with every event in order")
async def _(server):
    async with connect(server) as connection:
        await configure(connection, session(modalities=["text"], instructions=BRIEF))
        await ask(connection, "Say hello.")
        await connection.response.create(response={"metadata": {"client_event_id": "one"}})
        events = await until(connection, "response.done")
    kinds = [event.type for event in events if event.type != "rate_limits.updated"]
    for before, after in (
        ("conversation.item.added", "conversation.item.done"),
        ("response.created", "response.output_item.added"),
        ("response.output_item.added", "response.content_part.added"),
        ("response.content_part.added", "response.output_text.delta"),
        ("response.output_text.delta", "response.output_text.done"),
        ("response.output_text.done", "response.content_part.done"),
        ("response.content_part.done", "response.output_item.done"),
        ("response.output_item.done", "response.done"),
    ):
        expect(before in kinds and after in kinds and kinds.index(before) < kinds.index(after), (before, after, kinds))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    response = events[-1].response
    expect(text and response.output[0].content[0].text == text, (text, response))
    expect(response.status == "completed" and response.metadata == {"client_event_id": "one"}, response)
    created = next(event for event in events if event.type == "response.created")
    expect(created.response.metadata == {"client_event_id": "one"}, created)
    expect(response.usage.total_tokens > 0 and response.usage.input_token_details.cached_tokens is not None, response.usage)


@story.works(TALK, "a written question is answered in speech that says its transcript", models=True)
async def _(server):
    async with connect(server) as connection:
        await configure(connection, session(instructions=BRIEF))
        await ask(connection, "Say: the train leaves from the old station.")
        await connection.response.create()
        events = await until(connection, "response.done")
    expect(events[-1].response.output[0].content[0].type in ("output_audio", "audio"), events[-1])
    is_spoken_as_written(server, events)


@story.works(TALK, "speech that the client commits is transcribed and answered", models=True)
async def _(server):
    async with connect(server) as connection:
        await configure(connection, session(instructions=BRIEF))
        await send_at_once(connection, say(server, SUNDAY))
        await connection.input_audio_buffer.commit()
        committed = (await until(connection, "input_audio_buffer.committed"))[-1]
        heard = (await until(connection, "conversation.item.input_audio_transcription.completed"))[-1]
        expect(heard.item_id == committed.item_id and heard.usage is not None, heard)
        expect(share_heard(SUNDAY, heard.transcript) >= 0.7, heard.transcript)
        await connection.response.create()
        events = await until(connection, "response.done")
    is_spoken_as_written(server, events)


@story.works(TALK, "with server_vad a spoken question is answered unasked", models=True)
async def _(server):
    async with connect(server) as connection:
        await configure(connection, session(vad=SERVER_VAD, instructions=BRIEF))
        await speak(connection, say(server, SUNDAY))
        events = await until(connection, "response.done")
    kinds = [event.type for event in events]
    steps = ["speech_started", "speech_stopped", "committed"]
    places = [kinds.index(f"input_audio_buffer.{step}") for step in steps]
    expect(places == sorted(places), kinds)
    started, stopped = events[places[0]], events[places[1]]
    expect(started.item_id == stopped.item_id and started.audio_start_ms < stopped.audio_end_ms, (started, stopped))
    is_spoken_as_written(server, events)


@story.works(TALK, "semantic_vad is honoured too", models=True)
async def _(server):
    async with connect(server) as connection:
        vad = {"type": "semantic_vad", "eagerness": "high", "interrupt_response": True}
        await configure(connection, session(vad=vad, instructions=BRIEF))
        await speak(connection, say(server, SUNDAY), silence_s=3)
        events = await until(connection, "response.done")
    expect(len(sound_of(events)) > 2400, [event.type for event in events])


@story.works(TALK, "a caller who speaks into a reply ends it: cancelled, turn_detected", models=True)
async def _(server):
    async with connect(server) as connection:
        await configure(connection, session(vad=SERVER_VAD, max_output_tokens=400))
        await ask(connection, LONG)
        await connection.response.create()
        await until(connection, "response.output_audio.delta")
        await speak(connection, say(server, SUNDAY), silence_s=0.3)
        events = await until(connection, "response.done")
    response = events[-1].response
    expect(response.status == "cancelled" and response.status_details.reason == "turn_detected", response)
    expect("input_audio_buffer.speech_started" in [event.type for event in events], "no speech_started before it")


@story.works(TALK, "response.cancel ends a reply: cancelled, client_cancelled", models=True)
async def _(server):
    async with connect(server) as connection:
        await configure(connection, session(modalities=["text"], max_output_tokens=400))
        await ask(connection, LONG)
        await connection.response.create()
        await until(connection, "response.output_text.delta")
        await connection.response.cancel()
        response = (await until(connection, "response.done"))[-1].response
    expect(response.status == "cancelled" and response.status_details.reason == "client_cancelled", response)


@story.works(TALK, "truncate keeps what was heard of a reply and forgets the rest", models=True)
async def _(server):
    async with connect(server) as connection:
        await configure(connection, session(instructions=BRIEF))
        await ask(connection, "Say: one, two, three, four, five, six, seven, eight, nine, ten.")
        await connection.response.create()
        item = (await until(connection, "response.done"))[-1].response.output[0]
        await connection.conversation.item.truncate(item_id=item.id, content_index=0, audio_end_ms=300)
        cut = (await until(connection, "conversation.item.truncated"))[-1]
        expect(cut.item_id == item.id and cut.audio_end_ms == 300, cut)
        await connection.conversation.item.retrieve(item_id=item.id)
        kept = (await until(connection, "conversation.item.retrieved"))[-1].item
    said, left = (entry.content[0].transcript or "" for entry in (item, kept))
    expect(len(left) < len(said), (said, left))


@story.works(TALK, "a tool is called, and its result is spoken of", models=True)
async def _(server):
    async with connect(server) as connection:
        await configure(connection, session(modalities=["text"], tools=[WEATHER], tool_choice="auto"))
        await ask(connection, "What is the weather in Paris? Use the tool.")
        await connection.response.create(response={"tool_choice": "required"})
        events = await until(connection, "response.done")
        done = next(e for e in events if e.type == "response.function_call_arguments.done")
        expect(done.name == "get_weather" and "city" in json.loads(done.arguments), done)
        call = events[-1].response.output[0]
        expect(call.type == "function_call" and call.call_id == done.call_id, call)
        result = {"type": "function_call_output", "call_id": done.call_id, "output": '{"sky": "sunny"}'}
        await connection.conversation.item.create(item=result)
        await connection.response.create(response={"tool_choice": "none"})
        events = await until(connection, "response.done")
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    expect("sun" in text.lower(), text)


@story.works(TALK, "items are retrieved and deleted")
async def _(server):
    async with connect(server) as connection:
        await configure(connection, session(modalities=["text"]))
        await ask(connection, "Remember me.")
        item = (await until(connection, "conversation.item.added"))[-1].item
        await connection.conversation.item.retrieve(item_id=item.id)
        found = (await until(connection, "conversation.item.retrieved"))[-1].item
        expect(found.content[0].text == "Remember me.", found)
        await connection.conversation.item.delete(item_id=item.id)
        expect((await until(connection, "conversation.item.deleted"))[-1].item_id == item.id, item)


@story.works(TALK, "items know which one came before")
async def _(server):
    async with connect(server) as connection:
        await configure(connection, session(modalities=["text"]))
        await ask(connection, "One.")
        first = (await until(connection, "conversation.item.added"))[-1]
        await ask(connection, "Two.")
        second = (await until(connection, "conversation.item.added"))[-1]
    expect(first.previous_item_id is None and second.previous_item_id == first.item.id, (first, second))


@story.works(TALK, "a refused event is an error with its event_id, and the session lives on")
async def _(server):
    async with connect(server) as connection:
        await connection.recv()
        await connection.send({"type": "conversation.item.delete", "item_id": "no_such", "event_id": "mine"})
        error = (await until(connection, "error"))[-1].error
        expect(error.event_id == "mine" and error.message, error)
        await connection.send({"type": "no.such.event", "event_id": "mine too"})
        error = (await until(connection, "error"))[-1].error
        expect(error.event_id == "mine too", error)
        await configure(connection, session(modalities=["text"]))


@story.works(TALK, "a buffer is cleared, and an empty one cannot be committed")
async def _(server):
    async with connect(server) as connection:
        await configure(connection, session())
        await send_at_once(connection, say(server, SUNDAY))
        await connection.input_audio_buffer.clear()
        await until(connection, "input_audio_buffer.cleared")
        await connection.input_audio_buffer.commit()
        error = (await until(connection, "error"))[-1].error
    expect(error.code == "input_audio_buffer_commit_empty", error)


@story.works(TALK, "G.711 is taken and brought, as on the telephone", models=True)
async def _(server):
    import base64

    async with connect(server) as connection:
        settings = session(instructions=BRIEF)
        settings["audio"]["output"]["format"] = {"type": "audio/pcmu"}
        await configure(connection, settings)
        await ask(connection, "Say hello.")
        await connection.response.create()
        events = await until(connection, "response.done")
    sound = b"".join(base64.b64decode(e.delta) for e in events if e.type == "response.output_audio.delta")
    # Silence is 0xFF in mu-law; speech has most of the other values too.
    expect(len(sound) > 2000 and len(set(sound)) > 60, (len(sound), len(set(sound))))


@story.works(TRANSCRIBE, "speech becomes text by server_vad, without a reply", models=True)
async def _(server):
    async with asynchronous(server).realtime.connect(extra_query={"intent": "transcription"}) as connection:
        audio_in = {"format": {"type": "audio/pcm", "rate": 24000}, "turn_detection": SERVER_VAD}
        audio_in["transcription"] = {"model": "gpt-4o-mini-transcribe", "language": "en"}
        settings = {"type": "transcription", "audio": {"input": audio_in}}
        await configure(connection, settings)
        await speak(connection, say(server, SUNDAY))
        events = await until(connection, "conversation.item.input_audio_transcription.completed")
    expect(share_heard(SUNDAY, events[-1].transcript) >= 0.7, events[-1])
    expect(not [event for event in events if event.type.startswith("response.")], "it replied")


@story.works(TRANSCRIBE, "speech becomes text when the client commits", models=True)
async def _(server):
    async with asynchronous(server).realtime.connect(extra_query={"intent": "transcription"}) as connection:
        audio_in = {"format": {"type": "audio/pcm", "rate": 24000}, "turn_detection": None}
        audio_in["transcription"] = {"model": "gpt-live-transcribe"}
        await configure(connection, {"type": "transcription", "audio": {"input": audio_in}})
        await send_at_once(connection, say(server, SUNDAY))
        await connection.input_audio_buffer.commit()
        events = await until(connection, "conversation.item.input_audio_transcription.completed")
    expect(share_heard(SUNDAY, events[-1].transcript) >= 0.7, events[-1])


@story.works(SECRETS, "a client secret opens a session with the settings it was made with")
async def _(server):
    settings = session(modalities=["text"], instructions=BRIEF)
    made = sync(server).realtime.client_secrets.create(
        expires_after={"anchor": "created_at", "seconds": 60}, session=settings | {"model": MODEL}
    )
    expect(made.value.startswith("ek_") and made.expires_at > 0, made)
    client = asynchronous(server).with_options(api_key=made.value)
    async with client.realtime.connect(model=MODEL, extra_headers={"x-forwarded-for": "203.0.113.7"}) as connection:
        created = await connection.recv()
    expect(created.type == "session.created" and created.session.instructions == BRIEF, created)


@story.refused(SECRETS, "a secret that is to live for less than 10 seconds is refused", param="expires_after.seconds")
def _(server):
    sync(server).realtime.client_secrets.create(expires_after={"anchor": "created_at", "seconds": 1})


run_story(story)
