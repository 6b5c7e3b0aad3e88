"""OpenAI's Python client: texts become vectors."""

import base64
import math

import numpy
from sdk import EMBEDDING, asynchronous, sync
from story import Story, expect, run_story

story = Story("openai Python")
EMBEDDINGS = "POST /v1/embeddings"


def embed(server, texts, **options):
    return sync(server).embeddings.create(model=EMBEDDING, input=texts, **options)


def cosine(a, b):
    return float(numpy.dot(a, b) / (numpy.linalg.norm(a) * numpy.linalg.norm(b)))


@story.works(EMBEDDINGS, "what the client asks for by default, base64, is the floats it asks for otherwise")
def _(server):
    decoded = embed(server, "a cat").data[0].embedding
    floats = embed(server, "a cat", encoding_format="float").data[0].embedding
    expect(len(decoded) == len(floats) > 100, (len(decoded), len(floats)))
    expect(numpy.allclose(decoded, floats, atol=1e-5), "they differ")
    raw = embed(server, "a cat", encoding_format="base64").data[0].embedding
    expect(numpy.allclose(numpy.frombuffer(base64.b64decode(raw), "<f4"), floats, atol=1e-5), "the bytes differ")


@story.works(EMBEDDINGS, "several texts are embedded in order, with usage")
def _(server):
    answer = embed(server, ["a cat", "a kitten", "a tax return"])
    expect([item.index for item in answer.data] == [0, 1, 2] and answer.usage.prompt_tokens > 0, answer.usage)
    expect(all(math.isclose(numpy.linalg.norm(item.embedding), 1, abs_tol=1e-2) for item in answer.data), "not of length 1")


@story.works(EMBEDDINGS, "texts of like meaning are near to each other", models=True)
def _(server):
    cat, kitten, tax = [item.embedding for item in embed(server, ["a cat", "a kitten", "a tax return"]).data]
    expect(cosine(cat, kitten) > cosine(cat, tax) + 0.1, (cosine(cat, kitten), cosine(cat, tax)))


@story.works(EMBEDDINGS, "an async program is answered")
async def _(server):
    answer = await asynchronous(server).embeddings.create(model=EMBEDDING, input="a cat")
    expect(len(answer.data[0].embedding) > 100, answer)


@story.works(EMBEDDINGS, "dimensions shortens the vectors")
def _(server):
    vector = embed(server, "a cat", dimensions=64, encoding_format="float").data[0].embedding
    expect(len(vector) == 64 and math.isclose(numpy.linalg.norm(vector), 1, abs_tol=1e-2), len(vector))


@story.refused(EMBEDDINGS, "an empty text is refused", param="input")
def _(server):
    embed(server, "")


@story.refused(EMBEDDINGS, "more dimensions than the model has are refused", param="dimensions")
def _(server):
    embed(server, "a cat", dimensions=100_000)


run_story(story)
