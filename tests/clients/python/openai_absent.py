"""OpenAI's Python client: what this server does not have answers 404, as an unknown route does."""

from sdk import LLM, sync
from story import Story, run_story

story = Story("openai Python")


@story.absent("POST /v1/images/generations", "pictures")
def _(server):
    sync(server).images.generate(model="gpt-image-1", prompt="a cat")


@story.absent("/v1/files", "files, and what is made with them")
def _(server):
    sync(server).files.list()


@story.absent("/v1/batches", "batches")
def _(server):
    sync(server).batches.list()


@story.absent("/v1/fine_tuning/jobs", "fine-tuning")
def _(server):
    sync(server).fine_tuning.jobs.list()


@story.absent("/v1/vector_stores", "vector stores")
def _(server):
    sync(server).vector_stores.list()


@story.absent("/v1/conversations", "conversations that outlive their responses")
def _(server):
    sync(server).conversations.create()


@story.absent("GET /v1/chat/completions", "stored chats")
def _(server):
    sync(server).chat.completions.list()


@story.absent("POST /v1/responses/compact", "long conversations made shorter")
def _(server):
    sync(server).responses.compact(model=LLM, input="Hello")


@story.absent("POST /v1/realtime/calls", "WebRTC")
def _(server):
    sync(server).realtime.calls.create(sdp="v=0")


@story.absent("WS /v1/live/sessions", "GPT-Live")
def _(server):
    sync(server).get("/live/sessions", cast_to=object)


run_story(story)
