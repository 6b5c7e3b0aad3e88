//! Many calls at once.

use std::{sync::Arc, time::Duration};

use trunkline_session::{Sessions, What};
use trunkline_testkit::Remembered;

use crate::stage::Call;

#[tokio::test(start_paused = true)]
async fn a_hundred_calls_at_once_are_all_answered_and_finish() {
    let observer = Arc::new(Remembered::default());
    let sessions = Sessions::new(Arc::clone(&observer) as _);
    let mut fakes = Vec::new();
    for n in 0..100 {
        let call = Call::new(&[(1000 + n, 1000, "What time do you open?")], &["We open at nine."]);
        let call = call.hung_up_at(5000 + n);
        let (leg, plan) = call.leg_and_plan();
        fakes.push(call.fakes.clone());
        sessions.enter().unwrap().start(leg, plan);
    }
    assert_eq!(sessions.running(), 100);
    sessions.drain(Duration::from_mins(1)).await;
    assert_eq!(sessions.running(), 0);
    let what = observer.what();
    let count = |is: fn(&What) -> bool| what.iter().filter(|&w| is(w)).count();
    assert_eq!(count(|w| matches!(w, What::Ended { .. })), 100);
    let is_answer = |w: &What| matches!(w, What::ReplyHeard { turn: Some(1), whole: true, .. });
    assert_eq!(count(is_answer), 100);
    assert!(fakes.iter().all(|fakes| fakes.live() == 0));
}

#[tokio::test(start_paused = true)]
async fn calls_that_go_on_after_the_patience_of_a_drain_are_ended() {
    let observer = Arc::new(Remembered::default());
    let sessions = Sessions::new(Arc::clone(&observer) as _);
    let (short, plan) = Call::new(&[], &[]).hung_up_at(1000).leg_and_plan();
    sessions.enter().unwrap().start(short, plan);
    let (long, plan) = Call::new(&[], &[]).hung_up_at(9000).leg_and_plan();
    sessions.enter().unwrap().start(long, plan);
    let began = tokio::time::Instant::now();
    sessions.drain(Duration::from_secs(2)).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let mut reasons = Vec::new();
    for what in observer.what() {
        if let What::Ended { reason, .. } = what {
            reasons.push(reason.as_str());
        }
    }
    assert_eq!(reasons, ["caller_hung_up", "shutdown"]);
}

#[tokio::test(start_paused = true)]
async fn who_entered_before_the_drain_is_waited_for_and_nobody_enters_after() {
    let sessions = Sessions::new(Arc::new(Remembered::default()) as _);
    let ringing = sessions.enter().unwrap();
    let patience = Duration::from_mins(1);
    let drain = sessions.drain(patience);
    tokio::pin!(drain);
    assert!(tokio::time::timeout(Duration::from_secs(1), drain.as_mut()).await.is_err());
    assert!(sessions.enter().is_none());
    let (leg, plan) = Call::new(&[], &[]).hung_up_at(1000).leg_and_plan();
    ringing.start(leg, plan);
    assert_eq!(sessions.running(), 1);
    drain.await;
    assert_eq!(sessions.running(), 0);
}
