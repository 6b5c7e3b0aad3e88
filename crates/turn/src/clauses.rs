//! The clauses of one reply and how far the caller has heard them.

use std::time::Duration;

use crate::{Mark, Spoken};

/// What a reply has given out: clauses that went into the outgoing audio, in order, or text that was
/// only written, and calls of functions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clauses {
    spoken: Vec<Spoken>,
    heard: usize,
    /// Text that was only written: read as it is written.
    written: String,
    /// Functions that the reply wants called.
    calls: u32,
    /// No more of the sound than this was heard, as the caller's end says.
    at_most: Option<Duration>,
    is_whole: bool,
}

impl Clauses {
    /// Adds a clause. A clause that comes twice or out of order is not a clause of this reply.
    pub(crate) fn push(&mut self, spoken: Spoken) {
        if !self.is_whole && place(spoken.mark) == self.spoken.len() {
            self.spoken.push(spoken);
        }
    }

    /// Adds written text.
    pub(crate) fn write(&mut self, text: &str) {
        self.written.push_str(text);
    }

    /// Counts a function that is to be called.
    pub(crate) fn call(&mut self) {
        self.calls += 1;
    }

    /// The caller heard no more of the sound than this. It was never more than was said before.
    pub(crate) fn truncate(&mut self, heard: Duration) {
        self.at_most = Some(self.at_most.map_or(heard, |before| before.min(heard)));
    }

    /// No more clauses will come.
    pub(crate) fn complete(&mut self) {
        self.is_whole = true;
    }

    /// The caller heard everything up to `mark`.
    pub(crate) fn played(&mut self, mark: Mark) {
        self.heard = self.heard.max((place(mark) + 1).min(self.spoken.len()));
    }

    /// Whether nothing was given out.
    pub(crate) fn is_empty(&self) -> bool {
        self.spoken.is_empty() && self.written.is_empty() && self.calls == 0
    }

    /// Whether no more will be given out.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether everything there is, and will be, was heard.
    pub(crate) fn is_heard_whole(&self) -> bool {
        self.is_whole && self.heard == self.spoken.len()
    }

    /// Whether everything that went out so far was heard.
    pub(crate) fn is_played_out(&self) -> bool {
        self.heard == self.spoken.len()
    }

    /// How long the clauses sound that have gone out and are not known to have been heard.
    pub(crate) fn unheard(&self) -> Duration {
        self.spoken.iter().skip(self.heard).map(|clause| clause.duration).sum()
    }

    /// The last clause's text when no other will come.
    pub(crate) fn last_words(&self) -> Option<&str> {
        self.spoken.last().filter(|_| self.is_whole).map(|clause| clause.text.as_str())
    }

    /// The text of the clauses that were heard whole, and all that was written.
    pub(crate) fn heard_text(&self) -> String {
        self.shortened(self.text_of(self.heard))
    }

    /// The text that was heard when the audio was cut `since_mark` after the last mark played.
    pub(crate) fn text_at_cut(&self, since_mark: Duration) -> String {
        let whole = self.text_of(self.heard);
        let part = self.spoken.get(self.heard).map(|clause| heard_part(clause, since_mark));
        self.shortened(join([whole.as_str(), part.as_deref().unwrap_or_default()].into_iter()))
    }

    /// All the text that there is, but for what is known not to have been heard.
    pub(crate) fn all_text(&self) -> String {
        self.shortened(self.text_of(self.spoken.len()))
    }

    fn text_of(&self, clauses: usize) -> String {
        let clauses = self.spoken.iter().take(clauses).map(|clause| clause.text.trim());
        join([self.written.trim()].into_iter().chain(clauses))
    }

    /// `text`, or what ends in as much sound as was heard at most where that is shorter.
    fn shortened(&self, text: String) -> String {
        let Some(mut left) = self.at_most else { return text };
        let mut heard = vec![self.written.trim().to_owned()];
        for clause in &self.spoken {
            heard.push(heard_part(clause, left.min(clause.duration)));
            let Some(after) = left.checked_sub(clause.duration) else { break };
            left = after;
        }
        let heard = join(heard.iter().map(String::as_str));
        if heard.len() < text.len() { heard } else { text }
    }
}

