//! Session timers (RFC 4028): a call whose peer vanished without a BYE ends by itself.

use std::time::{Duration, Instant};

use rsipstack::sip::Headers;

use crate::dialog::header;

/// The shortest interval taken (RFC 4028, section 5), seconds.
pub(super) const MIN_SECONDS: u32 = 90;

/// Who proves that the session is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refresher {
    /// We do, by an UPDATE or a re-INVITE.
    Us,
    /// The peer does.
    Peer,
}

/// What became of the request's wish for a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// It has none.
    None,
    /// The interval is too short: 422.
    TooShort,
    /// It shall be so.
    Timer(SessionTimer),
}

/// A session's timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SessionTimer {
    seconds: u32,
    refresher: Refresher,
    refreshed: Instant,
}

impl SessionTimer {
    /// Reads the wish of a request that came at `now`.
    pub(super) fn wished(request: &Headers, now: Instant) -> Wish {
        let Some(value) = header(request, "Session-Expires").or_else(|| header(request, "x"))
        else {
            return Wish::None;
        };
        let Some(seconds) = seconds(value) else {
            return Wish::None;
        };
        if seconds < MIN_SECONDS {
            return Wish::TooShort;
        }
        let refresher = match refresher(value) {
            Some("uas") => Refresher::Us,
            Some(_) | None => Refresher::Peer,
        };
        Wish::Timer(Self { seconds, refresher, refreshed: now })
    }

    /// The `Session-Expires` of our 2xx to the request.
    pub(super) fn answer(&self) -> String {
        let refresher = match self.refresher {
            Refresher::Us => "uas",
            Refresher::Peer => "uac",
        };
        format!("{};refresher={refresher}", self.seconds)
    }

    /// When something must be done, and what.
    pub(super) fn due(&self) -> (Instant, Refresher) {
        let whole = Duration::from_secs(self.seconds.into());
        let after = match self.refresher {
            Refresher::Us => whole / 2,
            // RFC 4028, section 10: a little before it expires.
            Refresher::Peer => whole.saturating_sub(Duration::from_secs(32).min(whole / 3)),
        };
        (self.refreshed + after, self.refresher)
    }

    /// The session has been refreshed.
    pub(super) fn refresh(&mut self, now: Instant) {
        self.refreshed = now;
    }
}

fn seconds(value: &str) -> Option<u32> {
    value.split(';').next()?.trim().parse().ok()
}

fn refresher(value: &str) -> Option<&str> {
    value.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("refresher").then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use rsipstack::sip::Header;

    use super::*;

    fn wished(value: &str) -> Wish {
        let headers = Headers::from(vec![Header::Other("Session-Expires".into(), value.into())]);
        SessionTimer::wished(&headers, Instant::now())
    }

    fn timer(value: &str) -> SessionTimer {
        let Wish::Timer(timer) = wished(value) else { panic!("no timer for {value}") };
        timer
    }

    #[test]
    fn the_caller_refreshes_unless_it_asks_us_to() {
        assert_eq!(timer("1800").answer(), "1800;refresher=uac");
        assert_eq!(timer("1800;refresher=uac").answer(), "1800;refresher=uac");
        assert_eq!(timer("1800; Refresher = uas").answer(), "1800;refresher=uas");
    }

    #[test]
    fn too_short_an_interval_is_refused_and_nonsense_ignored() {
        assert_eq!(wished("89"), Wish::TooShort);
        assert_eq!(wished("soon"), Wish::None);
        assert_eq!(SessionTimer::wished(&Headers::default(), Instant::now()), Wish::None);
    }

    #[test]
    fn a_call_ends_a_little_before_its_session_expires() {
        let mut timer = timer("90");
        let (due, refresher) = timer.due();
        assert_eq!((due - timer.refreshed, refresher), (Duration::from_mins(1), Refresher::Peer));
        let later = timer.refreshed + Duration::from_secs(50);
        timer.refresh(later);
        assert_eq!(timer.due().0, later + Duration::from_mins(1));
    }

    #[test]
    fn we_refresh_at_half_time() {
        let timer = timer("1800;refresher=uas");
        assert_eq!(timer.due(), (timer.refreshed + Duration::from_mins(15), Refresher::Us));
    }
}
