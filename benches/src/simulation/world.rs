//! Calls, lanes and a device in virtual time.

use std::{cmp::Reverse, collections::BinaryHeap};

use trunkline_inference::schedule::Promises;

use super::{
    Turn,
    gate::{Counts, Gate},
    lanes::{Demand, Hearing, Replying, Speaking},
    machine::{Machine, Took},
    order::{Floor, LANES, Referee},
};

/// Seconds of packets, jitter buffer, playout and the way.
pub(super) const NETWORK: f64 = 0.120;
/// Seconds from a caller's last sound to the reply's first that are good.
pub(super) const GOOD: f64 = 2.0;
/// Seconds of silence after which the recognizer works ahead.
pub(super) const PAUSE: f64 = 0.080;
/// Work is given up so many seconds after the last turn.
const PATIENCE: f64 = 30.0;

/// How a turn went.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Seconds from the caller's last sound to the reply's first, at the caller's ear; `None` of no reply.
    pub latency: Option<f64>,
    /// Whether the reply was silent where it should have sounded.
    pub ran_dry: bool,
    /// Seconds of sound that are there.
    pub sound: f64,
    /// Whether the call was not let in.
    pub is_refused: bool,
}

impl Outcome {
    /// Whether it was as promised.
    pub fn is_good(&self) -> bool {
        self.latency.is_some_and(|latency| latency <= GOOD) && !self.ran_dry
    }
}

/// How all went.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Of each turn.
    pub outcomes: Vec<Outcome>,
    /// Seconds that each lane stepped.
    pub worked: [f64; LANES],
    /// When all was done.
    pub ended: f64,
}

impl Figures {
    /// The part of the turns that were as promised.
    #[expect(clippy::cast_precision_loss, reason = "turns")]
    pub fn good(&self) -> f64 {
        let good = self.outcomes.iter().filter(|outcome| outcome.is_good()).count();
        good as f64 / self.outcomes.len().max(1) as f64
    }

    /// The latency that this part of the turns does not exceed.
    pub fn latency(&self, part: f64) -> f64 {
        let mut all: Vec<f64> =
            self.outcomes.iter().map(|o| o.latency.unwrap_or(f64::INFINITY)).collect();
        all.sort_by(f64::total_cmp);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index"
        )]
        let index = (all.len() as f64 * part) as usize;
        all.get(index.min(all.len().saturating_sub(1))).copied().unwrap_or(0.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Stopped(usize),
    Ended(usize),
    Second,
}

/// What is known of a turn.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    ended: Option<f64>,
    words: Option<f64>,
    asked: f64,
    clauses_written: usize,
    tokens_written: f64,
    dry_at: f64,
    outcome: Outcome,
}

/// Everything that happens.
pub struct World<'a> {
    now: f64,
    turns: &'a [Turn],
    machines: [Machine; LANES],
    floor: Floor,
    referee: Referee,
    events: BinaryHeap<Reverse<(u64, u8, usize)>>,
    /// What is left of the steps that run.
    running: [Option<Took>; LANES],
    hearing: Hearing,
    replying: Replying,
    speaking: Speaking,
    progress: Vec<Progress>,
    worked: [f64; LANES],
    promises: Promises,
    gate: Option<Gate>,
}

impl<'a> World<'a> {
    /// These turns on a device that is shared so.
    pub fn new(turns: &'a [Turn], machine: Machine, floor: Floor) -> Self {
        let order = match floor {
            Floor::InTurn(order) => order,
            Floor::Split(_) | Floor::Sliced => super::Order::FirstCome,
        };
        let promises = Promises::default();
        let mut world = Self {
            now: 0.0,
            turns,
            machines: [machine; LANES],
            floor,
            referee: Referee::new(order),
            events: BinaryHeap::new(),
            running: [None; LANES],
            hearing: Hearing::default(),
            replying: Replying::default(),
            speaking: Speaking::default(),
            progress: vec![Progress::default(); turns.len()],
            worked: [0.0; LANES],
            promises,
            gate: None,
        };
        for (number, turn) in turns.iter().enumerate() {
            world.at(turn.stopped + PAUSE, Event::Stopped(number));
            world.at(turn.stopped + turn.endpoint, Event::Ended(number));
        }
        world
    }

