//! A Realtime client as a leg: what moves the translator, and where its effects go.

use std::{collections::VecDeque, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use trunkline_session::{HangupReason, Leg, LegInput, LegOutput, News, Overrun};

use super::{
    outbox::{Outbox, Outgoing},
    translator::Translator,
    wire::Effect,
};
use crate::router::intake::Meter;

const TICK: Duration = Duration::from_millis(20);
/// Ticks that were missed are made up for; those of a longer pause are left out.
const LATEST: Duration = Duration::from_secs(1);

/// A frame from the client.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// An event.
    Text(String),
    /// Nothing that is read.
    Binary,
}

/// The caller's end of a call, at the other end of a WebSocket. Everything happens inside
/// [`recv`](Leg::recv); the socket has a task of its own.
pub(crate) struct RealtimeLeg {
    translator: Translator,
    meter: Meter,
    incoming: mpsc::Receiver<Incoming>,
    outbox: Outbox,
    next_tick: Instant,
    /// What one frame or tick brought; taken before the next.
    inputs: VecDeque<LegInput>,
    ending: Option<HangupReason>,
}

impl RealtimeLeg {
    /// The client is told of its session at once.
    pub(crate) fn new(
        translator: Translator,
        meter: Meter,
        incoming: mpsc::Receiver<Incoming>,
        outbox: Outbox,
    ) -> Self {
        let next_tick = Instant::now() + TICK;
        let inputs = VecDeque::new();
        let mut leg = Self { translator, meter, incoming, outbox, next_tick, inputs, ending: None };
        leg.carry_or_end();
        leg
    }

    fn tick(&mut self) {
        let now = Instant::now();
        let next = self.next_tick + TICK;
        self.next_tick = now.checked_sub(LATEST).map_or(next, |oldest| next.max(oldest));
        self.translator.tick(now.into_std());
        self.carry_or_end();
        if let Some(reason) = self.ending
            && self.translator.is_heard(now.into_std())
        {
            self.leave(reason);
        }
    }

    fn take(&mut self, frame: Option<Incoming>) {
        match frame {
            Some(Incoming::Text(text)) => self.translator.take_text(now(), &text),
            Some(Incoming::Binary) => self.translator.take_binary(),
            None => self.inputs.push_back(LegInput::Gone(HangupReason::CallerHungUp)),
        }
        self.carry_or_end();
    }

    /// Carries out the translator's effects.
    fn carry(&mut self) -> Result<(), Overrun> {
        while let Some(effect) = self.translator.poll() {
            match effect {
                Effect::Send(event) => self.outbox.send(Outgoing::Text(event.to_string()))?,
                Effect::Tell(input) => self.inputs.push_back(input),
                Effect::Spend(tokens) => self.meter.spent(tokens),
            }
        }
        Ok(())
    }

    fn carry_or_end(&mut self) {
        if self.carry().is_err() {
            tracing::warn!("a Realtime client does not read what it is sent: its session ends");
            self.inputs.push_back(LegInput::Gone(HangupReason::LegFailed));
        }
    }

    fn hang_up(&mut self, reason: HangupReason) -> Result<(), Overrun> {
        self.ending.get_or_insert(reason);
        match reason {
            HangupReason::TooLong => {
                let message = "Your session hit the maximum duration of 60 minutes.";
                self.translator.tell_end("session_expired", message);
            }
            HangupReason::Shutdown => {
                self.translator.tell_end("server_shutdown", "the server is stopping");
            }
            HangupReason::ModelFailed => {
                self.translator.tell_end("model_failed", "a model failed: connect again");
            }
            HangupReason::CallerHungUp
            | HangupReason::Cancelled
            | HangupReason::AgentHungUp
            | HangupReason::CallerSilent
            | HangupReason::NoMedia
            | HangupReason::LegFailed
            | HangupReason::Crashed => return Ok(()),
        }
        self.carry()?;
        self.leave(reason);
        Ok(())
    }

    fn leave(&mut self, reason: HangupReason) {
        self.ending = None;
        let (code, why) = closing(reason);
        if self.outbox.send(Outgoing::Close(code, why)).is_err() {
            tracing::debug!("a Realtime client was gone before it was told goodbye");
        }
        self.inputs.push_back(LegInput::Gone(reason));
    }
}

