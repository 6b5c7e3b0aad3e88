"""OpenAI's Python client: which models there are, and what every answer carries."""

import openai
from sdk import asynchronous, sync
from story import Story, expect, run_story

story = Story("openai Python")
LIST, SHOW = "GET /v1/models", "GET /v1/models/{id}"


@story.works(LIST, "every model has an id, an owner and a date")
def _(server):
    models = list(sync(server).models.list())
    expect(models and all(m.object == "model" and m.id and m.owned_by for m in models), models)
    expect(all(isinstance(m.created, int) for m in models), models)


@story.works(LIST, "an async program reads it")
async def _(server):
    models = [model async for model in asynchronous(server).models.list()]
    expect("whisper-1" in [model.id for model in models], models)


@story.works(SHOW, "every listed model is found by its id")
def _(server):
    client = sync(server)
    for model in client.models.list():
        expect(client.models.retrieve(model.id).id == model.id, model)


@story.works(SHOW, "OpenAI's names stand for local models")
def _(server):
    for name in ("gpt-4o-mini", "gpt-realtime", "whisper-1", "gpt-4o-transcribe", "tts-1-hd", "gpt-4o-mini-tts"):
        expect(sync(server).models.retrieve(name).id == name, name)


@story.works(SHOW, "an unknown model is NotFoundError with code model_not_found")
def _(server):
    try:
        sync(server).models.retrieve("no-such-model")
    except openai.NotFoundError as error:
        expect(error.code == "model_not_found", error.body)
        expect(set(error.body) == {"message", "type", "param", "code"}, error.body)
    else:
        raise AssertionError("it was found")


@story.works(LIST, "with_raw_response shows x-request-id and openai-processing-ms")
def _(server):
    answer = sync(server).models.with_raw_response.list()
    expect(answer.request_id and answer.headers.get("openai-processing-ms"), dict(answer.headers))
    expect(answer.parse().data, answer.text)


@story.works(LIST, "a server that is addressed as Azure's deployment is: header api-key")
def _(server):
    client = sync(server, default_headers={"api-key": server.key, "Authorization": "", "x-forwarded-for": "203.0.113.7"})
    expect(list(client.models.list()), "no models")


run_story(story)
