"""OpenAI's Python client against a server that still loads its models: 503, and retries that wait for them."""

import time

import openai
from sdk import LLM, sync
from story import Story, expect, run_story

story = Story("openai Python")
LOADING = "while models load"


def first_answer(client, call):
    """What the server says first, once it listens."""
    for _ in range(600):
        try:
            return call(client)
        except openai.APIConnectionError:
            time.sleep(0.05)
    raise AssertionError("nobody listens")


@story.works(LOADING, "a request is InternalServerError 503 with code models_loading and retry-after", models=True)
def _(server):
    try:
        first_answer(sync(server), lambda client: client.models.list())
    except openai.InternalServerError as error:
        expect(error.status_code == 503 and error.code == "models_loading", error.body)
        expect(error.response.headers.get("retry-after"), dict(error.response.headers))
        return
    raise AssertionError("the models were there at once")


@story.works(LOADING, "the client's own retries wait until it answers", models=True)
def _(server):
    hello = [{"role": "user", "content": "Hello"}]
    answer = sync(server, max_retries=20).chat.completions.create(model=LLM, messages=hello, max_tokens=4)
    expect(answer.choices, answer)


run_story(story)
