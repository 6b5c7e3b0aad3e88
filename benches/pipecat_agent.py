#!/usr/bin/env python3
"""The peer of pipecat_turns.py: a telephone-like agent of Pipecat (1.14) behind a WebSocket at /ws?call=NAME.

Binary messages are 8 kHz mu-law both ways. The pipeline is the one that Pipecat's own project template makes for
telephony (8 kHz in and out, Silero, its default turn strategies with the local smart-turn v3.2 it ships, sentences to
the voice), with three settings that make it faster: sound leaves in packets of 20 ms, metrics and RTVI are off, logs
are warnings only. Recognizer, language model and voice are Pipecat's services for OpenAI's API at --api, or with
--engines local its faster-whisper and Piper services in this process (models loaded once, shared by all calls) beside
a language model at --llm-api. Every moment of a turn that the bench times is a JSON line in --marks:
{"call", "mark", "at"} with "at" in seconds of the machine's clock.

Needs: pip install "pipecat-ai[silero,local-smart-turn-v3,openai,websocket]" uvicorn; for --engines local also
"pipecat-ai[whisper,piper]"
"""
import argparse
import audioop
import functools
import json
import sys
import time
from pathlib import Path

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.audio.turn.base_turn_analyzer import EndOfTurnState
from pipecat.audio.utils import create_stream_resampler, ulaw_to_pcm
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import AudioRawFrame, InputAudioRawFrame, InterruptionFrame, LLMTextFrame, TTSAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameDirection
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.openai.stt import OpenAISTTService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.transcriptions.language import Language
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_stop import TurnAnalyzerUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--marks", required=True, help="file for the moments of turns")
    parser.add_argument("--instructions", required=True, help="file with the system prompt")
    parser.add_argument("--api", help="base URL of the engines, ending in /v1")
    parser.add_argument("--llm-api", help="base URL of the language model, where it is not --api")
    parser.add_argument("--stt", default="whisper-1", help="model's name at --api, or a CTranslate2 folder")
    parser.add_argument("--llm", default="gpt-4o-mini")
    parser.add_argument("--tts", default="tts-1", help="model's name at --api, or DIR/NAME of DIR/NAME.onnx, a Piper voice")
    parser.add_argument("--max-tokens", type=int, default=120)
    parser.add_argument("--engines", choices=("api", "local"), default="api")
    return parser.parse_args()


class Marks:
    """Notes moments of one call."""

    def __init__(self, file, call):
        self.file, self.call = file, call

    def note(self, mark, at=None, **more):
        self.file.write(json.dumps({"call": self.call, "mark": mark, "at": at or time.time()} | more) + "\n")


class MuLaw(FrameSerializer):
    """8 kHz mu-law in binary messages, sound of `rate` in the pipeline; an interruption is the text "clear"."""

    def __init__(self, rate):
        super().__init__()
        self.rate, self.resampler = rate, create_stream_resampler()

    async def serialize(self, frame):
        if isinstance(frame, InterruptionFrame):
            return "clear"
        return audioop.lin2ulaw(frame.audio, 2) if isinstance(frame, AudioRawFrame) else None

    async def deserialize(self, data):
        sound = await ulaw_to_pcm(data, 8000, self.rate, self.resampler)
        return InputAudioRawFrame(audio=sound, sample_rate=self.rate, num_channels=1) if sound else None


class HeardMarks:
    """Of a recognizer: when silence was found, and its answer awaited and there."""

    async def _handle_user_stopped_speaking(self, frame):
        self.marks.note("vad_stop", frame.timestamp)
        await super()._handle_user_stopped_speaking(frame)

    async def run_stt(self, audio):
        self.marks.note("stt_asked")
        async for frame in super().run_stt(audio):
            self.marks.note("stt_known", text=getattr(frame, "text", ""))
            yield frame


class SpokenMarks:
    """Of a voice: when a sentence was asked for, and its first sound there."""

    async def run_tts(self, text, context_id):
        self.marks.note("tts_asked", text=text)
        sounded = False
        async for frame in super().run_tts(text, context_id):
            if isinstance(frame, TTSAudioRawFrame) and not sounded:
                sounded = True
                self.marks.note("tts_audio")
            yield frame


class Recognizer(HeardMarks, OpenAISTTService):
    pass


class Voice(SpokenMarks, OpenAITTSService):
    pass


class Thinker(OpenAILLMService):
    """Marks when it was asked, and its first words."""

    async def get_chat_completions(self, context):
        self.marks.note("llm_asked")
        self.words = 0
        return await super().get_chat_completions(context)

    async def push_frame(self, frame, direction=FrameDirection.DOWNSTREAM):
        if isinstance(frame, LLMTextFrame):
            self.words += 1
            if self.words == 1:
                self.marks.note("llm_token")
        await super().push_frame(frame, direction)


