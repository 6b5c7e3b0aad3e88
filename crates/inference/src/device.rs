//! The lanes of one device, stepping in the order of its schedule.

use std::{
    collections::BTreeMap,
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use crate::schedule::{Claim, Cost, LaneId, Request, Schedule, Shares, Step};

/// What lanes share: a GPU, or the processors of a machine. Cloning shares it.
#[derive(Clone)]
pub struct Device(Arc<Mutex<Floor>>);

/// Who may step.
struct Floor {
    schedule: Schedule,
    seats: BTreeMap<LaneId, Called>,
    meter: Meter,
    /// How much of the device's time each step that runs has had, until this moment.
    running: BTreeMap<LaneId, Duration>,
    /// What the meter said when that was last divided.
    divided_until: Option<Duration>,
    /// How long the device worked for calls, as far as more calls would take more.
    worked: Duration,
}

/// What tells how long a device has been at work.
#[derive(Clone, Copy)]
enum Meter {
    /// The time that passes while steps run: they share the device.
    Clock { since: Instant },
    /// What so many processors did for this process, be it in a step or not.
    Processors { count: u32, used: fn() -> Duration },
}

/// Whom to wake, and whether it was told to go on.
struct Called {
    thread: Thread,
    is_granted: bool,
}

impl Device {
    /// One on which `width` steps may run at once: 1 where each step takes all of it.
    pub fn new(width: NonZeroUsize) -> Self {
        Self::metered(width, Meter::Clock { since: Instant::now() })
    }

    /// The `count` processors of a machine: as many steps may run at once, and each keeps as many busy as it needs.
    pub fn processors(count: NonZeroUsize) -> Self {
        let (width, count) = (count, u32::try_from(count.get()).unwrap_or(u32::MAX));
        Self::metered(width, Meter::Processors { count, used: processor_time })
    }

    fn metered(width: NonZeroUsize, meter: Meter) -> Self {
        let floor = Floor {
            schedule: Schedule::new(width),
            seats: BTreeMap::new(),
            meter,
            running: BTreeMap::new(),
            divided_until: None,
            worked: Duration::ZERO,
        };
        Self(Arc::new(Mutex::new(floor)))
    }

    /// How long the device was at work for calls, since it began, as far as more calls would keep it at work for
    /// longer. Steps side by side share its time; of processors, what else this process does between steps counts too.
    pub fn worked(&self) -> Duration {
        self.floor().worked
    }

    /// Whether any lane asks it before it steps.
    pub fn is_shared(&self) -> bool {
        !self.floor().seats.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn set_worked(&self, worked: Duration) {
        self.floor().worked = worked;
    }

    /// A place for the lane that runs on the current thread.
    pub(crate) fn seat(&self) -> Seat {
        let mut floor = self.floor();
        let lane = floor.schedule.lane(Cost::default());
        floor.seats.insert(lane, Called { thread: thread::current(), is_granted: false });
        drop(floor);
        Seat { device: self.clone(), lane, state: State::Away, asks: false }
    }

    /// Held for a few instructions, and never while a step runs.
    fn floor(&self) -> MutexGuard<'_, Floor> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Device")
    }
}

impl PartialEq for Device {
    /// Whether it is the same one.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Device {}

impl Meter {
    /// How long the device has been at work, or could have been.
    fn read(self, now: Instant) -> Duration {
        match self {
            Self::Clock { since } => now.saturating_duration_since(since),
            Self::Processors { count, used } => used() / count,
        }
    }
}

/// What the processors did for this process since it began.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

impl Floor {
    /// Divides the device's time since the last step began or ended among those that ran.
    fn divide(&mut self, now: Instant) {
        let until = self.meter.read(now);
        let passed = until.saturating_sub(self.divided_until.replace(until).unwrap_or(until));
        match u32::try_from(self.running.len()).unwrap_or(u32::MAX) {
            0 if matches!(self.meter, Meter::Processors { .. }) => self.worked += passed,
            0 => {}
            count => self.running.values_mut().for_each(|had| *had += passed / count),
        }
    }

    /// Tells whoever may step to go on.
    fn grant(&mut self, now: Instant) {
        while let Some(lane) = self.schedule.next(now) {
            match self.seats.get_mut(&lane) {
                Some(called) => {
                    called.is_granted = true;
                    called.thread.unpark();
                }
                None => self.schedule.cancel(lane),
            }
        }
    }

    /// Takes back what the lane was told; whether it was told anything.
    fn take_grant(&mut self, lane: LaneId) -> bool {
        self.seats.get_mut(&lane).is_some_and(|called| std::mem::take(&mut called.is_granted))
    }
}

/// A lane's place on its device.
pub(crate) struct Seat {
    device: Device,
    lane: LaneId,
    state: State,
    /// Whether it asked in this round.
    asks: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Asks for nothing.
    Away,
    Waits,
    Steps(Request),
}

impl Seat {
    /// Asks for a step; true when it may be done at once. Otherwise the lane's thread is unparked when
    /// it may, and then asks again: what is most urgent may have changed meanwhile.
    pub(crate) fn enter(&mut self, now: Instant, step: Step, claims: &[(Claim, f64)]) -> bool {
        let mut floor = self.device.floor();
        let urgent = floor.schedule.most_urgent(now, self.lane, step, claims.iter().copied());
        let Some(request) = urgent else { return false };
        self.asks = true;
        if floor.take_grant(self.lane) {
            floor.schedule.cancel(self.lane);
        }
        floor.schedule.ask(now, self.lane, request);
        floor.grant(now);
        let is_granted = floor.take_grant(self.lane);
        if is_granted {
            floor.divide(now);
            floor.running.insert(self.lane, Duration::ZERO);
        }
        self.state = if is_granted { State::Steps(request) } else { State::Waits };
        is_granted
    }

    /// Looks at what each tenant was given of the device.
    pub(crate) fn with_shares<R>(&self, look: impl FnOnce(&mut Shares) -> R) -> R {
        look(&mut self.device.floor().schedule.shares)
    }

    /// Ends a round of the lane: its step is done, or it asks no more. Whether a claim that the step
    /// was to meet is met too late.
    pub(crate) fn end_round(&mut self, now: Instant) -> bool {
        let asks = std::mem::take(&mut self.asks);
        match self.state {
            State::Steps(request) => {
                let mut floor = self.device.floor();
                floor.divide(now);
                let had = floor.running.remove(&self.lane).unwrap_or_default();
                let stepped = floor.schedule.done(now, self.lane);
                if let Some(stepped) = stepped.filter(|_| request.claim.is_call) {
                    let charged = stepped.charged.as_secs_f64() / stepped.took.as_secs_f64();
                    floor.worked += had.mul_f64(if charged.is_finite() { charged } else { 1.0 });
                }
                floor.grant(now);
                self.state = State::Away;
                let is_met = request.left <= request.step.amount;
                is_met && request.claim.due().is_some_and(|due| due < now)
            }
            State::Waits if !asks => {
                self.leave(now);
                false
            }
            State::Waits | State::Away => false,
        }
    }

    fn leave(&mut self, now: Instant) {
        let mut floor = self.device.floor();
        floor.schedule.withdraw(self.lane);
        floor.take_grant(self.lane);
        floor.schedule.cancel(self.lane);
        floor.divide(now);
        floor.running.remove(&self.lane);
        floor.grant(now);
        self.state = State::Away;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave(Instant::now());
        self.device.floor().seats.remove(&self.lane);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    use super::*;
    use crate::schedule::Tenant;

    const STEP: Step = Step { kind: 0, amount: 1.0, pace: None };

    fn device(width: usize) -> Device {
        Device::new(NonZeroUsize::new(width).unwrap())
    }

    fn due(now: Instant, ms: u64) -> [(Claim, f64); 1] {
        [(Claim::live(Tenant(0), now + Duration::from_millis(ms)), 1.0)]
    }

    #[test]
    fn whoever_has_the_least_slack_goes_when_the_step_that_runs_is_over() {
        let device = device(1);
        let (mut first, mut relaxed, mut pressed) = (device.seat(), device.seat(), device.seat());
        let now = Instant::now();
        assert!(first.enter(now, STEP, &due(now, 500)));
        assert!(!relaxed.enter(now, STEP, &due(now, 400)));
        assert!(!pressed.enter(now, STEP, &due(now, 100)));
        for seat in [&mut first, &mut relaxed, &mut pressed] {
            seat.end_round(now);
        }
        assert!(!relaxed.enter(now, STEP, &due(now, 400)));
        assert!(pressed.enter(now, STEP, &due(now, 100)));
    }

    #[test]
    fn who_asks_no_more_lets_others_go() {
        let device = device(1);
        let (mut gone, mut other) = (device.seat(), device.seat());
        let now = Instant::now();
        assert!(gone.enter(now, STEP, &due(now, 100)));
        assert!(!other.enter(now, STEP, &due(now, 100)));
        drop(gone);
        assert!(other.enter(now, STEP, &due(now, 100)));
        other.end_round(now);
        let mut third = device.seat();
        assert!(third.enter(now, STEP, &due(now, 100)));
        assert!(!other.enter(now, STEP, &due(now, 100)));
        other.end_round(now);
        other.end_round(now);
        third.end_round(now);
        let mut fourth = device.seat();
        assert!(
            fourth.enter(now, STEP, &due(now, 900)),
            "the one that asked no more is in nobody's way"
        );
    }

    #[test]
    fn the_time_that_steps_of_calls_take_is_counted_and_that_of_others_is_not() {
        let device = device(1);
        let mut seat = device.seat();
        let now = Instant::now();
        assert!(seat.enter(now, STEP, &due(now, 10)));
        seat.end_round(now + Duration::from_millis(7));
        assert!(seat.enter(now, STEP, &[(Claim::batch(Tenant(0)), 1.0)]));
        seat.end_round(now + Duration::from_millis(9));
        let of_program = due(now, 10).map(|(claim, left)| (claim.of_program(), left));
        assert!(seat.enter(now, STEP, &of_program));
        seat.end_round(now + Duration::from_millis(9));
        assert_eq!(device.worked(), Duration::from_millis(7));
    }

    #[test]
    fn steps_side_by_side_share_the_time() {
        let (device, now) = (device(2), Instant::now());
        let (mut one, mut other) = (device.seat(), device.seat());
        let at = |ms| now + Duration::from_millis(ms);
        assert!(one.enter(now, STEP, &due(now, 50)) && other.enter(at(10), STEP, &due(now, 50)));
        one.end_round(at(30));
        assert_eq!(device.worked(), Duration::from_millis(20));
        other.end_round(at(40));
        assert_eq!(device.worked(), Duration::from_millis(40));
    }

    #[test]
    fn processors_count_as_far_as_they_are_used_in_steps_and_between_them() {
        static USED_MS: AtomicU64 = AtomicU64::new(0);
        let used = || Duration::from_millis(USED_MS.load(Ordering::SeqCst));
        let (four, now) = (NonZeroUsize::new(4).unwrap(), Instant::now());
        let device = Device::metered(four, Meter::Processors { count: 4, used });
        let (mut one, mut other) = (device.seat(), device.seat());
        assert!(one.enter(now, STEP, &due(now, 50)));
        USED_MS.fetch_add(40, Ordering::SeqCst);
        assert!(other.enter(now, STEP, &[(Claim::batch(Tenant(0)), 1.0)]));
        USED_MS.fetch_add(80, Ordering::SeqCst);
        one.end_round(now + Duration::from_millis(30));
        assert_eq!(device.worked(), Duration::from_millis(20));
        USED_MS.fetch_add(80, Ordering::SeqCst);
        other.end_round(now + Duration::from_millis(50));
        assert_eq!(device.worked(), Duration::from_millis(20), "batch work is not the calls'");
        USED_MS.fetch_add(8, Ordering::SeqCst);
        assert!(one.enter(now, STEP, &due(now, 50)));
        assert_eq!(device.worked(), Duration::from_millis(22), "packets take processors too");
    }

    #[test]
    fn what_this_process_does_takes_processor_time() {
        let before = processor_time();
        while processor_time() < before + Duration::from_millis(5) {
            std::hint::spin_loop();
        }
        assert!(processor_time() > before);
    }

    #[test]
    fn a_step_that_ends_after_it_was_due_is_late() {
        let mut seat = device(1).seat();
        let now = Instant::now();
        assert!(seat.enter(now, STEP, &due(now, 10)));
        assert!(seat.end_round(now + Duration::from_millis(11)));
        assert!(seat.enter(now, STEP, &due(now, 10)));
        assert!(!seat.end_round(now + Duration::from_millis(9)));
    }

    #[test]
    fn threads_never_step_more_than_the_width_at_once_and_all_get_on() {
        let (device, running, most) = (device(2), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    let mut seat = device.seat();
                    for _ in 0..50 {
                        while !seat.enter(Instant::now(), STEP, &due(Instant::now(), 50)) {
                            seat.end_round(Instant::now());
                            thread::park_timeout(Duration::from_millis(500));
                        }
                        most.fetch_max(
                            running.fetch_add(1, Ordering::SeqCst) + 1,
                            Ordering::SeqCst,
                        );
                        thread::sleep(Duration::from_micros(200));
                        running.fetch_sub(1, Ordering::SeqCst);
                        seat.end_round(Instant::now());
                    }
                });
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }
}
