"""Runs one Pipecat service in a pipeline, as its own tests do, and keeps what comes out of it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable

from loguru import logger
from pipecat.frames.frames import CancelFrame, ErrorFrame, Frame, InputAudioRawFrame, StartFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

logger.remove()
logger.add(sys.stderr, level="WARNING")

RATE = 24_000


class Kept(FrameProcessor):
    """Keeps the frames that pass, and knows when enough have."""

    def __init__(self, is_enough: Callable[[Frame], bool]):
        super().__init__()
        self.frames: list[Frame] = []
        self.enough = asyncio.Event()
        self._is_enough = is_enough

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        await super().process_frame(frame, direction)
        if not isinstance(frame, StartFrame):
            self.frames.append(frame)
            if isinstance(frame, ErrorFrame) or self._is_enough(frame):
                self.enough.set()
        await self.push_frame(frame, direction)


async def run(service, sent: AsyncIterator[Frame], is_enough, *, around=None) -> list[Frame]:
    """The frames that come out of a service until one is enough. `around`: processors before and after it."""
    before, after = around or ([], [])
    above, below = Kept(is_enough), Kept(is_enough)
    worker = PipelineWorker(
        Pipeline([above, *before, service, below, *after]),
        cancel_on_idle_timeout=False,
        enable_rtvi=False,
        params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE),
    )
    started = asyncio.Event()

    @worker.event_handler("on_pipeline_started")
    async def _(_worker, _frame):
        started.set()

    async def send():
        await started.wait()
        async for frame in sent:
            await worker.queue_frame(frame)

    async def end_when_enough():
        waits = [asyncio.create_task(kept.enough.wait()) for kept in (above, below)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        sending.cancel()
        await worker.queue_frame(CancelFrame())

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    sending = asyncio.create_task(send())
    await asyncio.gather(runner.run(), end_when_enough())
    frames = [*below.frames, *(frame for frame in above.frames if isinstance(frame, ErrorFrame))]
    errors = [frame.error for frame in frames if isinstance(frame, ErrorFrame)]
    if errors:
        raise AssertionError(f"error frames: {errors}")
    return frames


async def microphone(sound: bytes, silence_s: float = 2.0) -> AsyncIterator[Frame]:
    """Sound at 24 kHz as a transport brings it, in real time, and silence after."""
    size = RATE // 50 * 2
    sound += bytes(int(silence_s * RATE) * 2)
    for at in range(0, len(sound), size):
        yield InputAudioRawFrame(audio=sound[at : at + size], sample_rate=RATE, num_channels=1)
        await asyncio.sleep(0.02)