class Judge(LocalSmartTurnAnalyzerV3):
    """Marks its judgements."""

    async def analyze_end_of_turn(self):
        state, metrics = await super().analyze_end_of_turn()
        self.marks.note("judged", complete=state == EndOfTurnState.COMPLETE)
        return state, metrics

    def append_audio(self, buffer, is_speech):
        state = super().append_audio(buffer, is_speech)
        if state == EndOfTurnState.COMPLETE:
            self.marks.note("judged", complete=True, by="silence")
        return state


class ApiEngines:
    """The services for OpenAI's API."""

    rate = 8000

    def __init__(self, args):
        self.args = args

    def services(self, instructions):
        args = self.args
        at = {"base_url": args.api, "api_key": "none"}
        stt = Recognizer(settings=Recognizer.Settings(model=args.stt, language=Language.EN), **at)
        tts = Voice(settings=Voice.Settings(model=args.tts, voice="alloy"), sample_rate=24000, **at)
        return stt, thinker(args, instructions), tts


def thinker(args, instructions):
    settings = Thinker.Settings(
        model=args.llm, system_instruction=instructions, temperature=0.0, max_tokens=args.max_tokens)
    return Thinker(settings=settings, base_url=args.llm_api or args.api, api_key="none")


class LocalEngines:
    """Pipecat's faster-whisper and Piper services, whose models all calls share. That recognizer takes 16 kHz only."""

    rate = 16000

    def __init__(self, args):
        from faster_whisper import WhisperModel
        from pipecat.services.piper import tts as piper
        from pipecat.services.whisper.stt import WhisperSTTService

        piper.PiperVoice.load = functools.cache(piper.PiperVoice.load)

        class LocalRecognizer(HeardMarks, WhisperSTTService):
            model = WhisperModel(args.stt, device="cpu", compute_type="int8", cpu_threads=2)

            def _load(self):
                self._model = self.model

        class LocalVoice(SpokenMarks, piper.PiperTTSService):
            pass

        self.args, self.recognizer, self.voice = args, LocalRecognizer, LocalVoice

    def services(self, instructions):
        folder = Path(self.args.tts)
        stt = self.recognizer(
            device="cpu", compute_type="int8",
            settings=self.recognizer.Settings(model=self.args.stt, language=Language.EN))
        tts = self.voice(download_dir=folder.parent, settings=self.voice.Settings(voice=folder.name))
        return stt, thinker(self.args, instructions), tts


class Agent:
    """Answers calls."""

    def __init__(self, args):
        self.engines = LocalEngines(args) if args.engines == "local" else ApiEngines(args)
        self.instructions = open(args.instructions).read().strip()
        self.marks = open(args.marks, "a", buffering=1)

    async def answer(self, socket, call):
        marks = Marks(self.marks, call)
        transport = FastAPIWebsocketTransport(socket, FastAPIWebsocketParams(
            audio_in_enabled=True, audio_out_enabled=True, audio_out_10ms_chunks=2, serializer=MuLaw(self.engines.rate)))
        stt, llm, tts = self.engines.services(self.instructions)
        judge = Judge()
        for part in (stt, llm, tts, judge):
            part.marks = marks
        strategies = UserTurnStrategies(stop=[TurnAnalyzerUserTurnStopStrategy(turn_analyzer=judge)])
        user, assistant = LLMContextAggregatorPair(LLMContext(), user_params=LLMUserAggregatorParams(
            vad_analyzer=SileroVADAnalyzer(), user_turn_strategies=strategies))
        pipeline = Pipeline([transport.input(), stt, user, llm, tts, transport.output(), assistant])
        worker = PipelineWorker(
            pipeline, enable_rtvi=False,
            params=PipelineParams(audio_in_sample_rate=self.engines.rate, audio_out_sample_rate=8000))
        runner = WorkerRunner(handle_sigint=False)

        @transport.event_handler("on_client_disconnected")
        async def _(transport, socket):
            await runner.cancel()

        await runner.add_workers(worker)
        await runner.run()


def main():
    args = arguments()
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    agent, app = Agent(args), FastAPI()

    @app.websocket("/ws")
    async def _(socket: WebSocket, call: str):
        await socket.accept()
        await agent.answer(socket, call)

    @app.get("/ready")
    async def _():
        return {}

    uvicorn.run(app, host="127.0.0.1", port=args.port, log_level="warning", ws_per_message_deflate=False)


if __name__ == "__main__":
    main()
