//! Texts that end a reply, found across token boundaries.

/// Lets text through up to the first of the stop texts, holding back what may become one.
#[derive(Debug)]
pub(super) struct StopMatcher {
    stops: Vec<String>,
    held: String,
    has_matched: bool,
}

impl StopMatcher {
    /// Looks for these texts; empty ones are ignored.
    pub(super) fn new(stops: &[String]) -> Self {
        let stops = stops.iter().filter(|s| !s.is_empty()).cloned().collect();
        Self { stops, held: String::new(), has_matched: false }
    }

    /// The text that is certainly before any stop text.
    pub(super) fn push(&mut self, text: &str) -> String {
        if self.has_matched {
            return String::new();
        }
        self.held.push_str(text);
        let found = self.stops.iter().filter_map(|s| Some((self.held.find(s.as_str())?, s.len())));
        // The one that is whole first, so that it does not matter how the text comes in pieces.
        if let Some((at, _)) = found.min_by_key(|&(at, length)| (at + length, at)) {
            self.has_matched = true;
            self.held.truncate(at);
            return std::mem::take(&mut self.held);
        }
        let keep = self.undecided();
        let rest = self.held.split_off(self.held.len() - keep);
        std::mem::replace(&mut self.held, rest)
    }

    /// Whether a stop text was found.
    pub(super) fn has_matched(&self) -> bool {
        self.has_matched
    }

    /// What was held back, at the end of the reply.
    pub(super) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// The length of the longest end of the held text that begins a stop text, bytes.
    fn undecided(&self) -> usize {
        let starts = self.held.char_indices().map(|(at, _)| self.held.split_at(at).1);
        starts
            .filter(|end| self.stops.iter().any(|s| s.starts_with(end)))
            .map(str::len)
            .max()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matcher(stops: &[&str]) -> StopMatcher {
        StopMatcher::new(&stops.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_partial_match_is_held_back_until_it_is_decided() {
        let mut stop = matcher(&["\nUser:"]);
        assert_eq!(stop.push("Yes.\nUs"), "Yes.");
        assert_eq!(stop.push("ually"), "\nUsually");
        assert_eq!(stop.push(" open\nUser: no"), " open");
        assert!(stop.has_matched());
        assert_eq!(stop.push("more"), "");
    }

    #[test]
    fn what_was_held_back_comes_out_at_the_end() {
        let mut stop = matcher(&["END"]);
        assert_eq!(stop.push("the EN"), "the ");
        assert_eq!(stop.finish(), "EN");
    }

    #[test]
    fn the_first_of_several_to_be_whole_wins() {
        let mut stop = matcher(&["b", "abc"]);
        assert_eq!(stop.push("xxabc"), "xxa");
        let mut stop = matcher(&["b", "abc"]);
        assert_eq!(stop.push("xxa") + &stop.push("b"), "xxa");
    }

    #[test]
    fn an_empty_stop_text_stops_nothing() {
        let mut stop = matcher(&[""]);
        assert_eq!(stop.push("text"), "text");
        assert!(!stop.has_matched());
    }

    proptest! {
        #[test]
        fn the_reply_is_what_stands_before_the_first_stop(
            text in "[ab\u{e9}]{0,30}",
            stop in "[ab\u{e9}]{1,4}",
            cut in 1_usize..5,
        ) {
            let mut matcher = matcher(&[&stop]);
            let chars: Vec<char> = text.chars().collect();
            let mut out = String::new();
            for chunk in chars.chunks(cut) {
                out.push_str(&matcher.push(&chunk.iter().collect::<String>()));
            }
            out.push_str(&matcher.finish());
            prop_assert_eq!(out.as_str(), text.split(&stop).next().unwrap());
            prop_assert_eq!(matcher.has_matched(), text.contains(&stop));
        }
    }
}
