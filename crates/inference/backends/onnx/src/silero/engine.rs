//! The lane engine of voice activity: every call with a whole window takes part in the next run.

use std::{
    task::Context,
    time::{Duration, Instant},
};

use trunkline_inference::{Engine, ModelError, Progress, SlotId, Slots, VadScore};

use super::{
    RATE_HZ,
    batch::Batch,
    ear::{Ear, Heard, Hearing},
};

/// From so many calls on, runs wait for company: a row of a batch costs less than half a run.
const CROWD: usize = 8;
/// How long runs of a crowd stand apart, unless somebody is behind: half a window. A verdict comes at most so much
/// later.
const TICK: Duration = Duration::from_millis(16);

/// What judges a batch: the model, or a test's stand-in.
pub(crate) trait Network {
    /// Judges the rows of `batch` and gives it the results.
    fn run(&mut self, batch: &mut Batch) -> Result<(), ModelError>;
}

/// Many ears, one network.
pub(crate) struct VadEngine<N> {
    network: N,
    ears: Vec<Option<Ear>>,
    batch: Batch,
    active: Vec<SlotId>,
    next_run: Instant,
}

impl<N: Network> VadEngine<N> {
    /// Makes an engine for `slots` calls.
    pub(crate) fn new(network: N, slots: usize) -> Self {
        Self {
            network,
            ears: (0..slots).map(|_| None).collect(),
            batch: Batch::new(slots),
            active: Vec::with_capacity(slots),
            next_run: Instant::now(),
        }
    }

    /// Collects a window from each call that has one and whose reader has room.
    fn collect(&mut self, slots: &mut Slots<VadScore>, waker: &mut Context<'_>) {
        self.batch.clear();
        self.active.clear();
        self.active.extend(slots.active());
        for &slot in &self.active {
            let Some(ear) = &mut self.ears[slot] else { continue };
            if !slots.has_room(slot, 1) {
                continue;
            }
            match ear.listen(waker) {
                Heard::Window => ear.fill(slot, &mut self.batch),
                Heard::Waiting => {}
                Heard::Ended => slots.finish(slot),
                Heard::WrongRate(rate) => slots.fail(slot, wrong_rate(rate)),
            }
        }
        self.batch.gather();
    }

    /// Whether the next run may follow at once: nobody would join it by waiting, or somebody is behind.
    fn follows_at_once(&self) -> bool {
        let is_behind = |&slot: &SlotId| self.ears[slot].as_ref().is_some_and(Ear::is_behind);
        self.active.len() < CROWD
            || self.batch.rows() == self.active.len()
            || self.batch.slots().iter().any(is_behind)
    }

    fn emit(&mut self, slots: &mut Slots<VadScore>) {
        for (row, &slot) in self.batch.slots().iter().enumerate() {
            let Some(ear) = &mut self.ears[slot] else { continue };
            let (probability, state) = self.batch.result(row);
            let end = ear.advance(state);
            slots.emit(slot, VadScore { probability, end });
        }
    }
}

impl<N: Network> Engine for VadEngine<N> {
    type Job = Hearing;
    type Piece = VadScore;

    fn slots(&self) -> usize {
        self.ears.len()
    }

    fn admit(&mut self, slot: SlotId, job: Hearing) {
        self.ears[slot] = Some(Ear::new(job));
    }

    fn step(&mut self, slots: &mut Slots<VadScore>, waker: &mut Context<'_>) -> Progress {
        let now = Instant::now();
        if now < self.next_run {
            return Progress::Until(self.next_run);
        }
        self.collect(slots, waker);
        if self.batch.rows() == 0 {
            return Progress::Idle;
        }
        slots.stepped(self.batch.rows());
        match self.network.run(&mut self.batch) {
            Ok(()) => self.emit(slots),
            Err(error) => {
                for &slot in self.batch.slots() {
                    slots.fail(slot, error.clone());
                }
            }
        }
        if self.follows_at_once() {
            return Progress::More;
        }
        self.next_run = now + TICK;
        Progress::Until(self.next_run)
    }

