//! What may come next in a transcript (OpenAI's rules: github.com/openai/whisper, decoding.py).

use super::vocabulary::Special;
use crate::kernel::vector;

/// A transcript begins within its first second: steps of 20 ms.
const LATEST_START: usize = 50;

/// Takes away what cannot come after `said`, and prefers a time where times together are more probable
/// than every text.
pub(crate) fn apply(special: &Special, said: &[u32], logits: &mut [f32]) {
    let [end, first_time] = [special.end, special.first_time].map(|token| token as usize);
    let is_time = |token: &u32| *token >= special.first_time;
    if said.is_empty() {
        never(&mut logits[end..=end]);
        never(&mut logits[special.blank as usize..=special.blank as usize]);
        never(&mut logits[first_time + LATEST_START + 1..]);
    }
    never(&mut logits[end + 1..first_time]);
    // Times come in pairs, the end of a passage and the beginning of the next, or before the end.
    match said {
        [.., before, last] if is_time(last) && !is_time(before) => never(&mut logits[..end]),
        [.., last] if is_time(last) => never(&mut logits[first_time..]),
        _ => {}
    }
    if let Some(last) = said.iter().rfind(|token| is_time(token)) {
        never(&mut logits[first_time..*last as usize]);
    }
    let (_, times) = vector::log_sum_exp(&logits[first_time..]);
    let text = logits[..first_time].iter().fold(f32::MIN, |a, &b| a.max(b));
    if times > text {
        never(&mut logits[..first_time]);
    }
}

/// Of a logit that cannot be chosen: small enough that its probability is 0, no infinity.
pub(crate) const NEVER: f32 = -1e30;

fn never(logits: &mut [f32]) {
    logits.fill(NEVER);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECIAL: Special = Special {
        end: 6,
        start: 7,
        languages: 0,
        translate: 8,
        transcribe: 9,
        previous: 10,
        no_speech: 11,
        no_times: 12,
        first_time: 13,
        blank: 2,
    };
    const TOKENS: usize = 13 + 1_501;

    fn allowed(said: &[u32], logits: &mut [f32]) -> Vec<usize> {
        apply(&SPECIAL, said, logits);
        (0..logits.len()).filter(|&token| logits[token] > NEVER).collect()
    }

    #[test]
    fn a_transcript_begins_with_a_time_of_its_first_second() {
        let mut logits = vec![0.0; TOKENS];
        assert_eq!(allowed(&[], &mut logits), (13..13 + 51).collect::<Vec<_>>());
    }

    #[test]
    fn or_with_a_text_that_is_more_probable_than_all_times() {
        let mut logits = vec![0.0; TOKENS];
        logits[3] = 50.0;
        let allowed = allowed(&[], &mut logits);
        assert_eq!(allowed[..5], [0, 1, 3, 4, 5]);
    }

    #[test]
    fn a_passage_ends_before_the_next_begins() {
        let mut logits = vec![0.0; TOKENS];
        logits[6] = 50.0;
        let after_end = allowed(&[13, 3, 20], &mut logits);
        assert_eq!((after_end[0], after_end[1]), (6, 20), "the end, or no earlier time");
        let mut logits = vec![0.0; TOKENS];
        assert_eq!(allowed(&[13, 3, 20, 20], &mut logits), [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_first_time_is_followed_by_text() {
        let mut logits = vec![0.0; TOKENS];
        assert_eq!(allowed(&[13], &mut logits), [0, 1, 2, 3, 4, 5, 6]);
    }
}