    /// The same with a device of its own for each lane.
    #[must_use]
    pub fn on(self, machines: [Machine; LANES]) -> Self {
        Self { machines, ..self }
    }

    /// The same with calls let in one by one: `calls` says which each turn is of.
    #[must_use]
    pub fn admitting(mut self, calls: Vec<usize>, counts: Counts) -> Self {
        let last = self.turns.last().map_or(0.0, |turn| turn.stopped);
        let mut second = 1.0;
        while second < last {
            self.at(second, Event::Second);
            second += 1.0;
        }
        self.gate = Some(Gate::new(calls, counts));
        self
    }

    /// Runs until every reply has sounded, or has no hope of it.
    pub fn run(mut self) -> Figures {
        let last = self.turns.last().map_or(0.0, |turn| turn.stopped) + PATIENCE;
        while self.now < last {
            self.start();
            if !self.advance() {
                break;
            }
        }
        let outcomes = self.progress.iter().map(|progress| progress.outcome).collect();
        Figures { outcomes, worked: self.worked, ended: self.now }
    }

    /// Whole nanoseconds order events without doubt.
    fn at(&mut self, seconds: f64, event: Event) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "nanoseconds of a run"
        )]
        let at = (seconds * 1e9).round() as u64;
        let (kind, turn) = match event {
            Event::Stopped(turn) => (0, turn),
            Event::Ended(turn) => (1, turn),
            Event::Second => (2, 0),
        };
        self.events.push(Reverse((at, kind, turn)));
    }

    /// Lets lanes step that may.
    fn start(&mut self) {
        if let Floor::InTurn(order) = self.floor {
            while self.running.iter().flatten().count() < order.width() {
                let demands = std::array::from_fn(|lane| match self.running[lane] {
                    Some(_) => None,
                    None => self.demand(lane),
                });
                let Some(lane) = self.referee.next(self.now, &demands) else { return };
                self.begin(lane);
            }
            return;
        }
        for lane in 0..LANES {
            if self.running[lane].is_none() && self.demand(lane).is_some() {
                self.begin(lane);
            }
        }
    }

    fn demand(&self, lane: usize) -> Option<Demand> {
        let machine = &self.machines[lane];
        match lane {
            0 => self.hearing.demand(machine),
            1 => self.replying.demand(machine),
            _ => self.speaking.demand(machine),
        }
    }

    fn begin(&mut self, lane: usize) {
        let machine = &self.machines[lane];
        let took = match lane {
            0 => self.hearing.begin(machine),
            1 => self.replying.begin(machine),
            _ => self.speaking.begin(machine),
        };
        self.running[lane] = Some(took);
        self.worked[lane] += took.work;
    }

    /// The part of the device that the lane has for its work.
    fn speed(&self, lane: usize) -> f64 {
        match self.floor {
            Floor::Split(parts) => parts[lane],
            Floor::InTurn(_) | Floor::Sliced => {
                let at_work = self.running.iter().flatten().filter(|took| took.idle <= 0.0);
                1.0 / f64::from(u32::try_from(at_work.count().max(1)).unwrap_or(1))
            }
        }
    }

    /// When what the lane does next is over: waiting, then working.
    fn ends(&self, lane: usize) -> Option<f64> {
        let took = self.running[lane]?;
        Some(self.now + if took.idle > 0.0 { took.idle } else { took.work / self.speed(lane) })
    }

    /// Goes on to whatever happens next; false when nothing does.
    fn advance(&mut self) -> bool {
        let ends = (0..LANES).filter_map(|lane| Some((self.ends(lane)?, lane)));
        let end = ends.min_by(|a, b| a.0.total_cmp(&b.0));
        #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a run")]
        let event = self.events.peek().map(|Reverse((at, ..))| *at as f64 * 1e-9);
        let Some(then) = end.map(|(at, _)| at).into_iter().chain(event).reduce(f64::min) else {
            return false;
        };
        let then = then.max(self.now);
        let passed = then - self.now;
        let speeds: [f64; LANES] = std::array::from_fn(|lane| self.speed(lane));
        for (running, speed) in self.running.iter_mut().zip(speeds) {
            match running {
                Some(took) if took.idle > 0.0 => took.idle -= passed,
                Some(took) => took.work -= passed * speed,
                None => {}
            }
        }
        self.now = then;
        match end {
            Some((at, lane)) if at <= then => self.is_over(lane),
            _ => self.happens(),
        }
        true
    }

    /// The lane has waited, or worked.
    fn is_over(&mut self, lane: usize) {
        match &mut self.running[lane] {
            Some(took) if took.idle > 0.0 || took.work > 1e-12 => took.idle = 0.0,
            _ => self.end(lane),
        }
    }

    fn happens(&mut self) {
        let Some(Reverse((_, kind, turn))) = self.events.pop() else { return };
        if kind == 2 {
            if let Some(gate) = &mut self.gate {
                gate.second(self.now);
            }
        } else if self.gate.as_mut().is_some_and(|gate| !gate.lets_in(self.now, turn)) {
            self.progress[turn].outcome.is_refused = true;
        } else if kind == 0 {
            let due = self.now + self.promises.final_transcript.as_secs_f64();
            self.hearing.came(turn, self.turns[turn].speech, due);
        } else {
            self.progress[turn].ended = Some(self.now);
            self.ask_if_whole(turn);
        }
    }

    /// Asks for the reply once the turn is over and its words are there.
    fn ask_if_whole(&mut self, turn: usize) {
        let progress = &mut self.progress[turn];
        if let (Some(_), Some(_)) = (progress.ended, progress.words) {
            progress.asked = self.now;
            self.replying.asked(self.now, turn, &self.turns[turn]);
        }
    }

    fn end(&mut self, lane: usize) {
        self.running[lane] = None;
        let stepped = self.referee.done(self.now, lane);
        if let (Some(gate), Some(stepped)) = (&mut self.gate, stepped) {
            gate.stepped(stepped);
        }
        match lane {
            0 => {
                for turn in self.hearing.end() {
                    self.progress[turn].words = Some(self.now);
                    self.ask_if_whole(turn);
                }
            }
            1 => {
                for (turn, tokens) in self.replying.end(self.now) {
                    self.wrote(turn, tokens);
                }
            }
            _ => {
                for (turn, sound) in self.speaking.end() {
                    self.said(turn, sound);
                }
            }
        }
    }

    fn wrote(&mut self, turn: usize, tokens: f64) {
        let progress = &mut self.progress[turn];
        let Some(clause) = self.turns[turn].clauses.get(progress.clauses_written) else { return };
        if tokens < progress.tokens_written + clause.tokens {
            return;
        }
        progress.clauses_written += 1;
        progress.tokens_written += clause.tokens;
        let due = if progress.outcome.latency.is_none() {
            progress.asked + self.promises.first_clause.as_secs_f64()
        } else {
            progress.dry_at - self.promises.next_clause_lead.as_secs_f64()
        };
        self.speaking.came(turn, clause.sound, due);
    }

    fn said(&mut self, turn: usize, sound: f64) {
        let progress = &mut self.progress[turn];
        let outcome = &mut progress.outcome;
        if outcome.latency.is_none() {
            let latency = self.now - self.turns[turn].stopped + NETWORK;
            outcome.latency = Some(latency);
            if let Some(gate) = &mut self.gate {
                gate.answered(self.now, self.turns[turn].endpoint + NETWORK, latency);
            }
            progress.dry_at = self.now;
        }
        outcome.ran_dry |= self.now > progress.dry_at;
        outcome.sound += sound;
        progress.dry_at = progress.dry_at.max(self.now) + sound;
        let due = progress.dry_at - self.promises.next_clause_lead.as_secs_f64();
        self.speaking.runs_dry(turn, due);
    }
}