    fn release(&mut self, slot: SlotId) {
        self.ears[slot] = None;
    }
}

fn wrong_rate(rate: u32) -> ModelError {
    ModelError::BadRequest(format!(
        "voice activity hears {RATE_HZ} Hz and was given {rate} Hz: resample first"
    ))
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, executor::block_on, stream};
    use trunkline_inference::{Lane, Priority};

    use super::*;
    use crate::{
        silero::batch::{ROW, STATE},
        testbed,
    };

    /// Its verdict is the first state value, which counts windows, plus the window's last sample.
    struct Counting {
        failing: bool,
    }

    impl Network for Counting {
        fn run(&mut self, batch: &mut Batch) -> Result<(), ModelError> {
            if self.failing {
                return Err(ModelError::Engine { engine: "counting", reason: "told to".into() });
            }
            let rows = batch.rows();
            let state: Vec<f32> = batch.state().iter().map(|x| x + 1.0).collect();
            let verdicts: Vec<f32> = (0..rows)
                .map(|row| batch.sound()[(row + 1) * ROW - 1].mul_add(1000.0, state[row * STATE]))
                .collect();
            batch.take_results(&verdicts, &state);
            Ok(())
        }
    }

    fn lane(slots: usize, failing: bool) -> Lane<VadEngine<Counting>> {
        Lane::start("counting", Priority::WithAudio, move || {
            Ok(VadEngine::new(Counting { failing }, slots))
        })
        .unwrap()
    }

    fn constant(level: i16, windows: usize) -> Hearing {
        Box::pin(stream::iter(testbed::frames(&vec![level; windows * 512], RATE_HZ)))
    }

    #[test]
    fn each_call_gets_its_own_verdicts_from_shared_runs() {
        let lane = lane(64, false);
        let calls: Vec<_> =
            (0..50_i16).map(|n| (n, lane.open(constant(n, 3 + n as usize)))).collect();
        for (n, call) in calls {
            let verdicts: Vec<f32> = block_on(call.map(|s| s.unwrap().probability).collect());
            let own = f32::from(n) / 32768.0 * 1000.0;
            let expected: Vec<f32> = (1..=3 + n).map(|count| f32::from(count) + own).collect();
            assert_eq!(verdicts.len(), expected.len());
            assert!(verdicts.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-3));
        }
    }

    #[test]
    fn a_slot_begins_with_a_fresh_state() {
        let lane = lane(1, false);
        for _ in 0..3 {
            let verdicts: Vec<_> = block_on(lane.open(constant(0, 2)).collect());
            assert!(matches!(verdicts[0], Ok(VadScore { probability: 1.0, .. })));
        }
    }

    #[test]
    fn a_failed_run_ends_the_streams_that_took_part_with_its_reason() {
        let pieces: Vec<_> = block_on(lane(2, true).open(constant(0, 2)).collect());
        assert!(
            matches!(&pieces[..], [Err(ModelError::Engine { reason, .. })] if reason == "told to")
        );
    }

    #[test]
    fn a_wrong_rate_says_what_to_do() {
        let frames = stream::iter(testbed::frames(&[0; 160], 8000));
        let pieces: Vec<_> = block_on(lane(2, false).open(Box::pin(frames)).collect());
        let [Err(error)] = &pieces[..] else { panic!("{pieces:?}") };
        assert!(error.to_string().contains("8000 Hz: resample"));
    }

    #[test]
    fn a_listener_who_does_not_read_loses_nothing() {
        let lane = lane(2, false);
        let slow = lane.open(constant(0, 300));
        let quick: Vec<_> = block_on(lane.open(constant(0, 200)).collect());
        assert_eq!(quick.len(), 200);
        assert_eq!(block_on(slow.count()), 300);
    }
}
