//! The caller on the line: speaks its script at real-time pace, listens, and keeps time.

use std::{
    collections::VecDeque,
    fs::File,
    io::BufWriter,
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval};
use trunkline_audio::wav::StereoWriter;
use trunkline_turn::Digit;

use super::{
    ear::{Ear, speech_span},
    report::Said,
    script::When,
    wire::{Arrival, Wire},
};
use crate::exit::Failure;

/// Rate of a telephone line.
pub(crate) const LINE_HZ: u32 = 8000;
/// Samples of 20 ms.
const FRAME: usize = 160;
const TICK: Duration = Duration::from_millis(20);
/// An answer that has not come after this long will not come.
const NO_ANSWER: Duration = Duration::from_secs(20);
/// The other side may say nothing at first for this long (no greeting).
const NO_GREETING: Duration = Duration::from_secs(4);

/// The recording: caller left, other side right.
pub(crate) type Recording = StereoWriter<BufWriter<File>>;

/// One thing to do on the line.
#[derive(Clone, Debug)]
pub(crate) struct Cue {
    /// What it is, for people.
    pub(crate) what: String,
    /// Sound to speak, 8 kHz; empty to only wait or press.
    pub(crate) sound: Vec<i16>,
    /// A key to press.
    pub(crate) press: Option<char>,
    /// When to begin.
    pub(crate) when: When,
    /// And how long after that.
    pub(crate) pause: Duration,
    /// Whether an answer is expected.
    pub(crate) expects_reply: bool,
}

/// What happened on the line.
pub(crate) struct Heard {
    pub(crate) said: Vec<Said>,
    pub(crate) ear: Ear,
    pub(crate) first_packet: Instant,
    /// The other side hung up before the script was done.
    pub(crate) cut_short: bool,
}

pub(crate) struct Line<'a, W> {
    call: &'a mut W,
    recording: Option<Recording>,
    cues: VecDeque<Cue>,
    speaking: Option<Speaking>,
    /// When the cue in front may begin, once known.
    due: Option<Instant>,
    waiting_since: Instant,
    waits_for_answer: bool,
    heard: Heard,
}

/// An utterance in progress.
struct Speaking {
    what: String,
    sound: Vec<i16>,
    span: (usize, usize),
    at: usize,
    began: Option<Instant>,
    ended: Option<Instant>,
}

impl<'a, W: Wire> Line<'a, W> {
    pub(crate) fn new(call: &'a mut W, cues: Vec<Cue>, recording: Option<Recording>) -> Self {
        let now = Instant::now();
        let heard =
            Heard { said: Vec::new(), ear: Ear::default(), first_packet: now, cut_short: false };
        Self {
            call,
            recording,
            cues: cues.into(),
            speaking: None,
            due: None,
            waiting_since: now,
            waits_for_answer: false,
            heard,
        }
    }

