//! One caller of many: calls, says a few things, hangs up, and calls again until it is told to stop.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::{Instant as Tick, sleep, sleep_until};
use trunkline_telephony::{DialError, DialOptions, Dialer};

use super::{
    clips::Clips,
    realtime::{NoCall, RealtimeCall},
};
use crate::{
    call::{Cue, Heard, Line, Server, TurnReport, When, Wire, turns},
    exit::Failure,
};

/// How long the other side may let it ring.
const RING: Duration = Duration::from_secs(30);
/// A caller whose call failed waits this long before the next.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Who talks into a reply begins at latest this long after its first sound, and at soonest a third of it.
const INTO: Duration = Duration::from_millis(1500);

/// What callers share.
pub(super) struct Desk {
    pub(super) dialer: Dialer,
    pub(super) server: Server,
    pub(super) to: String,
    pub(super) clips: Arc<Clips>,
    pub(super) habits: Habits,
}

/// How callers behave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    /// Utterances a call.
    pub(super) turns: usize,
    /// The median pause before an utterance.
    pub(super) think: Duration,
    /// The share of replies that are talked into.
    pub(super) barge_in: f64,
    /// The wait after a refusal.
    pub(super) patience: Duration,
}

/// What became of one call.
#[derive(Debug)]
pub(super) enum Called {
    /// Refused with this status, this long after it was placed.
    Refused { status: u16, after: Duration },
    /// Neither answered nor refused, or lost on the way.
    Failed(String),
    /// Answered.
    Answered { turns: Vec<Turn>, cut_short: bool, packets: u64, lost: u64 },
}

/// One utterance of a caller.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) ended: Instant,
    /// Whether it was spoken into a reply.
    pub(super) barged_in: bool,
    pub(super) report: TurnReport,
}

/// What was said and heard, and which of it was spoken into a reply.
struct Spoken {
    heard: Heard,
    barged: Vec<bool>,
}

impl Desk {
    /// Calls from `begin` on until `end`; a call in progress is ended in its own way.
    pub(super) async fn caller(
        self: Arc<Self>,
        seed: u64,
        begin: Instant,
        end: Instant,
    ) -> Vec<Called> {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut results = Vec::new();
        sleep_until(Tick::from_std(begin)).await;
        while Instant::now() < end {
            let cues = self.cues(&mut dice);
            let called = self.call(cues).await;
            let wait = match called {
                Called::Refused { .. } => self.habits.patience.mul_f64(dice.random_range(0.5..1.5)),
                Called::Failed(_) => AFTER_FAILURE,
                Called::Answered { .. } => self.habits.think,
            };
            results.push(called);
            let left = end.saturating_duration_since(Instant::now());
            sleep(wait.min(left)).await;
        }
        results
    }

    async fn call(&self, cues: Vec<Cue>) -> Called {
        if self.to.starts_with("ws:") { self.talk(cues).await } else { self.dial(cues).await }
    }

    /// Calls over the Realtime API.
    async fn talk(&self, cues: Vec<Cue>) -> Called {
        let placed = Instant::now();
        let mut call = match RealtimeCall::open(&self.to).await {
            Ok(call) => call,
            Err(NoCall::Refused(status)) => {
                return Called::Refused { status, after: placed.elapsed() };
            }
            Err(NoCall::Failed(why)) => return Called::Failed(why),
        };
        let id = call.id().to_owned();
        let said = self.say(&mut call, cues).await;
        let packets = call.received();
        drop(call);
        self.called(&id, said, packets, 0).await
    }

    /// Calls over SIP.
    async fn dial(&self, cues: Vec<Cue>) -> Called {
        let placed = Instant::now();
        let options = DialOptions { timeout: RING, ..DialOptions::default() };
        let mut call = match self.dialer.dial(&self.to, options).await {
            Ok(call) => call,
            Err(DialError::Rejected { status, .. }) => {
                return Called::Refused { status, after: placed.elapsed() };
            }
            Err(error) => return Called::Failed(error.to_string()),
        };
        let id = call.sip_call_id().to_owned();
        let said = self.say(&mut call, cues).await;
        let stats = call.stats();
        call.hang_up().await;
        self.called(&id, said, stats.received, stats.lost).await
    }

    /// Says what is to be said.
    async fn say(&self, call: &mut impl Wire, cues: Vec<Cue>) -> Result<Spoken, Failure> {
        let barged = cues.iter().map(|cue| cue.when == When::Sounding).collect();
        let heard = Line::new(call, cues, None).run(|_| {}).await?;
        Ok(Spoken { heard, barged })
    }

    /// What became of the call that the server knows by `id`.
    async fn called(
        &self,
        id: &str,
        spoken: Result<Spoken, Failure>,
        packets: u64,
        lost: u64,
    ) -> Called {
        let Spoken { heard, barged } = match spoken {
            Ok(spoken) => spoken,
            Err(error) => return Called::Failed(error.to_string()),
        };
        let record = self.server.record(id).await.map_or_else(Vec::new, |(_, turns)| turns);
        let reports = turns(&heard.said, &heard.ear, &record, heard.first_packet);
        let said = heard.said.iter().zip(barged);
        let turns = said
            .zip(reports)
            .map(|((said, barged_in), report)| Turn { ended: said.ended, barged_in, report })
            .collect();
        Called::Answered { turns, cut_short: heard.cut_short, packets, lost }
    }

    /// What is said in one call.
    fn cues(&self, dice: &mut StdRng) -> Vec<Cue> {
        let mut cues = Vec::with_capacity(self.habits.turns);
        for nth in 0..self.habits.turns {
            let talks_into = nth > 0 && dice.random_bool(self.habits.barge_in);
            let (when, pause) = if talks_into {
                (When::Sounding, INTO.mul_f64(dice.random_range(0.33..1.0)))
            } else {
                (When::Quiet, self.habits.think.mul_f64(pause(dice)))
            };
            let clip = &self.clips.all[dice.random_range(0..self.clips.all.len())];
            cues.push(Cue {
                what: clip.name.clone(),
                sound: clip.sound.to_vec(),
                press: None,
                when,
                pause,
                expects_reply: true,
            });
        }
        cues
    }
}

/// Pauses of people are spread about their median by a factor of two either way, evenly in its logarithm.
fn pause(dice: &mut StdRng) -> f64 {
    2.0_f64.powf(dice.random_range(-1.0..1.0))
}
