//! A leg that plays a caller in virtual time: speaks by its world, hears through a real [`Playout`].

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};
use trunkline_audio::{MediaTime, Playout};
use trunkline_session::{HangupReason, Leg, LegInput, LegOutput, Overrun};
use trunkline_turn::{Digit, Mark};

use crate::World;

const TICK: Duration = Duration::from_millis(20);

/// Something that a caller does besides speaking.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// Presses a key.
    Press(char),
    /// Puts the call on hold.
    Hold,
    /// Comes back.
    Resume,
    /// Hangs up.
    HangUp,
}

/// What reached the caller, with when, from the start of the call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sent {
    /// Sound began.
    Sound(Duration),
    /// Sound ended.
    Quiet(Duration),
    /// We hung up.
    HungUp(Duration, HangupReason),
}

/// The caller's end of a call.
pub struct ScriptedLeg {
    world: World,
    acts: VecDeque<(Duration, Act)>,
    began: Instant,
    ticks: u32,
    playout: Playout<Mark>,
    inputs: VecDeque<LegInput>,
    sent: Arc<Mutex<Vec<Sent>>>,
    state: State,
}

#[derive(Default)]
struct State {
    is_sounding: bool,
    is_held: bool,
    hanging_up: Option<HangupReason>,
    is_gone: bool,
}

impl ScriptedLeg {
    /// A caller who speaks by `world` and acts at `(ms, act)`, in order; hangs up by an act.
    pub fn new(world: World, acts: &[(u64, Act)]) -> Self {
        Self {
            world,
            acts: acts.iter().map(|&(ms, act)| (Duration::from_millis(ms), act)).collect(),
            began: Instant::now(),
            ticks: 0,
            playout: Playout::new(8000),
            inputs: VecDeque::new(),
            sent: Arc::default(),
            state: State::default(),
        }
    }

    /// Where what reached the caller is noted.
    pub fn sent(&self) -> Arc<Mutex<Vec<Sent>>> {
        Arc::clone(&self.sent)
    }

    fn tick(&mut self) {
        let at = TICK * self.ticks;
        self.ticks += 1;
        if !self.state.is_held {
            let media = MediaTime::from_ms(u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
            self.inputs.push_back(LegInput::Audio(self.world.frame(media)));
        }
        self.play(at);
        while self.acts.front().is_some_and(|(when, _)| *when <= at) {
            if let Some((_, act)) = self.acts.pop_front() {
                self.act(act);
            }
        }
        if let Some(reason) = self.state.hanging_up
            && self.playout.queued().is_zero()
        {
            self.note(Sent::HungUp(at, reason));
            self.leave(reason);
        }
    }

    fn play(&mut self, at: Duration) {
        let tick = self.playout.tick();
        let sounds = tick.samples.iter().any(|s| s.unsigned_abs() > 500);
        if sounds != self.state.is_sounding {
            self.state.is_sounding = sounds;
            self.note(if sounds { Sent::Sound(at) } else { Sent::Quiet(at) });
            if sounds {
                self.inputs.push_back(LegInput::Sounding(Instant::now().into_std()));
            }
        }
        self.inputs.extend(tick.played.iter().map(|&mark| LegInput::Played(mark)));
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Press(key) => self.inputs.push_back(LegInput::Pressed(Digit(key))),
            Act::Hold => {
                self.state.is_held = true;
                self.inputs.push_back(LegInput::Held);
            }
            Act::Resume => {
                self.state.is_held = false;
                self.inputs.push_back(LegInput::Resumed);
            }
            Act::HangUp => self.leave(HangupReason::CallerHungUp),
        }
    }

    fn leave(&mut self, reason: HangupReason) {
        self.state.is_gone = true;
        self.inputs.push_back(LegInput::Gone(reason));
    }

    fn note(&self, what: Sent) {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

impl Leg for ScriptedLeg {
    async fn recv(&mut self) -> LegInput {
        loop {
            if let Some(input) = self.inputs.pop_front() {
                return input;
            }
            if self.state.is_gone {
                return std::future::pending().await;
            }
            sleep_until(self.began + TICK * self.ticks).await;
            self.tick();
        }
    }

    fn send(&mut self, output: LegOutput) -> Result<(), Overrun> {
        match output {
            LegOutput::Audio(frame) => self.playout.push(&frame).map_err(|_| Overrun)?,
            LegOutput::Mark(mark) => self.playout.mark(mark),
            LegOutput::Flush => {
                let flushed = self.playout.flush();
                let (last, since_mark) = (flushed.last, flushed.since_mark);
                self.inputs.push_back(LegInput::Flushed { last, since_mark });
            }
            LegOutput::Pause => self.playout.pause(),
            LegOutput::Resume => self.playout.resume(),
            LegOutput::HangUp(reason) => self.state.hanging_up = Some(reason),
        }
        Ok(())
    }
}