fn place(mark: Mark) -> usize {
    usize::try_from(mark.clause).unwrap_or(usize::MAX - 1)
}

fn join<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The words of a clause that had been spoken whole after `played`, in the clause's own writing.
///
/// With the voice's word times, a word counts when its end was played; else time is shared out
/// over the clause by characters, which is within a word of the truth for clauses of a few seconds.
fn heard_part(clause: &Spoken, played: Duration) -> String {
    let words: Vec<&str> = clause.text.split_whitespace().collect();
    let count = if clause.words.is_empty() {
        words_in_proportion(&words, clause.duration, played)
    } else {
        let spoken = clause.words.iter().take_while(|word| word.end <= played).count();
        // The voice's words may be more than the chat's ("$5" is two): scale when they differ.
        if clause.words.len() == words.len() {
            spoken
        } else {
            spoken * words.len() / clause.words.len()
        }
    };
    join(words.into_iter().take(count))
}

fn words_in_proportion(words: &[&str], duration: Duration, played: Duration) -> usize {
    if duration.is_zero() {
        return 0;
    }
    let length = |word: &&str| word.chars().count() as u128 + 1;
    let whole: u128 = words.iter().map(length).sum();
    let heard = whole * played.as_micros() / duration.as_micros();
    let ends = words.iter().scan(0, |end, word| {
        *end += length(word);
        Some(*end)
    });
    // The blank after a word is not needed to have heard it.
    ends.take_while(|end| *end <= heard + 1).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ReplyId, WordTime};

    const REPLY: ReplyId = ReplyId(1);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn mark(clause: u32) -> Mark {
        Mark { reply: REPLY, clause }
    }

    fn clause(at: u32, text: &str, duration: u64, ends: &[u64]) -> Spoken {
        let words = text.split_whitespace().zip(ends);
        let words = words.map(|(w, &end)| WordTime { word: w.into(), end: ms(end) }).collect();
        Spoken { mark: mark(at), text: text.into(), duration: ms(duration), words }
    }

    fn clauses(spoken: impl IntoIterator<Item = Spoken>) -> Clauses {
        let mut clauses = Clauses::default();
        spoken.into_iter().for_each(|s| clauses.push(s));
        clauses
    }

    #[test]
    fn words_with_times_are_heard_when_their_end_was_played() {
        let cases = [
            (0, ""),
            (299, ""),
            (300, "We"),
            (600, "We"),
            (650, "We open"),
            (5000, "We open at nine."),
        ];
        for (played, expected) in cases {
            let reply = clauses([clause(0, "We open at nine.", 1200, &[300, 650, 800, 1200])]);
            assert_eq!(reply.text_at_cut(ms(played)), expected, "{played} ms");
        }
    }

    #[test]
    fn words_without_times_share_the_clause_by_their_length() {
        let cases = [
            (0, ""),
            (100, ""),
            (250, "We"),
            (700, "We open"),
            (800, "We open"),
            (1700, "We open at nine."),
        ];
        for (played, expected) in cases {
            let reply = clauses([clause(0, "We open at nine.", 1700, &[])]);
            assert_eq!(reply.text_at_cut(ms(played)), expected, "{played} ms");
        }
    }

    #[test]
    fn a_cut_adds_to_the_clauses_heard_whole() {
        let mut reply = clauses([
            clause(0, "Of course,", 500, &[]),
            clause(1, "we open at nine.", 1000, &[100, 400, 600, 1000]),
        ]);
        reply.played(mark(0));
        assert_eq!(reply.heard_text(), "Of course,");
        assert_eq!(reply.text_at_cut(ms(450)), "Of course, we open");
    }

    #[test]
    fn spoken_words_that_outnumber_the_written_are_scaled() {
        let mut spoken = clause(0, "$5 please.", 900, &[]);
        let times = [("five", 300), ("dollars", 600), ("please", 900)];
        spoken.words =
            times.map(|(w, end)| WordTime { word: w.into(), end: ms(end) }).into_iter().collect();
        assert_eq!(clauses([spoken.clone()]).text_at_cut(ms(300)), "");
        assert_eq!(clauses([spoken.clone()]).text_at_cut(ms(600)), "$5");
        assert_eq!(clauses([spoken]).text_at_cut(ms(900)), "$5 please.");
    }

    #[test]
    fn a_reply_is_heard_whole_when_it_is_complete_and_its_last_mark_came() {
        let mut reply = clauses([clause(0, "One.", 100, &[]), clause(1, "Two.", 100, &[])]);
        reply.played(mark(1));
        assert!(!reply.is_heard_whole(), "more may come");
        reply.complete();
        assert!(reply.is_heard_whole());
        assert_eq!(reply.heard_text(), "One. Two.");
    }

    #[test]
    fn what_is_unheard_counts_down_by_clauses() {
        let mut reply = clauses([clause(0, "One.", 100, &[]), clause(1, "Two.", 250, &[])]);
        assert_eq!(reply.unheard(), ms(350));
        reply.played(mark(0));
        assert_eq!(reply.unheard(), ms(250));
        assert!(!reply.is_played_out());
        reply.played(mark(1));
        assert!(reply.is_played_out());
    }

    #[test]
    fn marks_and_clauses_out_of_order_change_nothing() {
        let mut reply = clauses([clause(1, "Late.", 100, &[]), clause(0, "One.", 100, &[])]);
        reply.push(clause(0, "Again.", 100, &[]));
        reply.played(mark(7));
        assert_eq!(reply.heard_text(), "One.");
        reply.played(mark(0));
        assert_eq!(reply.heard_text(), "One.");
        reply.complete();
        reply.push(clause(1, "Too late.", 100, &[]));
        assert_eq!(reply.last_words(), Some("One."));
    }

    #[test]
    fn written_text_is_heard_as_it_is_written() {
        let mut reply = Clauses::default();
        for piece in ["We open", " at", " nine. "] {
            reply.write(piece);
        }
        assert!(reply.is_played_out() && !reply.is_heard_whole() && !reply.is_empty());
        reply.complete();
        assert!(reply.is_heard_whole());
        assert_eq!(
            (reply.heard_text(), reply.text_at_cut(ms(0))),
            (reply.all_text(), reply.all_text())
        );
        assert_eq!(reply.all_text(), "We open at nine.");
    }

    #[test]
    fn a_reply_that_only_calls_functions_is_not_empty() {
        let mut reply = Clauses::default();
        assert!(reply.is_empty());
        reply.call();
        assert!(!reply.is_empty());
        assert_eq!(reply.all_text(), "");
    }

    #[test]
    fn what_was_heard_at_most_shortens_every_text_and_only_shortens() {
        let mut reply = clauses([
            clause(0, "Of course,", 500, &[]),
            clause(1, "we open at nine.", 1000, &[100, 400, 600, 1000]),
        ]);
        reply.played(mark(0));
        reply.truncate(ms(900));
        assert_eq!(reply.heard_text(), "Of course,", "less was heard so far");
        assert_eq!(reply.text_at_cut(ms(1000)), "Of course, we open");
        reply.played(mark(1));
        assert_eq!(reply.heard_text(), "Of course, we open");
        reply.truncate(ms(1400));
        assert_eq!(reply.heard_text(), "Of course, we open", "it does not grow");
        reply.truncate(ms(500));
        assert_eq!(reply.all_text(), "Of course,");
        reply.truncate(ms(0));
        assert_eq!(reply.all_text(), "");
    }

    #[test]
    fn a_clause_of_no_duration_or_no_words_is_cut_to_nothing() {
        assert_eq!(clauses([clause(0, "Hm.", 0, &[])]).text_at_cut(ms(10)), "");
        assert_eq!(clauses([clause(0, "", 100, &[])]).text_at_cut(ms(10)), "");
        assert_eq!(Clauses::default().text_at_cut(ms(10)), "");
    }
}
