"""A caller with a script, the same over a telephone call (SIP, RTP) and over a WebSocket, for pipecat_turns.py.

It speaks clips as 8 kHz mu-law in packets of 20 ms at real-time pace, each when the other side has answered the one
before and has been quiet for 900 ms, and notes when which sound left and came. A clip ends with its last frame within
35 dB of its loudest and above -55 dBFS; an answer begins with the arrival of its first packet above -50 dBFS
(`trunkline call` draws the same lines). Sound that comes faster than it lasts is played out, not heard at once.
Times are seconds of the machine's clock, so that they may be compared between processes.

Needs: pip install numpy soundfile soxr websockets
"""
import asyncio
import audioop
import math
import random
import time
from dataclasses import dataclass, field

FRAME = 160
TICK = FRAME / 8000
AUDIBLE_DBFS = -50.0
QUIET_AFTER = 0.9
NO_ANSWER = 8.0
AFTER_EARLY = 3.0
BEFORE_FIRST = 1.0


class Refused(Exception):
    """The other side does not take the call."""


@dataclass
class Said:
    """One utterance: what, when its first and last sound left, and when the answer's first sound came."""

    clip: str
    began: float = 0.0
    ended: float = 0.0
    answered: float = None
    early: bool = False

    def total(self):
        """Mouth to ear, seconds; None without an answer of its own."""
        return None if self.early or self.answered is None else self.answered - self.ended


@dataclass
class Clip:
    name: str
    text: str
    sound: bytes
    span: tuple = field(default=(0, 0))


def dbfs(pcm):
    return 20 * math.log10(max(audioop.rms(pcm, 2), 1e-3) / 32768)


def read_clip(path, name, text):
    import numpy
    import soundfile
    import soxr

    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    sound = soxr.resample(sound.mean(axis=1), rate, 8000)
    pcm = (numpy.clip(sound, -1, 1) * 32767).astype("<i2").tobytes()
    frames = [dbfs(pcm[at:at + 2 * FRAME]) for at in range(0, len(pcm), 2 * FRAME)]
    heard = [n for n, level in enumerate(frames) if level > max(max(frames) - 35, -55)]
    return Clip(name, text, audioop.lin2ulaw(pcm, 2), (heard[0] * FRAME, (heard[-1] + 1) * FRAME))


class Ear:
    """When the other side was heard: stretches of [first sound's arrival, last sound's end]."""

    def __init__(self):
        self.stretches = []
        self.played = 0.0

    def hear(self, arrived, ulaw):
        pcm = audioop.ulaw2lin(ulaw, 2)
        sounding = self.is_sounding(arrived)
        self.played = (max(self.played, arrived) if sounding else arrived) + len(ulaw) / 8000
        if dbfs(pcm) < AUDIBLE_DBFS:
            return
        if sounding:
            self.stretches[-1][1] = self.played
        else:
            self.stretches.append([arrived, self.played])

    def drop(self, now):
        """What has come and not been played yet is not."""
        self.played = now
        if self.stretches:
            self.stretches[-1][1] = min(self.stretches[-1][1], now)

    def is_sounding(self, now):
        return bool(self.stretches) and now - self.stretches[-1][1] < QUIET_AFTER

    def first_after(self, at):
        return next((began for began, _ in self.stretches if began > at), None)


class WebSocketWire:
    """Binary messages of mu-law both ways; a text message says that what has not been played is void."""

    def __init__(self, url):
        self.url = url

    async def open(self, ear):
        from websockets.asyncio.client import connect

        self.socket = await connect(self.url, compression=None)
        self.listening = asyncio.create_task(self._listen(ear))

    async def _listen(self, ear):
        async for message in self.socket:
            if isinstance(message, bytes):
                ear.hear(time.time(), message)
            else:
                ear.drop(time.time())

    async def send(self, ulaw):
        from websockets.exceptions import ConnectionClosed

        try:
            await self.socket.send(ulaw)
        except ConnectionClosed as closed:
            raise ConnectionError("the other side hung up") from closed

    async def close(self):
        await self.socket.close()
        await asyncio.gather(self.listening, return_exceptions=True)


