//! The devices behind a microphone leg, on a thread of their own: sound systems call back from theirs.

use std::{
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread,
};

use cpal::{
    FromSample, SampleFormat, SizedSample, Stream, SupportedStreamConfig,
    traits::{DeviceTrait, HostTrait, StreamTrait},
};
use tokio::sync::mpsc;

use super::{Heard, MicrophoneError};

/// Pieces of sound from the microphone, about 1 s. When full the new piece is dropped.
const HEARD: usize = 100;
/// Pieces of 20 ms for the speaker. When full the new piece is dropped: the speaker's clock is slower.
const SPOKEN: usize = 10;

/// Open devices; dropping them closes them.
pub(super) struct Devices {
    pub(super) heard: Heard,
    pub(super) microphone_hz: u32,
    pub(super) speaker_hz: u32,
    spoken: SyncSender<Vec<i16>>,
    /// The thread that holds the devices ends when this is dropped.
    _open: SyncSender<()>,
}

impl Devices {
    pub(super) fn open() -> Result<Self, MicrophoneError> {
        let (heard_tx, heard) = mpsc::channel(HEARD);
        let (spoken, spoken_rx) = sync_channel(SPOKEN);
        let (open, closed) = sync_channel::<()>(0);
        let (ready_tx, ready) = sync_channel(1);
        let hold = move || {
            let opened = open_streams(heard_tx, spoken_rx);
            let (rates, streams) = match opened {
                Ok(open) => (Ok((open.microphone_hz, open.speaker_hz)), Some(open)),
                Err(error) => (Err(error), None),
            };
            if ready_tx.send(rates).is_ok() && streams.is_some() {
                // Ends when the other side is dropped.
                for () in closed {}
            }
        };
        let unusable = |reason: String| MicrophoneError::Unusable { what: "sound system", reason };
        thread::Builder::new()
            .name("sound".into())
            .spawn(hold)
            .map_err(|e| unusable(e.to_string()))?;
        let (microphone_hz, speaker_hz) = ready.recv().map_err(|e| unusable(e.to_string()))??;
        Ok(Self { heard, microphone_hz, speaker_hz, spoken, _open: open })
    }

    /// Queues 20 ms for the speaker.
    pub(super) fn play(&self, samples: Vec<i16>) {
        match self.spoken.try_send(samples) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => tracing::debug!("the speaker is behind: 20 ms dropped"),
            Err(TrySendError::Disconnected(_)) => tracing::debug!("the speaker is gone"),
        }
    }
}

/// Streams that run until dropped, and their rates.
struct Open {
    microphone_hz: u32,
    speaker_hz: u32,
    _streams: (Stream, Stream),
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "sample formats that no device of ours has are refused"
)]
fn open_streams(
    heard: mpsc::Sender<Vec<i16>>,
    spoken: Receiver<Vec<i16>>,
) -> Result<Open, MicrophoneError> {
    let host = cpal::default_host();
    let microphone = host.default_input_device().ok_or(MicrophoneError::None("microphone"))?;
    let speaker = host.default_output_device().ok_or(MicrophoneError::None("speaker"))?;
    let input = microphone.default_input_config().map_err(unusable("microphone"))?;
    let output = speaker.default_output_config().map_err(unusable("speaker"))?;
    let listening = match input.sample_format() {
        SampleFormat::F32 => listen::<f32>(&microphone, &input, heard),
        SampleFormat::I32 => listen::<i32>(&microphone, &input, heard),
        SampleFormat::I16 => listen::<i16>(&microphone, &input, heard),
        other => Err(unusable("microphone")(format!("its samples are {other}"))),
    }?;
    let speaking = match output.sample_format() {
        SampleFormat::F32 => speak::<f32>(&speaker, &output, spoken),
        SampleFormat::I32 => speak::<i32>(&speaker, &output, spoken),
        SampleFormat::I16 => speak::<i16>(&speaker, &output, spoken),
        other => Err(unusable("speaker")(format!("its samples are {other}"))),
    }?;
    listening.play().map_err(unusable("microphone"))?;
    speaking.play().map_err(unusable("speaker"))?;
    Ok(Open {
        microphone_hz: input.sample_rate(),
        speaker_hz: output.sample_rate(),
        _streams: (listening, speaking),
    })
}

fn unusable<E: ToString>(what: &'static str) -> impl Fn(E) -> MicrophoneError {
    move |error| MicrophoneError::Unusable { what, reason: error.to_string() }
}

fn listen<T: SizedSample>(
    device: &cpal::Device,
    config: &SupportedStreamConfig,
    heard: mpsc::Sender<Vec<i16>>,
) -> Result<Stream, MicrophoneError>
where
    i16: FromSample<T>,
{
    let channels = usize::from(config.channels()).max(1);
    let take = move |sound: &[T], _: &cpal::InputCallbackInfo| {
        let mono = sound.chunks_exact(channels).map(|c| i16::from_sample_(c[0])).collect();
        if heard.try_send(mono).is_err() {
            tracing::debug!("the session is behind: sound from the microphone dropped");
        }
    };
    let failed = |error| tracing::error!(%error, "the microphone failed");
    device.build_input_stream(config.config(), take, failed, None).map_err(unusable("microphone"))
}

fn speak<T: SizedSample + FromSample<i16>>(
    device: &cpal::Device,
    config: &SupportedStreamConfig,
    spoken: Receiver<Vec<i16>>,
) -> Result<Stream, MicrophoneError> {
    let channels = usize::from(config.channels()).max(1);
    let mut queued = std::collections::VecDeque::new();
    let give = move |sound: &mut [T], _: &cpal::OutputCallbackInfo| {
        while queued.len() < sound.len() / channels {
            let Ok(more) = spoken.try_recv() else { break };
            queued.extend(more);
        }
        for frame in sound.chunks_mut(channels) {
            frame.fill(T::from_sample_(queued.pop_front().unwrap_or(0)));
        }
    };
    let failed = |error| tracing::error!(%error, "the speaker failed");
    device.build_output_stream(config.config(), give, failed, None).map_err(unusable("speaker"))
}
