"""OpenAI's Python client: plain completions."""

from sdk import LLM, sync
from story import Story, expect, run_story

story = Story("openai Python")
COMPLETIONS = "POST /v1/completions"


@story.works(COMPLETIONS, "a text is gone on with, whole and streamed")
def _(server):
    client = sync(server)
    answer = client.completions.create(model=LLM, prompt="One, two, three,", max_tokens=8, temperature=0)
    expect(answer.object == "text_completion" and answer.choices[0].text and answer.usage.total_tokens, answer)
    chunks = list(client.completions.create(model=LLM, prompt="One, two,", max_tokens=8, temperature=0, stream=True))
    expect("".join(c.choices[0].text for c in chunks if c.choices), chunks)


@story.works(COMPLETIONS, "several prompts, echo and stop are honoured", models=True)
def _(server):
    client = sync(server)
    answer = client.completions.create(model=LLM, prompt=["One, two,", "Red, green,"], max_tokens=4, echo=True)
    expect([c.text.split(",")[0] for c in answer.choices] == ["One", "Red"], answer)
    stopped = client.completions.create(model=LLM, prompt="1, 2, 3, 4,", max_tokens=24, stop=["7"], temperature=0)
    expect("7" not in stopped.choices[0].text and stopped.choices[0].finish_reason == "stop", stopped)


run_story(story)