    /// Plays the script to its end or until the other side hangs up. `tell` hears of each utterance
    /// as it begins.
    pub(crate) async fn run(mut self, mut tell: impl FnMut(&str)) -> Result<Heard, Failure> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (mut silent, mut received) = ([0i16; FRAME], Vec::new());
        let mut first = true;
        loop {
            tokio::select! {
                biased;
                event = self.call.recv() => match event {
                    Arrival::Sound { arrived, samples } => {
                        self.heard.ear.hear(arrived, &samples);
                        received.extend_from_slice(&samples);
                    }
                    Arrival::End => {
                        self.heard.cut_short = self.speaking.is_some() || !self.cues.is_empty();
                        break;
                    }
                },
                _ = ticks.tick() => {
                    if self.is_done() {
                        break;
                    }
                    self.begin_what_is_due(&mut tell);
                    silent.fill(0);
                    let range = self.fill(&mut silent);
                    let sent = self.call.send_frame(&silent);
                    if let Some(sent) = sent {
                        if std::mem::take(&mut first) {
                            self.heard.first_packet = sent;
                        }
                        self.keep_time(sent, range);
                    }
                    self.record(&silent, &mut received)?;
                }
            }
        }
        if let Some(recording) = self.recording.take() {
            recording.finish().map_err(Failure::new)?;
        }
        Ok(self.heard)
    }

    fn is_done(&self) -> bool {
        self.cues.is_empty()
            && self.speaking.is_none()
            && self.may_begin(When::Quiet, Instant::now())
    }

    /// Whether the moment that a cue waits for has come.
    fn may_begin(&self, when: When, now: Instant) -> bool {
        let waited = now.saturating_duration_since(self.waiting_since);
        match when {
            When::Now => true,
            When::Sounding => {
                self.heard.ear.first_after(self.waiting_since).is_some() || waited > NO_ANSWER
            }
            When::Quiet if self.heard.said.is_empty() && self.heard.ear.stretches().is_empty() => {
                waited > NO_GREETING
            }
            When::Quiet if self.waits_for_answer => {
                self.heard.ear.has_answered(self.waiting_since, now) || waited > NO_ANSWER
            }
            When::Quiet => !self.heard.ear.is_sounding(now),
        }
    }

    fn begin_what_is_due(&mut self, tell: &mut impl FnMut(&str)) {
        let now = Instant::now();
        if self.speaking.is_some() {
            return;
        }
        let Some(cue) = self.cues.front() else { return };
        if self.due.is_none() && self.may_begin(cue.when, now) {
            self.due = Some(now + cue.pause);
        }
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        self.due = None;
        let Some(cue) = self.cues.pop_front() else { return };
        self.waits_for_answer = cue.expects_reply;
        self.waiting_since = now;
        if let Some(key) = cue.press {
            self.call.press(Digit(key));
        }
        if !cue.sound.is_empty() {
            tell(&cue.what);
            let span = speech_span(&cue.sound, FRAME).unwrap_or((0, cue.sound.len()));
            self.speaking = Some(Speaking {
                what: cue.what,
                sound: cue.sound,
                span,
                at: 0,
                began: None,
                ended: None,
            });
        }
    }

    /// Puts the next 20 ms of the utterance into `frame`; which part of the utterance that is.
    fn fill(&mut self, frame: &mut [i16; FRAME]) -> Option<(usize, usize)> {
        let speaking = self.speaking.as_mut()?;
        let rest = speaking.sound.get(speaking.at..).unwrap_or_default();
        let count = rest.len().min(FRAME);
        for (to, from) in frame.iter_mut().zip(rest) {
            *to = *from;
        }
        let range = (speaking.at, speaking.at + count);
        speaking.at += count;
        Some(range)
    }

    fn keep_time(&mut self, sent: Instant, range: Option<(usize, usize)>) {
        let (Some(speaking), Some((from, to))) = (self.speaking.as_mut(), range) else { return };
        if to > speaking.span.0 && speaking.began.is_none() {
            speaking.began = Some(sent);
        }
        // A packet carries sound that was spoken in the 20 ms before it left.
        if from < speaking.span.1 {
            speaking.ended = Some(sent);
        }
        if speaking.at < speaking.sound.len() {
            return;
        }
        if let Some(Speaking { what, began: Some(began), ended: Some(ended), .. }) =
            self.speaking.take()
        {
            self.waiting_since = ended;
            self.heard.said.push(Said { what, began, ended });
        }
    }

    fn record(&mut self, sent: &[i16], received: &mut Vec<i16>) -> Result<(), Failure> {
        let Some(recording) = self.recording.as_mut() else {
            received.clear();
            return Ok(());
        };
        // What arrives late is kept for the next frame; the other side's clock sets its own pace.
        let count = received.len().min(sent.len());
        let mut heard: Vec<i16> = received.drain(..count).collect();
        heard.resize(sent.len(), 0);
        recording.write(sent, &heard).map_err(Failure::new)
    }
}