/// The code of a WebSocket's end (RFC 6455, section 7.4.1) and its reason.
fn closing(reason: HangupReason) -> (u16, &'static str) {
    match reason {
        HangupReason::Shutdown => (1001, "the server is stopping"),
        HangupReason::TooLong => (1001, "the session lasted as long as a session may"),
        HangupReason::ModelFailed | HangupReason::LegFailed | HangupReason::Crashed => {
            (1011, "the session failed")
        }
        HangupReason::CallerHungUp
        | HangupReason::Cancelled
        | HangupReason::AgentHungUp
        | HangupReason::CallerSilent
        | HangupReason::NoMedia => (1000, ""),
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

impl Leg for RealtimeLeg {
    async fn recv(&mut self) -> LegInput {
        loop {
            if let Some(input) = self.inputs.pop_front() {
                return input;
            }
            tokio::select! {
                biased;
                () = sleep_until(self.next_tick) => self.tick(),
                frame = self.incoming.recv() => self.take(frame),
            }
        }
    }

    fn send(&mut self, output: LegOutput) -> Result<(), Overrun> {
        match output {
            LegOutput::Audio(frame) => self.translator.take_sound(now(), &frame),
            LegOutput::Mark(mark) => self.translator.take_mark(mark)?,
            LegOutput::Flush => self.translator.flush(now()),
            // The client has the sound already.
            LegOutput::Pause | LegOutput::Resume => {}
            LegOutput::HangUp(reason) => return self.hang_up(reason),
        }
        self.carry()
    }

    fn tell(&mut self, news: News) -> Result<(), Overrun> {
        self.translator.take_news(now(), news);
        self.carry()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Value;
    use trunkline_audio::{Frame, MediaTime};
    use trunkline_session::{
        Direction, Origin,
        leg::{Mark, ReplyId},
    };

    use super::*;
    use crate::realtime::{
        house::tests::house,
        ids::Ids,
        outbox::{self, Outlet},
        settings::{Settings, wire::Kind},
    };

    struct Line {
        leg: RealtimeLeg,
        client: mpsc::Sender<Incoming>,
        outlet: Outlet,
    }

    fn line() -> Line {
        let house = Arc::new(house());
        let settings = Settings::new(Kind::Realtime, None, &house).unwrap();
        let (client, incoming) = mpsc::channel(8);
        let (outbox, outlet) = outbox::new();
        let translator = Translator::new(house, settings, Ids::plain(), 0, now());
        Line {
            leg: RealtimeLeg::new(translator, Meter::for_tests(), incoming, outbox),
            client,
            outlet,
        }
    }

    impl Line {
        fn told(&mut self) -> Vec<String> {
            let mut told = Vec::new();
            while let Some(frame) = self.outlet.try_next() {
                told.push(match frame {
                    Outgoing::Text(text) => {
                        let event: Value = serde_json::from_str(&text).unwrap();
                        event["type"].as_str().unwrap().to_owned()
                    }
                    Outgoing::Close(code, _) => code.to_string(),
                });
            }
            told
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_client_orders_reaches_the_session_and_marks_come_back_in_time() {
        let mut line = line();
        assert_eq!(line.told(), ["session.created"]);
        let order = r#"{"type":"response.create"}"#.to_owned();
        line.client.send(Incoming::Text(order)).await.unwrap();
        let input = line.leg.recv().await;
        assert!(matches!(input, LegInput::Directed(Direction::Reply(_))), "{input:?}");
        let (reply, began) = (ReplyId(1), Instant::now());
        line.leg.tell(News::ReplyStarted { reply, origin: Origin::Ordered(1) }).unwrap();
        let second = Frame::new(vec![0; 24_000], 24_000, MediaTime::ZERO);
        line.leg.send(LegOutput::Audio(second)).unwrap();
        line.leg.send(LegOutput::Pause).unwrap();
        line.leg.send(LegOutput::Mark(Mark { reply, clause: 0 })).unwrap();
        assert!(matches!(line.leg.recv().await, LegInput::Sounding(_)));
        assert!(matches!(line.leg.recv().await, LegInput::Played(_)));
        let took = began.elapsed();
        assert!(took >= Duration::from_secs(1) && took < Duration::from_millis(1050), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_goes_away_ends_the_call() {
        let mut line = line();
        drop(line.client);
        let input = line.leg.recv().await;
        assert!(matches!(input, LegInput::Gone(HangupReason::CallerHungUp)), "{input:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_is_told_with_its_reason() {
        for (reason, expected) in [
            (HangupReason::TooLong, &["session.created", "error", "1001"][..]),
            (HangupReason::Shutdown, &["session.created", "error", "1001"]),
            (HangupReason::ModelFailed, &["session.created", "error", "1011"]),
            (HangupReason::AgentHungUp, &["session.created", "1000"]),
        ] {
            let mut line = line();
            line.leg.send(LegOutput::HangUp(reason)).unwrap();
            let input = line.leg.recv().await;
            assert!(matches!(input, LegInput::Gone(told) if told == reason), "{input:?}");
            assert_eq!(line.told(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_ends_the_call() {
        let mut line = line();
        line.leg.tell(News::ReplyStarted { reply: ReplyId(1), origin: Origin::Own }).unwrap();
        let minute = Frame::new(vec![0; 24_000 * 60], 24_000, MediaTime::ZERO);
        let sent = (0..60).try_for_each(|_| line.leg.send(LegOutput::Audio(minute.clone())));
        assert_eq!(sent, Err(Overrun));
    }
}
