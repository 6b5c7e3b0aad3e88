//! A leg that plays a caller in virtual time: speaks by its world, hears through a real [`Playout`].

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};
use trunkline_audio::{MediaTime, Playout, Sound};
use trunkline_session::{Direction, HangupReason, Leg, LegInput, LegOutput, News, Overrun};
use trunkline_turn::{Digit, Mark};

use crate::World;

const TICK: Duration = Duration::from_millis(20);

/// Something that a caller does besides speaking.
#[derive(Clone, Debug)]
pub enum Act {
    /// Presses a key.
    Press(char),
    /// Puts the call on hold.
    Hold,
    /// Comes back.
    Resume,
    /// Orders something, as a program at the caller's end does.
    Direct(Direction),
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
///
/// The world's time stands still while the call is on hold: a caller says nothing then.
pub struct ScriptedLeg {
    world: World,
    acts: VecDeque<(Duration, Act)>,
    began: Instant,
    ticks: u32,
    heard: MediaTime,
    line: Line,
    inputs: VecDeque<LegInput>,
    state: State,
}

/// What goes to the caller.
struct Line {
    playout: Playout<Mark>,
    /// Sound that may wait; more is refused.
    room: Duration,
    is_sounding: bool,
    sent: Arc<Mutex<Vec<Sent>>>,
    told: Arc<Mutex<Vec<(Duration, News)>>>,
}

#[derive(Default)]
struct State {
    is_held: bool,
    hanging_up: Option<HangupReason>,
    is_gone: bool,
}

impl ScriptedLeg {
    /// A caller who speaks by `world` and acts at `(ms, act)`, in order; hangs up by an act.
    pub fn new(world: World, acts: &[(u64, Act)]) -> Self {
        Self {
            world,
            acts: acts.iter().map(|(ms, act)| (Duration::from_millis(*ms), act.clone())).collect(),
            began: Instant::now(),
            ticks: 0,
            heard: MediaTime::ZERO,
            line: Line {
                playout: Playout::new(8000),
                room: Duration::MAX,
                is_sounding: false,
                sent: Arc::default(),
                told: Arc::default(),
            },
            inputs: VecDeque::new(),
            state: State::default(),
        }
    }

    /// A leg with room for this much sound, overrun by more.
    #[must_use]
    pub fn with_room(mut self, room: Duration) -> Self {
        self.line.room = room;
        self
    }

    /// Where what reached the caller is noted.
    pub fn sent(&self) -> Arc<Mutex<Vec<Sent>>> {
        Arc::clone(&self.line.sent)
    }

    /// Where what the leg was told is noted, with when, from the start of the call.
    pub fn told(&self) -> Arc<Mutex<Vec<(Duration, News)>>> {
        Arc::clone(&self.line.told)
    }

    /// 20 ms pass: the sound of them comes in, the next goes out.
    fn tick(&mut self) {
        self.ticks += 1;
        let at = TICK * self.ticks;
        if !self.state.is_held {
            let frame = self.world.frame(self.heard);
            self.heard = frame.end();
            self.inputs.push_back(LegInput::Audio(frame));
        }
        self.play(at);
        while let Some((_, act)) = self.acts.pop_front_if(|(when, _)| *when <= at) {
            self.act(act);
        }
        if let Some(reason) = self.state.hanging_up
            && (self.state.is_held || self.line.playout.is_empty())
        {
            self.note(Sent::HungUp(at, reason));
            self.leave(reason);
        }
    }

    fn play(&mut self, at: Duration) {
        let tick = self.line.playout.tick();
        let sounds = tick.sound != Sound::Silent;
        if sounds != self.line.is_sounding {
            self.line.is_sounding = sounds;
            self.note(if sounds { Sent::Sound(at) } else { Sent::Quiet(at) });
        }
        if tick.sound == Sound::Begins {
            self.inputs.push_back(LegInput::Sounding(Instant::now().into_std()));
        }
        self.inputs.extend(tick.played.into_iter().map(LegInput::Played));
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
            Act::Direct(direction) => self.inputs.push_back(LegInput::Directed(direction)),
            Act::HangUp => self.leave(HangupReason::CallerHungUp),
        }
    }

    fn leave(&mut self, reason: HangupReason) {
        self.state.is_gone = true;
        self.inputs.push_back(LegInput::Gone(reason));
    }

    fn note(&self, what: Sent) {
        self.line.sent.lock().unwrap_or_else(PoisonError::into_inner).push(what);
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
            sleep_until(self.began + TICK * (self.ticks + 1)).await;
            self.tick();
        }
    }

    fn send(&mut self, output: LegOutput) -> Result<(), Overrun> {
        let Line { playout, room, .. } = &mut self.line;
        match output {
            LegOutput::Audio(frame) if playout.queued() + frame.duration() > *room => {
                return Err(Overrun);
            }
            LegOutput::Audio(frame) => playout.push(&frame).map_err(|_| Overrun)?,
            LegOutput::Mark(mark) => playout.mark(mark).map_err(|_| Overrun)?,
            LegOutput::Flush => {
                let flushed = playout.flush();
                let (last, since_mark) = (flushed.last, flushed.since_mark);
                self.inputs.push_back(LegInput::Flushed { last, since_mark });
            }
            LegOutput::Pause => playout.pause(),
            LegOutput::Resume => playout.resume(),
            LegOutput::HangUp(reason) => self.state.hanging_up = Some(reason),
        }
        Ok(())
    }

    fn tell(&mut self, news: News) -> Result<(), Overrun> {
        let at = self.began.elapsed();
        self.line.told.lock().unwrap_or_else(PoisonError::into_inner).push((at, news));
        Ok(())
    }
}
