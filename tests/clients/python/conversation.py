"""A spoken conversation over /v1/realtime: people's recordings in, three turns, one of them spoken into the reply."""

import asyncio
import base64

import numpy
from realtime_talk import MODEL, RATE, SERVER_VAD, configure, heard_by_server, session, speak
from sdk import asynchronous
from speech import BEGIN, PLATFORMS, SUNDAY, say, share_heard
from story import Story, expect, run_story

story = Story("openai Python")
TALK = "WS /v1/realtime"
INSTRUCTIONS = "You talk with a caller on the telephone. Answer with two or three full sentences, politely."


class Reply:
    """One response: what was said, what of it was cut off."""

    def __init__(self, started_at: float):
        self.sound, self.transcript = bytearray(), ""
        self.started_at, self.first_sound_at = started_at, None
        self.item_id, self.status, self.reason = None, None, None

    @property
    def samples(self) -> numpy.ndarray:
        return numpy.frombuffer(bytes(self.sound), "<i2")


class Caller:
    """Reads every event of a session, as a telephone would that plays what it is sent."""

    def __init__(self, connection):
        self.connection = connection
        self.clock = asyncio.get_running_loop().time
        self.replies: dict[str, Reply] = {}
        self.heard: list[str] = []
        self.stopped_at = 0.0
        self.truncated = asyncio.Event()
        self.changed = asyncio.Condition()

    async def read(self) -> None:
        async for event in self.connection:
            await self.take(event)
            async with self.changed:
                self.changed.notify_all()

    async def take(self, event) -> None:
        match event.type:
            case "error":
                raise AssertionError(event.error)
            case "input_audio_buffer.speech_started":
                await self.stop_playing()
            case "input_audio_buffer.speech_stopped":
                self.stopped_at = self.clock()
            case "conversation.item.input_audio_transcription.completed":
                self.heard.append(event.transcript)
            case "conversation.item.truncated":
                self.truncated.set()
            case "response.created":
                self.replies[event.response.id] = Reply(self.clock())
            case "response.output_audio.delta":
                reply = self.replies[event.response_id]
                reply.item_id = event.item_id
                reply.first_sound_at = reply.first_sound_at or self.clock()
                reply.sound += base64.b64decode(event.delta)
            case "response.output_audio_transcript.delta":
                self.replies[event.response_id].transcript += event.delta
            case "response.done":
                details = event.response.status_details
                reply = self.replies[event.response.id]
                reply.status, reply.reason = event.response.status, details.reason if details else None
            case _:
                pass

    async def stop_playing(self) -> None:
        """What a client does when it is spoken into: silence, and the server is told what was heard."""
        for reply in self.replies.values():
            if reply.first_sound_at is None:
                continue
            played_ms = int(1000 * (self.clock() - reply.first_sound_at))
            if played_ms < 1000 * len(reply.samples) / RATE:
                cut = {"item_id": reply.item_id, "content_index": 0, "audio_end_ms": played_ms}
                await self.connection.conversation.item.truncate(**cut)

    async def wait_for(self, holds) -> None:
        async with self.changed:
            await self.changed.wait_for(holds)

    def nth(self, number: int) -> Reply | None:
        return list(self.replies.values())[number] if len(self.replies) > number else None


async def with_caller(server, talk):
    settings = session(vad=SERVER_VAD, instructions=INSTRUCTIONS, max_output_tokens=120)
    async with asynchronous(server).realtime.connect(model=MODEL) as connection:
        await configure(connection, settings)
        caller = Caller(connection)
        reading = asyncio.create_task(caller.read())
        talking = asyncio.create_task(talk(caller))
        done, _ = await asyncio.wait([reading, talking], return_when=asyncio.FIRST_COMPLETED)
        reading.cancel()
        talking.cancel()
        for task in done:
            task.result()
    return caller


@story.works(TALK, "a spoken conversation of three turns, one spoken into the reply, in and out intelligible", models=True)
async def _(server):
    async def talk(caller):
        await speak(caller.connection, say(server, SUNDAY), silence_s=1)
        await caller.wait_for(lambda: caller.nth(0) and caller.nth(0).status)
        # As long as the reply sounds the caller listens.
        await asyncio.sleep(len(caller.nth(0).samples) / RATE)
        await speak(caller.connection, say(server, PLATFORMS), silence_s=1)
        await caller.wait_for(lambda: caller.nth(1) and len(caller.nth(1).samples) > RATE)
        await speak(caller.connection, say(server, BEGIN), silence_s=1)
        await caller.wait_for(lambda: caller.nth(2) and caller.nth(2).status and len(caller.heard) >= 3)

    caller = await with_caller(server, talk)
    for said, heard in zip((SUNDAY, PLATFORMS, BEGIN), caller.heard, strict=True):
        expect(share_heard(said, heard) >= 0.6, f"said {said!r}, heard {heard!r}")
    first, second, third = caller.replies.values()
    # A reply that was whole before the caller spoke is cut only in what is remembered of it.
    cut_while_made = second.status == "cancelled" and second.reason == "turn_detected"
    expect(cut_while_made or caller.truncated.is_set(), (second.status, second.reason))
    waits = []
    for reply in (first, third):
        expect(reply.status == "completed", reply.status)
        heard = heard_by_server(server, reply.samples)
        expect(share_heard(reply.transcript, heard) >= 0.5, f"written {reply.transcript!r}, heard {heard!r}")
        waits.append(f"{reply.transcript!r}, heard {heard!r}")
    return f"interrupted: {second.status} {second.reason}; " + "; ".join(waits)


run_story(story)
