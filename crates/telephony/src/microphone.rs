//! A leg without a wire: this machine's microphone and speaker.

mod devices;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use trunkline_audio::{Frame, MediaTime, Playout, Resampler, Sound};
use trunkline_session::{HangupReason, Leg, LegInput, LegOutput, Overrun, leg::Mark};

use devices::Devices;

const TICK: Duration = Duration::from_millis(20);
/// What sessions hear.
const HEARD_HZ: u32 = 16_000;
/// Samples of 20 ms of it.
const HEARD_SAMPLES: usize = 320;

/// Why there is no microphone leg.
#[derive(Debug, thiserror::Error)]
pub enum MicrophoneError {
    /// No device.
    #[error("this machine has no {0} that can be used: plug one in, or call over SIP instead")]
    None(&'static str),
    /// A device that cannot be used.
    #[error("the {what} cannot be used: {reason}")]
    Unusable {
        /// Which.
        what: &'static str,
        /// What the system said.
        reason: String,
    },
}

/// The microphone and the speaker as a caller's end. Wear headphones: there is no echo cancelling.
pub struct MicrophoneLeg {
    devices: Devices,
    to_heard: Resampler,
    pending: Vec<i16>,
    heard: MediaTime,
    playout: Playout<Mark>,
    next_tick: tokio::time::Instant,
    inputs: VecDeque<LegInput>,
    ending: Option<HangupReason>,
}

impl MicrophoneLeg {
    /// Opens the system's default devices.
    pub fn open() -> Result<Self, MicrophoneError> {
        let devices = Devices::open()?;
        Ok(Self {
            to_heard: Resampler::new(devices.microphone_hz, HEARD_HZ),
            pending: Vec::new(),
            heard: MediaTime::ZERO,
            playout: Playout::new(devices.speaker_hz),
            next_tick: tokio::time::Instant::now() + TICK,
            devices,
            inputs: VecDeque::new(),
            ending: None,
        })
    }

    fn hear(&mut self, sound: &[i16]) {
        self.to_heard.process(sound, &mut self.pending);
        while self.pending.len() >= HEARD_SAMPLES {
            let samples: Vec<i16> = self.pending.drain(..HEARD_SAMPLES).collect();
            let frame = Frame::new(samples, HEARD_HZ, self.heard);
            self.heard = frame.end();
            self.inputs.push_back(LegInput::Audio(frame));
        }
    }

    fn tick(&mut self) {
        self.next_tick += TICK;
        let tick = self.playout.tick();
        if tick.sound == Sound::Begins {
            self.inputs.push_back(LegInput::Sounding(Instant::now()));
        }
        self.inputs.extend(tick.played.iter().map(|&mark| LegInput::Played(mark)));
        self.devices.play(tick.samples);
        if let Some(reason) = self.ending
            && self.playout.is_empty()
        {
            self.inputs.push_back(LegInput::Gone(reason));
        }
    }
}

impl Leg for MicrophoneLeg {
    async fn recv(&mut self) -> LegInput {
        loop {
            if let Some(input) = self.inputs.pop_front() {
                return input;
            }
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(self.next_tick) => self.tick(),
                sound = self.devices.heard.recv() => match sound {
                    Some(sound) => self.hear(&sound),
                    None => return LegInput::Gone(HangupReason::LegFailed),
                },
            }
        }
    }

    fn send(&mut self, output: LegOutput) -> Result<(), Overrun> {
        match output {
            LegOutput::Audio(frame) => self.playout.push(&frame).map_err(|_| Overrun)?,
            LegOutput::Mark(mark) => self.playout.mark(mark).map_err(|_| Overrun)?,
            LegOutput::Flush => {
                let flushed = self.playout.flush();
                let (last, since_mark) = (flushed.last, flushed.since_mark);
                self.inputs.push_back(LegInput::Flushed { last, since_mark });
            }
            LegOutput::Pause => self.playout.pause(),
            LegOutput::Resume => self.playout.resume(),
            LegOutput::HangUp(reason) => self.ending = Some(reason),
        }
        Ok(())
    }
}

/// Sound from the microphone's thread.
type Heard = mpsc::Receiver<Vec<i16>>;
