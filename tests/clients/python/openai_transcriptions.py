"""OpenAI's Python client: recordings become text."""

import base64
import io

import soundfile
from sdk import WHISPER, asynchronous, sync
from speech import DOG, PLATFORMS, SUNDAY, say, share_heard
from story import Story, expect, run_story

story = Story("openai Python")
HEAR, TRANSLATE = "POST /v1/audio/transcriptions", "POST /v1/audio/translations"


def hear(server, text=SUNDAY, kind="WAV", **options):
    options = {"model": WHISPER} | options
    return sync(server).audio.transcriptions.create(file=say(server, text).file(kind), **options)


def is_heard(said, heard):
    expect(share_heard(said, heard) >= 0.7, f"said {said!r}, heard {heard!r}")


@story.works(HEAR, "speech becomes its words, with usage in seconds", models=True)
def _(server):
    heard = hear(server)
    is_heard(SUNDAY, heard.text)
    expect(heard.usage is None or heard.usage.type in ("duration", "tokens"), heard)


@story.works(HEAR, "an async program is answered")
async def _(server):
    file = say(server, SUNDAY).file()
    heard = await asynchronous(server).audio.transcriptions.create(model="gpt-4o-mini-transcribe", file=file)
    expect(heard.text, heard)


@story.works(HEAR, "WAV, FLAC, OGG and MP3 are read", models=True)
def _(server):
    for kind in ("WAV", "FLAC", "OGG", "MP3"):
        is_heard(SUNDAY, hear(server, kind=kind).text)


@story.works(HEAR, "two channels at 44.1 kHz are read", models=True)
def _(server):
    import numpy
    import soxr

    speech = say(server, SUNDAY)
    samples = soxr.resample(speech.samples, speech.rate, 44_100)
    file = io.BytesIO()
    soundfile.write(file, numpy.stack([samples, samples], axis=1), 44_100, format="WAV")
    answer = sync(server).audio.transcriptions.create(model=WHISPER, file=("stereo.wav", file.getvalue()))
    is_heard(SUNDAY, answer.text)


@story.works(HEAR, "text is plain text")
def _(server):
    text = hear(server, response_format="text")
    expect(isinstance(text, str) and text.strip() and "{" not in text, text)


@story.works(HEAR, "srt and vtt are subtitles")
def _(server):
    srt = hear(server, response_format="srt")
    expect(srt.startswith("1\n00:00:0") and " --> " in srt and "," in srt.splitlines()[1], srt)
    vtt = hear(server, response_format="vtt")
    expect(vtt.startswith("WEBVTT") and " --> " in vtt, vtt)


@story.works(HEAR, "verbose_json has the language, the length and segments in order")
def _(server):
    speech = say(server, SUNDAY)
    heard = hear(server, response_format="verbose_json")
    expect(abs(float(heard.duration) - speech.seconds) < 0.3 and heard.language, heard)
    expect(heard.segments and heard.text, heard)
    for segment in heard.segments:
        expect(0 <= segment.start <= segment.end <= speech.seconds + 1, segment)
        expect(segment.avg_logprob <= 0 and 0 <= segment.no_speech_prob <= 1 and segment.compression_ratio >= 0, segment)


@story.works(HEAR, "words have times within the recording, in order", models=True)
def _(server):
    heard = hear(server, response_format="verbose_json", timestamp_granularities=["word", "segment"])
    expect(heard.words and heard.segments, heard)
    is_heard(SUNDAY, " ".join(word.word for word in heard.words))
    starts = [word.start for word in heard.words]
    expect(starts == sorted(starts) and all(0 <= w.start <= w.end <= 4 for w in heard.words), heard.words)


@story.works(HEAR, "a stream brings the text in pieces and whole at its end", models=True)
def _(server):
    events = list(hear(server, model="gpt-4o-mini-transcribe", stream=True))
    expect(events[-1].type == "transcript.text.done", events[-1])
    deltas = "".join(event.delta for event in events if event.type == "transcript.text.delta")
    expect(deltas.strip() == events[-1].text.strip(), (deltas, events[-1].text))
    is_heard(SUNDAY, events[-1].text)


