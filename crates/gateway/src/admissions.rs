//! Who is let in while the models are busy.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval};
use trunkline_inference::{
    Devices,
    admission::{Admission, Cause, Refusal},
};
use trunkline_session::{CallId, Observer, Record, What};

/// How often the devices are asked how busy they are.
const OBSERVE: Duration = Duration::from_secs(1);

/// Lets calls and requests in only while the turns of calls in progress stay in time. Cloning shares it.
///
/// As an observer it takes a lock for a few instructions and never across I/O or an await.
#[derive(Clone)]
pub struct Admissions(Option<Arc<Mutex<Admission>>>);

impl Admissions {
    /// Keeps the 95th percentile of turns below `limit`.
    pub fn new(limit: Duration) -> Self {
        Self(Some(Arc::new(Mutex::new(Admission::new(limit)))))
    }

    /// Lets everybody in.
    pub fn open() -> Self {
        Self(None)
    }

    /// A turn of a call keeps the device at work for so long, as far as can be told before calls come.
    pub fn expect_turns_of(&self, work: Duration) {
        if let Some(mut admission) = self.admission() {
            admission.expect_turns_of(work);
        }
    }

    /// Lets a call in, which is in progress from now on, or says when to come back.
    pub fn call(&self, call: CallId) -> Result<(), Duration> {
        let Some(mut admission) = self.admission() else { return Ok(()) };
        let now = Instant::now();
        admission.admit(now).map_err(|refusal| told("a call", refusal))?;
        admission.call_began(now, call.0.as_u128());
        Ok(())
    }

    /// A call that was let in did not come about.
    pub fn gave_up(&self, call: CallId) {
        if let Some(mut admission) = self.admission() {
            admission.call_ended(Instant::now(), call.0.as_u128());
        }
    }

    /// Whether there is room for a session of a program, which is a call once it speaks.
    pub(crate) fn session(&self) -> Result<(), Duration> {
        let Some(mut admission) = self.admission() else { return Ok(()) };
        admission.admit(Instant::now()).map_err(|refusal| told("a session", refusal))
    }

    /// Whether there is room for a request, or when to come back.
    pub(crate) fn request(&self) -> Result<(), Duration> {
        let Some(admission) = self.admission() else { return Ok(()) };
        admission.admit_request(Instant::now()).map_err(|refusal| told("a request", refusal))
    }

    /// Keeps looking how busy the devices are; never ends.
    pub async fn watch(self, devices: Devices) {
        let mut ticks = interval(OBSERVE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(mut admission) = self.admission() else { return };
            admission.device_worked(Instant::now(), devices.worked());
        }
    }

    fn admission(&self) -> Option<MutexGuard<'_, Admission>> {
        let admission = self.0.as_ref()?;
        Some(admission.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn told(what: &str, Refusal { retry_after, cause }: Refusal) -> Duration {
    let seconds = retry_after.as_secs();
    match cause {
        Cause::Slow { predicted } => {
            let predicted = predicted.as_millis();
            tracing::info!(predicted, seconds, "{what} is refused: turns would take too long");
        }
        Cause::Full { busy } => {
            tracing::info!(busy, seconds, "{what} is refused: the models are busy");
        }
        Cause::Unknown => tracing::info!(seconds, "{what} is refused: too many begin at once"),
    }
    retry_after
}

impl Observer for Admissions {
    fn note(&self, record: Record) {
        let Some(mut admission) = self.admission() else { return };
        let (now, call) = (Instant::now(), record.call.0.as_u128());
        match record.what {
            What::Answered { .. } => admission.call_began(now, call),
            What::ReplySounded { stages, .. } => {
                admission.turn_took(
                    now,
                    stages.endpoint,
                    stages.total().saturating_sub(stages.endpoint),
                );
            }
            What::Ended { .. } => admission.call_ended(now, call),
            What::TurnEnded { .. }
            | What::ReplyHeard { .. }
            | What::SpeechIgnored { .. }
            | What::Decided { .. }
            | What::RanDry { .. }
            | What::Pressed
            | What::ModelFailed { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use trunkline_session::{HangupReason, StageTimes};

    use super::*;

    fn note(admissions: &Admissions, call: CallId, what: What) {
        admissions.note(Record { call, at: SystemTime::UNIX_EPOCH, what });
    }

    #[test]
    fn slow_turns_keep_calls_and_requests_out_until_the_calls_are_over() {
        let admissions = Admissions::new(Duration::from_secs(1));
        let call = CallId::new();
        admissions.call(call).unwrap();
        let stages = StageTimes { stt: Duration::from_secs(3), ..StageTimes::default() };
        (0..6).for_each(|turn| note(&admissions, call, What::ReplySounded { turn, stages }));
        assert!(admissions.call(CallId::new()).is_err());
        assert!(admissions.session().is_err() && admissions.request().is_err());
        let ended = What::Ended { reason: HangupReason::CallerHungUp, duration: Duration::ZERO };
        note(&admissions, call, ended);
        assert!(admissions.request().is_ok(), "nobody is in progress who could suffer");
    }

    #[test]
    fn calls_that_did_not_come_about_take_no_room() {
        let admissions = Admissions::new(Duration::from_secs(1));
        for _ in 0..100 {
            let call = CallId::new();
            admissions.call(call).unwrap();
            admissions.gave_up(call);
        }
    }

    #[test]
    fn an_open_door_refuses_nobody() {
        let admissions = Admissions::open();
        assert!((0..100).all(|_| admissions.call(CallId::new()).is_ok()));
        assert!(admissions.session().is_ok() && admissions.request().is_ok());
    }
}
