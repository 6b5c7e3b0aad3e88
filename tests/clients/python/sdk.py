"""OpenAI's Python client, set up for the server under test: no retries, so that each failure is seen."""

import openai
from story import PATIENCE, Server

# Names that OpenAI's users have in their programs.
LLM, WHISPER, TTS, EMBEDDING = "gpt-4o-mini", "whisper-1", "tts-1", "text-embedding-3-small"


def sync(server: Server, **options) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.base_url, api_key=server.key, **({"max_retries": 0, "timeout": PATIENCE} | options))


def asynchronous(server: Server, **options) -> openai.AsyncOpenAI:
    settings = {"max_retries": 0, "timeout": PATIENCE} | options
    return openai.AsyncOpenAI(base_url=server.base_url, api_key=server.key, **settings)


def from_elsewhere(server: Server, **options) -> openai.OpenAI:
    """A client whose requests seem to come from another machine by a proxy, so that the key counts."""
    return sync(server, default_headers={"x-forwarded-for": "203.0.113.7"}, **options)