@story.works(HEAR, "an async stream brings the text too")
async def _(server):
    file = say(server, SUNDAY).file()
    client = asynchronous(server)
    stream = await client.audio.transcriptions.create(model="gpt-4o-transcribe", file=file, stream=True)
    events = [event async for event in stream]
    expect(events[-1].type == "transcript.text.done" and events[-1].text, events)


@story.works(HEAR, "logprobs are those of the tokens", models=True)
def _(server):
    heard = hear(server, model="gpt-4o-transcribe", response_format="json", include=["logprobs"])
    expect(heard.logprobs and all(piece.logprob <= 0 and piece.token is not None for piece in heard.logprobs), heard)


@story.works(HEAR, "prompt, language, temperature and chunking_strategy are taken")
def _(server):
    options = {"prompt": "Weekdays.", "language": "en", "temperature": 0.0, "chunking_strategy": "auto"}
    expect(hear(server, **options).text, "nothing was heard")


@story.works(HEAR, "a prompt with a rare name makes it be written so", models=True)
def _(server):
    heard = hear(server, DOG, prompt="The Child and the Small Dog").text
    is_heard(DOG, heard)


@story.works(HEAR, "silence is no text", models=True)
def _(server):
    file = io.BytesIO()
    soundfile.write(file, [0.0] * 32_000, 16_000, format="WAV")
    heard = sync(server).audio.transcriptions.create(model=WHISPER, file=("silence.wav", file.getvalue()))
    expect(heard.text.strip() == "", heard)


@story.works(HEAR, "several at once are all heard", models=True)
async def _(server):
    import asyncio

    client = asynchronous(server)
    said = [SUNDAY, DOG, PLATFORMS, SUNDAY]
    heard = await asyncio.gather(
        *(client.audio.transcriptions.create(model=WHISPER, file=say(server, text).file()) for text in said)
    )
    for text, answer in zip(said, heard, strict=True):
        is_heard(text, answer.text)


@story.refused(HEAR, "a file that is no sound is refused", param="file")
def _(server):
    sync(server).audio.transcriptions.create(model=WHISPER, file=("a.wav", b"this is no sound at all" * 100))


@story.refused(HEAR, "an unknown response_format is refused", param="response_format")
def _(server):
    hear(server, response_format="xml")


@story.works(HEAR, "diarized_json has a speaker for each segment, a known one by name", models=True)
def _(server):
    options = {"model": "gpt-4o-transcribe-diarize", "response_format": "diarized_json"}
    heard = hear(server, **options)
    is_heard(SUNDAY, heard.text)
    expect(heard.segments and all(segment.speaker == "A" for segment in heard.segments), heard)
    reference = "data:audio/wav;base64," + base64.b64encode(say(server, SUNDAY).file()[1]).decode()
    heard = hear(server, **options, known_speaker_names=["anna"], known_speaker_references=[reference])
    expect(heard.segments and all(segment.speaker == "anna" for segment in heard.segments), heard)


@story.refused(HEAR, "known speakers without diarized_json are refused", param="known_speaker_names")
def _(server):
    reference = "data:audio/wav;base64," + base64.b64encode(say(server, SUNDAY).file()[1]).decode()
    hear(server, known_speaker_names=["anna"], known_speaker_references=[reference])


@story.refused(HEAR, "a temperature beyond 1 is refused", param="temperature")
def _(server):
    hear(server, temperature=3.0)


@story.works(TRANSLATE, "English stays English", models=True)
def _(server):
    heard = sync(server).audio.translations.create(model=WHISPER, file=say(server, SUNDAY).file())
    is_heard(SUNDAY, heard.text)


@story.works(TRANSLATE, "text, srt, vtt and verbose_json are brought")
def _(server):
    for kind in ("text", "srt", "vtt", "verbose_json"):
        file = say(server, SUNDAY).file()
        answer = sync(server).audio.translations.create(model=WHISPER, file=file, response_format=kind)
        expect(answer, kind)


run_story(story)
