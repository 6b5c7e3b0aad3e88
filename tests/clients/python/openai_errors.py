"""OpenAI's Python client: refusals become its exceptions, with all that the server said."""

import httpx2
import openai
from sdk import LLM, WHISPER, from_elsewhere, sync
from story import Story, expect, run_story

story = Story("openai Python")
ERRORS = "errors"
HELLO = [{"role": "user", "content": "Hello"}]


def raises(kind, call):
    """The exception of this kind, which the call must raise."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} was raised")


@story.works(ERRORS, "400 is BadRequestError with message, type, param and code")
def _(server):
    error = raises(openai.BadRequestError, lambda: sync(server).chat.completions.create(model=LLM, messages=HELLO, temperature=9))
    expect(error.param == "temperature" and error.type == "invalid_request_error" and error.message, error.body)
    expect(set(error.body) == {"message", "type", "param", "code"}, error.body)


@story.works(ERRORS, "what is wrong deep inside a request is named by its path")
def _(server):
    messages = [*HELLO, {"role": "user", "content": [{"type": "text", "text": 5}]}]
    error = raises(openai.BadRequestError, lambda: sync(server).chat.completions.create(model=LLM, messages=messages))
    expect((error.param or "").startswith("messages"), error.body)


@story.works(ERRORS, "401 is AuthenticationError, for a wrong key and for none")
def _(server):
    client = from_elsewhere(server)
    for shown in ("Bearer sk-wrong", openai.Omit()):
        error = raises(openai.AuthenticationError, lambda: client.models.list(extra_headers={"Authorization": shown}))
        expect(error.code == "invalid_api_key", error.body)


@story.works(ERRORS, "the right key is let through from elsewhere")
def _(server):
    expect(list(from_elsewhere(server).models.list()), "no models")


@story.works(ERRORS, "404 is NotFoundError for an unknown model")
def _(server):
    error = raises(openai.NotFoundError, lambda: sync(server).chat.completions.create(model="no-such-model", messages=HELLO))
    expect(error.code == "model_not_found" and error.param == "model", error.body)


@story.works(ERRORS, "404 is NotFoundError for an unknown route")
def _(server):
    error = raises(openai.NotFoundError, lambda: sync(server).get("/no/such/route", cast_to=object))
    expect(error.code == "unknown_url", error.body)


@story.works(ERRORS, "a model of another kind is a 400 that names the model")
def _(server):
    error = raises(openai.BadRequestError, lambda: sync(server).chat.completions.create(model="whisper-1", messages=HELLO))
    expect(error.param == "model", error.body)


@story.works(ERRORS, "an upload beyond the limit is 413 with code request_too_large")
def _(server):
    upload = ("long.wav", b"\0" * (26 * 1024 * 1024))
    error = raises(openai.APIStatusError, lambda: sync(server).audio.transcriptions.create(model=WHISPER, file=upload))
    expect(error.status_code == 413 and error.code == "request_too_large", error.body)


@story.works(ERRORS, "a body that is no JSON is a 400")
def _(server):
    answer = httpx2.post(f"{server.base_url}/chat/completions", content=b"{", headers={"authorization": f"Bearer {server.key}"})
    expect(answer.status_code == 400 and answer.json()["error"]["type"] == "invalid_request_error", answer.text)


@story.works(ERRORS, "a wrong method is 405 with a body of the same shape")
def _(server):
    error = raises(openai.APIStatusError, lambda: sync(server).get("/chat/completions/", cast_to=object))
    expect(error.status_code in (404, 405) and set(error.body) == {"message", "type", "param", "code"}, error.body)


@story.works(ERRORS, "an error carries the request's id")
def _(server):
    error = raises(openai.NotFoundError, lambda: sync(server).models.retrieve("no-such-model"))
    expect(error.request_id, dict(error.response.headers))


@story.works(ERRORS, "a time limit of the client is APITimeoutError, and the server lives on", models=True)
def _(server):
    client = sync(server, timeout=0.05)
    long = [{"role": "user", "content": "Count from one to two hundred in words."}]
    raises(openai.APITimeoutError, lambda: client.chat.completions.create(model=LLM, messages=long, max_tokens=200))
    expect(list(sync(server).models.list()), "no models")


@story.works(ERRORS, "unknown fields of a request are passed over")
def _(server):
    extra = {"a_field_of_tomorrow": {"x": 1}}
    sync(server).chat.completions.create(model=LLM, messages=HELLO, max_tokens=4, extra_body=extra)


run_story(story)
