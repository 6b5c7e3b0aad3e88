"""OpenAI's Python client: texts are judged, by a local check."""

import openai
from sdk import asynchronous, sync
from story import Story, expect, run_story

story = Story("openai Python")
MODERATIONS = "POST /v1/moderations"
THREAT = "I will find you and beat you up."


@story.works(MODERATIONS, "a text has a result with every category, its score and what it was judged by")
def _(server):
    answer = sync(server).moderations.create(model="omni-moderation-latest", input="I like cats.")
    expect(answer.id.startswith("modr-") and answer.model and len(answer.results) == 1, answer)
    result = answer.results[0]
    categories, scores = result.categories.model_dump(by_alias=True), result.category_scores.model_dump(by_alias=True)
    expect(len(categories) == 13 and categories.keys() == scores.keys(), categories)
    expect(all(isinstance(value, bool) for value in categories.values()), categories)
    expect(all(0 <= value <= 1 for value in scores.values()), scores)
    expect(result.flagged == any(categories.values()), result)
    expect(result.category_applied_input_types.violence == ["text"], result)


@story.works(MODERATIONS, "several texts have a result each, parts of one text have one; the model may be left out")
async def _(server):
    client = asynchronous(server)
    several = await client.moderations.create(input=["I like cats.", "I like dogs."])
    expect(len(several.results) == 2, several)
    parts = [{"type": "text", "text": "I like cats."}, {"type": "text", "text": "I like dogs."}]
    expect(len((await client.moderations.create(input=parts)).results) == 1, "parts")


@story.works(MODERATIONS, "a threat is flagged as one, a harmless text is not", models=True)
def _(server):
    threat, harmless = sync(server).moderations.create(input=[THREAT, "Please kill the process and restart it."]).results
    expect(threat.flagged and threat.categories.harassment_threatening and threat.categories.violence, threat)
    expect(not harmless.flagged, harmless)


@story.works(MODERATIONS, "one harmful sentence in a long text is found", models=True)
def _(server):
    text = "We open at nine. The bus stops at the door. " * 3 + THREAT + " Bring an umbrella."
    expect(sync(server).moderations.create(input=text).results[0].flagged, "not flagged")


@story.works(MODERATIONS, "a picture is refused with the part's path")
def _(server):
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    try:
        sync(server).moderations.create(input=[image])
    except openai.BadRequestError as error:
        expect(error.param == "input[0].type", error.body)
        return
    raise AssertionError("it was taken")


@story.refused(MODERATIONS, "a model that does not judge is refused", param="model")
def _(server):
    sync(server).moderations.create(model="whisper-1", input="I like cats.")


run_story(story)
