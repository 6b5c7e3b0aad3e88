"""Speech to send: recordings of people where the machine has them, else the server's own voice."""

import io
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy
import openai
import soundfile
import soxr
from story import Server

# Recordings by what is said in them.
RECORDINGS = {
    "Sunday is the best part of the week.": "sb_spk1__spk1_snt5.flac",
    "The child almost hurt the small dog.": "sb_spk1__spk1_snt1.flac",
    "Drop the two when you add the figures.": "sb_spk1__spk1_snt2.flac",
    "Today only platforms one and three are used.": "pv_en__test_en.flac",
    "Let me see, how can I begin?": "libri3331__3331-159605-0006.flac",
    "Please try your call again later.": "ast_en_please-try-call-later.flac",
}
SUNDAY, DOG, FIGURES, PLATFORMS, BEGIN, LATER = RECORDINGS


@dataclass(frozen=True)
class Speech:
    """One channel of 16-bit samples, and what is said in them."""

    text: str
    samples: numpy.ndarray
    rate: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    def pcm(self, rate: int = 24_000) -> bytes:
        """Little-endian samples at another rate."""
        if rate == self.rate:
            return self.samples.astype("<i2").tobytes()
        return soxr.resample(self.samples, self.rate, rate).astype("<i2").tobytes()

    def file(self, kind: str = "WAV") -> tuple[str, bytes]:
        """As an upload: a name and bytes. WAV, FLAC, OGG or MP3."""
        buffer = io.BytesIO()
        soundfile.write(buffer, self.samples, self.rate, format=kind)
        return f"speech.{kind.lower()}", buffer.getvalue()


@cache
def say(server: Server, text: str) -> Speech:
    """The recording in which this is said, or the server's voice that says it."""
    path = Path(os.environ.get("TRUNKLINE_SPEECH", "nowhere"), "dev", RECORDINGS.get(text, "none"))
    if path.is_file():
        samples, rate = soundfile.read(path, dtype="int16")
        return Speech(text, samples, rate)
    client = openai.OpenAI(base_url=server.base_url, api_key=server.key)
    spoken = client.audio.speech.create(model="tts-1", voice="alloy", input=text, response_format="pcm")
    return Speech(text, numpy.frombuffer(spoken.read(), "<i2"), 24_000)


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


def share_heard(said: str, heard: str) -> float:
    """The share of the words said that were heard, in any order."""
    heard_words = set(words(heard))
    said_words = words(said)
    return sum(word in heard_words for word in said_words) / max(1, len(said_words))
