"""OpenAI's Python client: chats, streamed and whole, with tools and with structured output."""

import json

import openai
from openai_visit import VISIT_QUESTION, Visit
from sdk import LLM, asynchronous, sync
from story import Story, expect, run_story

story = Story("openai Python")
CHAT = "POST /v1/chat/completions"
HELLO = [{"role": "user", "content": "Say hello."}]
ECHO = [{"role": "user", "content": "Say these words again, nothing else: red green blue yellow black white"}]
COUNT = [{"role": "user", "content": "Count from 1 to 20 in digits, separated by commas."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PARIS = [{"role": "user", "content": "What is the weather in Paris? Use the tool."}]
VISIT = [{"role": "user", "content": VISIT_QUESTION}]


def chat(server, messages=HELLO, **options):
    return sync(server).chat.completions.create(model=LLM, messages=messages, **({"max_tokens": 24} | options))


@story.works(CHAT, "a question is answered, with an id, usage and a reason to end")
def _(server):
    answer = chat(server)
    choice = answer.choices[0]
    expect(answer.object == "chat.completion" and answer.id.startswith("chatcmpl-"), answer)
    expect(choice.message.role == "assistant" and choice.message.content, answer)
    expect(choice.finish_reason in ("stop", "length"), answer)
    usage = answer.usage
    expect(usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0, usage)
    expect(usage.prompt_tokens_details is not None and usage.completion_tokens_details is not None, usage)
    expect(answer._request_id, "no request id")


@story.works(CHAT, "an async program is answered")
async def _(server):
    client = asynchronous(server)
    answer = await client.chat.completions.create(model=LLM, messages=HELLO, max_tokens=8)
    expect(answer.choices[0].message.content, answer)


@story.works(CHAT, "a stream is the same text in pieces")
def _(server):
    # The second of two, so that both find the prompt evaluated: rounding differs otherwise, and with it the words.
    whole = [chat(server, ECHO, temperature=0, max_tokens=8).choices[0] for _ in range(2)][1]
    chunks = list(chat(server, ECHO, temperature=0, max_tokens=8, stream=True))
    expect(all(c.object == "chat.completion.chunk" and c.id == chunks[0].id for c in chunks), chunks)
    expect(chunks[0].choices[0].delta.role == "assistant", chunks[0])
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    expect(text == whole.message.content and text, (text, whole.message.content))
    reasons = [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
    expect(reasons == [whole.finish_reason], (reasons, whole.finish_reason))
    expect(all(c.usage is None for c in chunks), "usage that was not asked for")


@story.works(CHAT, "include_usage brings a last chunk with usage and no choices")
def _(server):
    chunks = list(chat(server, stream=True, stream_options={"include_usage": True}))
    expect(chunks[-1].choices == [] and chunks[-1].usage.total_tokens > 0, chunks[-1])
    expect(all(c.usage is None and "usage" in c.model_fields_set for c in chunks[:-1]), chunks[0])


@story.works(CHAT, "an async stream is read with the stream helper")
async def _(server):
    async with asynchronous(server).chat.completions.stream(model=LLM, messages=ECHO, temperature=0, max_tokens=200) as stream:
        kinds = {event.type async for event in stream}
        final = await stream.get_final_completion()
    expect("content.delta" in kinds and "content.done" in kinds, kinds)
    expect(final.choices[0].message.content, final)


@story.works(CHAT, "a stream that is left early frees the server")
def _(server):
    stream = chat(server, COUNT, stream=True, max_tokens=400)
    next(iter(stream))
    stream.close()
    expect(chat(server, max_tokens=4).choices, "no answer")


@story.works(CHAT, "the conversation so far counts", models=True)
def _(server):
    messages = [
        {"role": "system", "content": "Answer in one short sentence."},
        {"role": "user", "content": "My name is Alice."},
        {"role": "assistant", "content": "Nice to meet you, Alice."},
        {"role": "user", "content": "What is my name?"},
    ]
    content = chat(server, messages, temperature=0).choices[0].message.content
    expect("alice" in content.lower(), content)


@story.works(CHAT, "developer messages, text parts and names are understood")
def _(server):
    messages = [
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "name": "anna", "content": [{"type": "text", "text": "Say "}, {"type": "text", "text": "hello."}]},
    ]
    expect(chat(server, messages).choices[0].message.content, "no answer")


@story.works(CHAT, "max_tokens and max_completion_tokens end an answer with length", models=True)
def _(server):
    for name in ("max_tokens", "max_completion_tokens"):
        answer = sync(server).chat.completions.create(model=LLM, messages=COUNT, temperature=0, **{name: 5})
        expect(answer.choices[0].finish_reason == "length" and answer.usage.completion_tokens <= 6, answer)


@story.works(CHAT, "stop ends an answer before the word", models=True)
def _(server):
    for stop in ("7", ["7", "never"]):
        answer = chat(server, COUNT, stop=stop, temperature=0, max_tokens=40).choices[0]
        expect("7" not in answer.message.content and answer.finish_reason == "stop", answer)


@story.works(CHAT, "a stream never shows a part of the word that stops it", models=True)
def _(server):
    chunks = chat(server, COUNT, stop=", 7", temperature=0, max_tokens=40, stream=True)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    expect("6" in text and not text.endswith(","), text)


@story.works(CHAT, "the same seed gives the same words", models=True)
def _(server):
    poem = [{"role": "user", "content": "Write a line about the sea."}]
    # From the second on, so that all find the prompt evaluated.
    texts = [chat(server, poem, seed=7, temperature=1.2).choices[0].message.content for _ in range(3)]
    expect(texts[1] == texts[2], texts)


@story.works(CHAT, "n brings several choices", models=True)
def _(server):
    answer = chat(server, n=2, temperature=1.0, seed=3)
    expect([choice.index for choice in answer.choices] == [0, 1], answer)
    chunks = [c for c in chat(server, n=2, stream=True, max_tokens=6) if c.choices]
    expect({c.choices[0].index for c in chunks} == {0, 1}, chunks)


@story.works(CHAT, "logprobs are those of the tokens, with the likeliest others", models=True)
def _(server):
    choice = chat(server, temperature=0, logprobs=True, top_logprobs=3, max_tokens=6).choices[0]
    tokens = choice.logprobs.content
    expect("".join(token.token for token in tokens).strip() == choice.message.content.strip(), choice)
    expect(all(token.logprob <= 0 and len(token.top_logprobs) == 3 and token.bytes for token in tokens), tokens)
    expect(tokens[0].top_logprobs[0].token == tokens[0].token, tokens[0])


@story.works(CHAT, "logit_bias and penalties are honoured", models=True)
def _(server):
    answer = chat(server, COUNT, temperature=0, frequency_penalty=0.5, presence_penalty=0.5, max_tokens=12)
    expect(answer.choices[0].message.content, answer)


@story.works(CHAT, "a tool is called, and its result is spoken of", models=True)
def _(server):
    first = chat(server, PARIS, tools=[WEATHER], tool_choice="auto", temperature=0, max_tokens=200).choices[0]
    expect(first.finish_reason == "tool_calls" and first.message.content is None, first)
    call = first.message.tool_calls[0]
    expect(call.type == "function" and call.function.name == "get_weather" and call.id, call)
    expect("paris" in json.loads(call.function.arguments)["city"].lower(), call)
    result = {"role": "tool", "tool_call_id": call.id, "content": '{"sky": "sunny", "celsius": 21}'}
    # Offered the tool again, or not asked again, a small model calls again.
    again = {"role": "user", "content": "So how is the sky? Answer me in one short sentence."}
    messages = [*PARIS, first.message.model_dump(exclude_none=True), result, again]
    second = chat(server, messages, temperature=0)
    content = second.choices[0].message.content or ""
    expect("sunny" in content.lower() or "21" in content, second)


@story.works(CHAT, "a streamed tool call has its id and name first, then only arguments", models=True)
def _(server):
    chunks = chat(server, PARIS, tools=[WEATHER], tool_choice="required", temperature=0, max_tokens=60, stream=True)
    deltas = [call for c in chunks if c.choices for call in c.choices[0].delta.tool_calls or []]
    expect(deltas[0].id and deltas[0].function.name == "get_weather" and deltas[0].type == "function", deltas)
    expect(all(d.index == 0 and not d.id and not d.function.name for d in deltas[1:]), deltas)
    arguments = "".join(d.function.arguments or "" for d in deltas)
    expect("city" in json.loads(arguments), arguments)


@story.works(CHAT, "tool_choice none, required and by name are honoured", models=True)
def _(server):
    other = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}
    none = chat(server, PARIS, tools=[WEATHER], tool_choice="none").choices[0]
    expect(not none.message.tool_calls, none)
    required = chat(server, HELLO, tools=[WEATHER], tool_choice="required", temperature=0, max_tokens=200).choices[0]
    expect(required.message.tool_calls, required)
    named = {"type": "function", "function": {"name": "get_time"}}
    chosen = chat(server, PARIS, tools=[WEATHER, other], tool_choice=named, temperature=0, max_tokens=200).choices[0]
    expect(chosen.message.tool_calls[0].function.name == "get_time", chosen)


@story.works(CHAT, "parse with a pydantic model brings a value of it", models=True)
def _(server):
    answer = sync(server).chat.completions.parse(model=LLM, messages=VISIT, response_format=Visit, temperature=0, max_tokens=80)
    visit = answer.choices[0].message.parsed
    expect(isinstance(visit, Visit) and visit.day == "friday", answer)


@story.works(CHAT, "an async stream with a pydantic model is parsed at its end", models=True)
async def _(server):
    options = {"response_format": Visit, "temperature": 0, "max_tokens": 80}
    async with asynchronous(server).chat.completions.stream(model=LLM, messages=VISIT, **options) as stream:
        final = await stream.get_final_completion()
    expect(isinstance(final.choices[0].message.parsed, Visit), final)


@story.works(CHAT, "json_object brings JSON", models=True)
def _(server):
    answer = chat(server, VISIT, response_format={"type": "json_object"}, temperature=0, max_tokens=80)
    expect(isinstance(json.loads(answer.choices[0].message.content), dict), answer)


@story.works(CHAT, "an answer cut short is LengthFinishReasonError in parse", models=True)
def _(server):
    try:
        sync(server).chat.completions.parse(model=LLM, messages=VISIT, response_format=Visit, max_tokens=3)
    except openai.LengthFinishReasonError:
        return
    raise AssertionError("nothing was raised")


@story.works(CHAT, "settings that do not matter here are passed over")
def _(server):
    options = {"user": "anna", "store": False, "metadata": {"a": "b"}, "service_tier": "auto", "verbosity": "low"}
    options |= {"parallel_tool_calls": True, "tools": [WEATHER], "prompt_cache_key": "k", "safety_identifier": "s"}
    expect(chat(server, max_completion_tokens=8, **options).choices, "no answer")


@story.refused(CHAT, "sound as output is refused: speak with /v1/audio/speech or /v1/realtime", param="modalities")
def _(server):
    chat(server, modalities=["text", "audio"], audio={"voice": "alloy", "format": "wav"})


@story.refused(CHAT, "temperature beyond 2 is refused", param="temperature")
def _(server):
    chat(server, temperature=2.5)


@story.refused(CHAT, "more than 20 top_logprobs are refused", param="top_logprobs")
def _(server):
    chat(server, logprobs=True, top_logprobs=21)


@story.refused(CHAT, "a chat without messages is refused", param="messages")
def _(server):
    chat(server, [])


@story.works(CHAT, "an image in a message is refused with the part's path")
def _(server):
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    try:
        chat(server, [{"role": "user", "content": [image]}])
    except openai.BadRequestError as error:
        expect((error.param or "").startswith("messages"), error.body)
        return
    raise AssertionError("it was taken")


@story.works(CHAT, "a chat longer than the model's memory is refused", models=True)
def _(server):
    try:
        chat(server, [{"role": "user", "content": "word " * 20_000}])
    except openai.BadRequestError as error:
        expect(error.code, error.body)
        return
    raise AssertionError("it was taken")


run_story(story)
