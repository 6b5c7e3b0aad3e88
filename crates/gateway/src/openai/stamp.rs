//! What marks an answer: ids, times, the make of the model.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A new id that begins with `prefix`, as `chatcmpl-`.
pub(crate) fn id(prefix: &str) -> String {
    format!("{prefix}{}", Uuid::now_v7().simple())
}

/// Seconds since 1970.
pub(crate) fn now_s() -> i64 {
    Timestamp::now().as_second()
}

/// A seed for a request that names none.
pub(crate) fn seed() -> u32 {
    // The last 62 bits of such an id are random (RFC 9562, section 5.7).
    let [.., a, b, c, d] = *Uuid::now_v7().as_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// `system_fingerprint`: the same for the same model and version of this program.
pub(crate) fn fingerprint(model: &str) -> String {
    let made = Sha256::digest(format!("{model} {}", env!("CARGO_PKG_VERSION")));
    let digits = made.iter().take(5).flat_map(|byte| [byte >> 4, byte & 15]);
    let hex = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    format!("fp_{}", hex.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_seeds_differ_and_fingerprints_do_not() {
        assert_ne!(id("a-"), id("a-"));
        assert_eq!(id("chatcmpl-").len(), "chatcmpl-".len() + 32);
        assert_ne!((seed(), seed()), (seed(), seed()));
        assert_eq!(fingerprint("one"), fingerprint("one"));
        assert_ne!(fingerprint("one"), fingerprint("two"));
    }
}
