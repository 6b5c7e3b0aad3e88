//! Wall-clock time as the store keeps it: whole microseconds since 1970, UTC.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// Microseconds since 1970-01-01 UTC, negative before.
pub(crate) fn micros(at: SystemTime) -> i64 {
    Timestamp::try_from(at).map_or(i64::MAX, Timestamp::as_microsecond)
}

/// A length in microseconds; what does not fit is cut to the most that does.
pub(crate) fn duration_micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

/// The length of that many microseconds; negative lengths are none.
pub(crate) fn duration_of(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// RFC 3339 in UTC with microseconds, `2026-11-21T06:24:54.123456Z`.
pub(crate) fn rfc3339(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| String::new(), |at| format!("{at:.6}"))
}

/// Microseconds of an RFC 3339 time with any offset, or of whole seconds since 1970.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let at = match text.parse::<i64>() {
        Ok(seconds) => Timestamp::from_second(seconds).ok()?,
        Err(_) => text.parse().ok()?,
    };
    Some(at.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_being_written_and_read() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_242_294_123_456);
        assert_eq!(rfc3339(micros(at)), "2026-11-21T06:24:54.123456Z");
        assert_eq!(parse("2026-11-21T06:24:54.123456Z"), Some(micros(at)));
    }

    #[test]
    fn offsets_and_seconds_are_understood() {
        assert_eq!(parse("1970-01-01T01:00:01+01:00"), Some(1_000_000));
        assert_eq!(parse("1"), Some(1_000_000));
        assert_eq!(parse("yesterday"), None);
        assert_eq!(parse("99999999999999999"), None);
    }

    #[test]
    fn lengths_that_do_not_fit_are_cut() {
        assert_eq!(duration_micros(Duration::MAX), i64::MAX);
        assert_eq!(duration_of(-1), Duration::ZERO);
        assert_eq!(
            duration_of(duration_micros(Duration::from_micros(7))),
            Duration::from_micros(7)
        );
    }
}
