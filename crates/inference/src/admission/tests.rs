//! Calls offered to a site whose device follows its queue, second by second.

use proptest::prelude::*;

use super::*;

const LIMIT: Duration = Duration::from_secs(2);

/// A site at work: every second each settled call takes `demand` of the device, one that has just begun half of it,
/// and each of ten asks.
struct Site {
    admission: Admission,
    now: Instant,
    worked: Duration,
    next: u128,
    demand: f64,
}

impl Site {
    fn new(demand: f64) -> Self {
        let (admission, worked) = (Admission::new(LIMIT), Duration::ZERO);
        Self { admission, now: Instant::now(), worked, next: 0, demand }
    }

    fn calls(&self) -> usize {
        self.admission.calls.len()
    }

    fn count(&self) -> u32 {
        u32::try_from(self.calls()).unwrap_or(u32::MAX)
    }

    /// What the device is asked for, of its time.
    fn load(&self) -> f64 {
        let (settled, young) = self.admission.ages(self.now);
        (f64::from(settled) + f64::from(young) / 2.0) * self.demand
    }

    /// How long a turn takes now: half a second alone.
    fn took(&self) -> Duration {
        Duration::from_secs_f64((0.5 / (1.0 - self.load()).max(0.01)).min(30.0))
    }

    fn second(&mut self) {
        self.now += Duration::from_secs(1);
        self.worked += Duration::from_secs_f64(self.load().min(1.0));
        self.admission.device_worked(self.now, self.worked);
        let took = self.took();
        for _ in 0..self.calls().div_ceil(10) {
            self.admission.turn_took(self.now, Duration::ZERO, took);
        }
    }

    fn offer(&mut self) -> bool {
        let admitted = self.admission.admit(self.now).is_ok();
        if admitted {
            self.admission.call_began(self.now, self.next);
            self.next += 1;
        }
        admitted
    }

    fn offered(&mut self, calls: usize) {
        for _ in 0..calls {
            self.offer();
        }
    }

    fn end(&mut self, calls: usize) {
        let ended: Vec<u128> = self.admission.calls.keys().copied().take(calls).collect();
        for call in ended {
            self.admission.call_ended(self.now, call);
        }
    }
}

#[test]
fn an_idle_device_refuses_nobody() {
    let mut site = Site::new(0.1);
    assert!(site.offer());
    for _ in 0..20 {
        site.second();
    }
    assert!(site.offer());
}

#[test]
fn a_crowd_that_calls_at_once_is_let_in_as_fast_as_its_demand_is_seen() {
    let mut site = Site::new(0.001);
    assert_eq!((0..50).filter(|_| site.offer()).count(), SLOW_START as usize);
    let refusal = site.admission.admit(site.now).unwrap_err();
    assert_eq!(refusal.cause, Cause::Unknown);
    for _ in 0..60 {
        site.second();
        site.offered(50);
    }
    assert!(site.calls() > 400, "{}", site.calls());
}

#[test]
fn a_call_alone_is_let_in_on_the_slowest_machine() {
    let mut site = Site::new(2.0);
    site.admission.expect_turns_of(Duration::from_secs(20));
    assert!(site.offer());
    assert!(!site.offer());
    for _ in 0..20 {
        site.second();
    }
    site.end(1);
    assert!(site.offer(), "nobody is there who could suffer");
}

#[test]
fn a_crowd_that_calls_first_is_let_in_as_far_as_a_rehearsed_turn_tells() {
    let mut site = Site::new(0.13);
    site.admission.expect_turns_of(Duration::from_millis(1_300));
    assert_eq!((0..50).filter(|_| site.offer()).count(), 6);
    let refusal = site.admission.admit(site.now).unwrap_err();
    assert!(matches!(refusal.cause, Cause::Full { .. }), "{refusal:?}");
}

#[test]
fn what_calls_show_corrects_what_was_expected_of_them() {
    let mut site = Site::new(0.01);
    site.admission.expect_turns_of(Duration::from_secs(2));
    for _ in 0..60 {
        site.offered(50);
        site.second();
    }
    assert!(site.calls() > 40, "{}", site.calls());
}

#[test]
fn what_is_told_to_refused_callers_follows_how_often_calls_end() {
    let mut site = Site::new(0.2);
    (0..SLOW_START).for_each(|_| assert!(site.offer()));
    for _ in 0..20 {
        site.second();
    }
    assert_eq!(site.admission.admit(site.now).unwrap_err().retry_after, RETRY);
    site.end(1);
    site.second();
    site.second();
    site.end(1);
    site.is_full();
    assert_eq!(site.admission.admit(site.now).unwrap_err().retry_after, Duration::from_secs(2));
}

#[test]
fn silence_takes_no_longer_when_there_are_more_calls() {
    let is_slow = |silence, work| {
        let mut admission = Admission::new(LIMIT);
        let now = Instant::now();
        admission.demand = Demand::expected(0.7);
        let [silence, work] = [silence, work].map(Duration::from_millis);
        (0..20).for_each(|_| admission.turn_took(now, silence, work));
        admission.call_began(now, 1);
        matches!(admission.admit_request(now), Err(Refusal { cause: Cause::Slow { .. }, .. }))
    };
    assert!(!is_slow(900, 300));
    assert!(is_slow(300, 900));
}

impl Site {
    fn is_full(&mut self) {
        for call in 1000..1200 {
            self.admission.call_began(self.now, call);
        }
    }
}

proptest! {
    #[test]
    fn calls_in_progress_keep_their_time_whatever_is_offered(
        capacity in 12_u32..200, offered in 1_usize..20, leaving in 0_usize..3,
    ) {
        let mut site = Site::new(1.0 / f64::from(capacity));
        for second in 0..240 {
            site.second();
            site.offered(offered);
            if second % 10 == 0 {
                site.end(leaving);
            }
            prop_assert!(site.load() < 1.0, "{} calls of {capacity} at {second} s", site.calls());
        }
        prop_assert!(site.took() <= LIMIT.mul_f64(1.3), "{:?}", site.took());
        let full = f64::from(capacity) * 0.6;
        prop_assert!(f64::from(site.count()) >= full.min(200.0) - 2.0, "{} of {capacity}", site.calls());
    }

    #[test]
    fn more_calls_are_never_predicted_to_be_quicker(demand in 0.0_f64..0.2) {
        let mut admission = Admission::new(LIMIT);
        let now = Instant::now();
        admission.demand = Demand::expected(demand);
        let silence = Duration::from_millis(450);
        (0..20).for_each(|_| admission.turn_took(now, silence, Duration::from_millis(400)));
        let verdicts: Vec<bool> =
            (0..20).map(|more| admission.judge(now, f64::from(more)).is_ok()).collect();
        prop_assert!(verdicts.is_sorted_by(|a, b| a >= b), "{verdicts:?}");
    }

    #[test]
    fn after_a_rush_calls_are_taken_again(capacity in 12_u32..60) {
        let mut site = Site::new(1.0 / f64::from(capacity));
        for _ in 0..120 {
            site.second();
            site.offered(5);
        }
        prop_assert!(!site.offer());
        site.end(site.calls());
        for _ in 0..40 {
            site.second();
        }
        prop_assert!(site.offer());
    }
}
