//! A telephone call as a leg: what the session hears of it and says into it.

use std::{collections::VecDeque, time::Duration};

use trunkline_audio::{ComfortNoise, Playout, Sound};
use trunkline_session::{HangupReason, Leg, LegInput, LegOutput, Overrun, leg::Mark};

mod ear;
mod pace;

use ear::Ear;
use pace::Pace;

use crate::{
    call::{CallLine, News, Order},
    rtp::{CLOCK_HZ, Numbered, Received, RtpSession, RtpStats, SAMPLES, now},
    sdp::Negotiated,
};

/// A call over SIP and RTP. Everything happens inside [`recv`](Leg::recv): no task of its own.
pub struct SipLeg {
    session: RtpSession,
    line: CallLine,
    ear: Ear,
    mouth: Mouth,
    pace: Pace,
    no_media_timeout: Duration,
    /// What is to be told, in order: a handful a tick.
    inputs: VecDeque<LegInput>,
    ending: Option<HangupReason>,
}

/// What we say.
struct Mouth {
    playout: Playout<Mark>,
    noise: ComfortNoise,
}

/// What woke the leg.
enum Wake {
    Tick,
    Report,
    News(Option<News>),
    Packet(Received),
}

impl SipLeg {
    pub(crate) fn new(session: RtpSession, line: CallLine, no_media_timeout: Duration) -> Self {
        Self {
            session,
            line,
            ear: Ear::new(),
            mouth: Mouth {
                playout: Playout::new(CLOCK_HZ),
                noise: ComfortNoise::new(rand::random()),
            },
            pace: Pace::new(now()),
            no_media_timeout,
            inputs: VecDeque::new(),
            ending: None,
        }
    }

    /// What went over the wire so far.
    pub fn stats(&self) -> RtpStats {
        self.session.stats()
    }

    /// The `Call-ID`.
    pub fn sip_call_id(&self) -> &str {
        &self.line.sip_call_id
    }

    async fn wake(&mut self) -> Wake {
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(self.pace.next().into()) => Wake::Tick,
            news = self.line.news.recv() => Wake::News(news),
            () = tokio::time::sleep_until(self.session.next_report().into()) => Wake::Report,
            received = self.session.receive() => Wake::Packet(received),
        }
    }

    fn on_news(&mut self, news: Option<News>) {
        match news {
            Some(News::Agreed(negotiated)) => self.agree(negotiated),
            Some(News::Pressed(digit)) => self.inputs.push_back(LegInput::Pressed(digit)),
            Some(News::Ended(reason)) => self.inputs.push_back(LegInput::Gone(reason)),
            None => self.inputs.push_back(LegInput::Gone(HangupReason::CallerHungUp)),
        }
    }

    fn agree(&mut self, negotiated: Negotiated) {
        let was_held = self.is_held();
        self.session.renegotiate(negotiated);
        match (was_held, self.is_held()) {
            (false, true) => self.inputs.push_back(LegInput::Held),
            (true, false) => {
                self.ear.reset();
                self.inputs.push_back(LegInput::Resumed);
            }
            (true, true) | (false, false) => {}
        }
    }

    fn on_packet(&mut self, received: Received) {
        let at = now();
        match received {
            Received::Sound(numbered, samples) => {
                self.ear.hear(at, numbered, samples);
                self.pace.arrived(at, self.ear.jitter());
            }
            Received::Other(numbered) => self.ear.pass(at, numbered),
            Received::Pressed(numbered, digit) => {
                self.ear.pass(at, numbered);
                self.inputs.push_back(LegInput::Pressed(digit));
            }
        }
    }

    fn on_tick(&mut self) {
        let skipped = self.pace.beat(now());
        if skipped > 0 {
            self.session.pass(skipped.saturating_mul(ticks_in(SAMPLES)));
            tracing::debug!(skipped, "a call was not served in time; 20 ms ticks were skipped");
        }
        if self.is_held() {
            self.session.pass(ticks_in(SAMPLES));
        } else {
            self.speak();
            let frame = self.ear.next(now());
            self.inputs.push_back(LegInput::Audio(frame));
        }
        self.end_when_due();
    }

    /// 20 ms to the caller.
    fn speak(&mut self) {
        let mut tick = self.mouth.playout.tick();
        if tick.sound == Sound::Silent {
            self.mouth.noise.fill(&mut tick.samples);
        }
        let is_onset = tick.sound == Sound::Begins;
        let sent = self.session.send(&tick.samples, is_onset);
        if let Some(at) = sent.filter(|_| is_onset) {
            self.inputs.push_back(LegInput::Sounding(at));
        }
        self.inputs.extend(tick.played.into_iter().map(LegInput::Played));
    }

    fn end_when_due(&mut self) {
        if let Some(reason) = self.ending
            && (self.mouth.playout.is_empty() || self.is_held())
        {
            return self.hang_up(reason);
        }
        let listens = self
            .session
            .negotiated()
            .is_some_and(|negotiated| negotiated.direction.is_receiving() && !negotiated.is_held());
        let silent = now().saturating_duration_since(self.session.last_received());
        if listens && silent > self.no_media_timeout {
            self.hang_up(HangupReason::NoMedia);
        }
    }

    fn hang_up(&mut self, reason: HangupReason) {
        // A full queue or a closed one: the signalling ends the call too when this leg is dropped.
        if self.line.orders.try_send(Order::HangUp).is_err() {
            tracing::debug!("a call ended before it was told to");
        }
        self.inputs.push_back(LegInput::Gone(reason));
    }

    fn is_held(&self) -> bool {
        self.session.negotiated().is_some_and(Negotiated::is_held)
    }
}

impl Leg for SipLeg {
    async fn recv(&mut self) -> LegInput {
        loop {
            if let Some(input) = self.inputs.pop_front() {
                return input;
            }
            match self.wake().await {
                Wake::Tick => self.on_tick(),
                Wake::Report => self.session.report(),
                Wake::News(news) => self.on_news(news),
                Wake::Packet(received) => self.on_packet(received),
            }
        }
    }

    fn send(&mut self, output: LegOutput) -> Result<(), Overrun> {
        match output {
            LegOutput::Audio(frame) => self.mouth.playout.push(&frame).map_err(|_| Overrun),
            LegOutput::Mark(mark) => self.mouth.playout.mark(mark).map_err(|_| Overrun),
            LegOutput::Flush => {
                let flushed = self.mouth.playout.flush();
                let input =
                    LegInput::Flushed { last: flushed.last, since_mark: flushed.since_mark };
                self.inputs.push_back(input);
                Ok(())
            }
            LegOutput::Pause => {
                self.mouth.playout.pause();
                Ok(())
            }
            LegOutput::Resume => {
                self.mouth.playout.resume();
                Ok(())
            }
            LegOutput::HangUp(reason) => {
                // What is paused would never leave.
                self.mouth.playout.resume();
                self.ending.get_or_insert(reason);
                Ok(())
            }
        }
    }
}

impl Drop for SipLeg {
    fn drop(&mut self) {
        self.session.goodbye();
    }
}

fn ticks_in(samples: usize) -> u32 {
    u32::try_from(samples).expect("a packet has 160 samples")
}

/// A packet for the jitter buffer.
fn payload<T>(
    numbered: Numbered,
    content: trunkline_audio::Content<T>,
) -> trunkline_audio::RtpPayload<T> {
    let Numbered { ssrc, seq, timestamp } = numbered;
    trunkline_audio::RtpPayload { ssrc, seq, timestamp, content }
}