class SipWire:
    """A telephone call to 127.0.0.1: INVITE, ACK, RTP with mu-law, BYE (RFC 3261, RFC 3551)."""

    def __init__(self, port, user="bench"):
        self.port, self.user = port, user
        self.call_id = f"{random.getrandbits(64):016x}@bench"
        self.tag, self.remote_tag = f"{random.getrandbits(32):08x}", ""
        self.sequence, self.stamp, self.ssrc = 0, 0, random.getrandbits(32)

    async def open(self, ear):
        loop = asyncio.get_running_loop()
        self.answers = asyncio.Queue()
        here = ("127.0.0.1", 0)
        self.rtp, _ = await loop.create_datagram_endpoint(lambda: _Rtp(ear), local_addr=here)
        self.sip, _ = await loop.create_datagram_endpoint(
            lambda: _Sip(self), local_addr=here, remote_addr=("127.0.0.1", self.port))
        self._request("INVITE", 1, self._offer())
        while True:
            status, headers, body = await asyncio.wait_for(self.answers.get(), 30)
            if status >= 200:
                break
        self.remote_tag = headers["to"].partition("tag=")[2].split(";")[0]
        self._request("ACK", 1)
        if status >= 300:
            raise Refused(status)
        self.target = ("127.0.0.1", int(body.split("m=audio ")[1].split()[0]))

    def _offer(self):
        port = self.rtp.get_extra_info("sockname")[1]
        return ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n")

    def _request(self, method, number, body=""):
        own = "%s:%d" % self.sip.get_extra_info("sockname")
        to = f";tag={self.remote_tag}" if self.remote_tag else ""
        lines = [f"{method} sip:{self.user}@127.0.0.1:{self.port} SIP/2.0",
                 f"Via: SIP/2.0/UDP {own};branch=z9hG4bK{random.getrandbits(48):x};rport", "Max-Forwards: 70",
                 f"From: <sip:caller@{own}>;tag={self.tag}", f"To: <sip:{self.user}@127.0.0.1:{self.port}>{to}",
                 f"Call-ID: {self.call_id}", f"CSeq: {number} {method}", f"Contact: <sip:caller@{own}>"]
        lines += ["Content-Type: application/sdp"] if body else []
        lines += [f"Content-Length: {len(body)}", "", body]
        self.sip.sendto("\r\n".join(lines).encode())

    async def send(self, ulaw):
        head = b"\x80\x00" + self.sequence.to_bytes(2, "big") + self.stamp.to_bytes(4, "big")
        self.rtp.sendto(head + self.ssrc.to_bytes(4, "big") + ulaw, self.target)
        self.sequence, self.stamp = (self.sequence + 1) & 0xFFFF, (self.stamp + FRAME) & 0xFFFFFFFF

    async def close(self):
        self._request("BYE", 2)
        await asyncio.sleep(0.05)
        self.sip.close()
        self.rtp.close()


class _Rtp(asyncio.DatagramProtocol):
    def __init__(self, ear):
        self.ear = ear

    def datagram_received(self, data, addr):
        if len(data) > 12 and data[1] & 0x7F == 0:
            self.ear.hear(time.time(), data[12:])


class _Sip(asyncio.DatagramProtocol):
    def __init__(self, wire):
        self.wire = wire

    def datagram_received(self, data, addr):
        head, _, body = data.decode().partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if first.startswith("SIP/2.0") and "INVITE" in headers.get("cseq", ""):
            self.wire.answers.put_nowait((int(first.split()[1]), headers, body))


class Caller:
    """Speaks `clips` over `wire`, one after the other."""

    def __init__(self, wire, clips):
        self.wire, self.clips = wire, clips
        self.ear, self.said = Ear(), []
        self.speaking, self.first_packet = None, None

    async def call(self, until=math.inf):
        """Makes the call; what was said. Begins no utterance after `until`."""
        await self.wire.open(self.ear)
        line, script = asyncio.create_task(self._line()), asyncio.create_task(self._script(until))
        try:
            done, _ = await asyncio.wait({line, script}, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            for task in (line, script):
                task.cancel()
            await asyncio.gather(line, script, return_exceptions=True)
            await self.wire.close()
        return self.said

    async def _script(self, until):
        await asyncio.sleep(BEFORE_FIRST)
        for clip in self.clips:
            if time.time() > until:
                break
            await self._say(clip)
            await self._listen()

    async def _line(self):
        due = time.time()
        while True:
            frame = self._next_frame()
            await self.wire.send(frame)
            self._keep_time(time.time())
            due += TICK
            await asyncio.sleep(max(0.0, due - time.time()))

    def _next_frame(self):
        if self.speaking is None:
            return b"\xff" * FRAME
        clip, at, said, done = self.speaking
        self.speaking = (clip, at + FRAME, said, done)
        return clip.sound[at:at + FRAME].ljust(FRAME, b"\xff")

    def _keep_time(self, sent):
        self.first_packet = self.first_packet or sent
        if self.speaking is None:
            return
        clip, end, said, done = self.speaking
        if end > clip.span[0] and not said.began:
            said.began = sent
        if end - FRAME < clip.span[1]:
            said.ended = sent
        if end >= len(clip.sound):
            self.speaking = None
            done.set()

    async def _say(self, clip):
        said, done = Said(clip.name), asyncio.Event()
        self.speaking = (clip, 0, said, done)
        self.said.append(said)
        await done.wait()

    async def _listen(self):
        said = self.said[-1]
        while time.time() - said.ended < NO_ANSWER or self.ear.is_sounding(time.time()):
            await asyncio.sleep(TICK)
            said.early = any(began <= said.ended and end > said.began for began, end in self.ear.stretches)
            said.answered = self.ear.first_after(said.ended)
            over = said.answered or (said.early and time.time() - said.ended > AFTER_EARLY)
            if over and not self.ear.is_sounding(time.time()):
                return
