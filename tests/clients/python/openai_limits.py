"""OpenAI's Python client against a server that serves one request at a time: 429 and retries."""

import threading

import openai
from sdk import LLM, sync
from story import Story, expect, run_story

story = Story("openai Python")
LIMITS = "limits"
LONG = [{"role": "user", "content": "Count from one to one hundred in words."}]


class Busy:
    """Keeps the server at work with a streamed answer."""

    def __init__(self, server):
        self.stream = sync(server).chat.completions.create(model=LLM, messages=LONG, max_tokens=200, stream=True)
        next(iter(self.stream))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()


@story.works(LIMITS, "a request too many is RateLimitError with retry-after", models=True)
def _(server):
    with Busy(server):
        try:
            sync(server).chat.completions.create(model=LLM, messages=LONG, max_tokens=1)
        except openai.RateLimitError as error:
            expect(error.code == "rate_limit_exceeded" and error.response.headers.get("retry-after"), error.body)
            return
    raise AssertionError("the second request was served too")


@story.works(LIMITS, "the client's own retries wait and succeed", models=True)
def _(server):
    with Busy(server) as busy:
        threading.Timer(1.5, busy.stream.close).start()
        answer = sync(server, max_retries=8).chat.completions.create(model=LLM, messages=LONG, max_tokens=1)
        expect(answer.choices, answer)


run_story(story)
