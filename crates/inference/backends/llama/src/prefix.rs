//! What has been evaluated already, and where a new prompt can start from it.

use llama_cpp_2::token::LlamaToken;

/// A sequence that loses no more than this is taken over by the prompt that shares its beginning:
/// it is an earlier state of the same call (the end of a turn as it was guessed, and the header of
/// the reply), or costs little to evaluate anew. Tokens.
const SMALL_LOSS: usize = 48;
/// Of more idle sequences only the least recently used are weighed against each other, so that a choice
/// takes little time however many are kept.
const WEIGHED: usize = 8;
/// Parts of a token that a loss is counted in.
const PARTS: u64 = 1 << 20;

/// The sequences that the model remembers, each with the tokens evaluated in it.
///
/// Sequences of different salts share nothing: neither are they compared nor copied.
#[derive(Debug)]
pub(crate) struct Sequences {
    all: Vec<Sequence>,
    clock: u64,
}

#[derive(Clone, Debug, Default)]
struct Sequence {
    tokens: Vec<LlamaToken>,
    salt: u64,
    used: u64,
    is_busy: bool,
}

/// Where a prompt starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// The sequence it gets.
    pub(crate) sequence: usize,
    /// How many of its tokens are evaluated already.
    pub(crate) keep: usize,
    /// The sequence to copy those from; `None` when they are in `sequence` itself.
    pub(crate) copy_from: Option<usize>,
}

impl Sequences {
    /// So many empty sequences.
    pub(crate) fn new(count: usize) -> Self {
        Self { all: vec![Sequence::default(); count], clock: 0 }
    }

    /// Gives a prompt the idle sequence from which the most, up to `most` tokens, can be kept; `None`
    /// when all are busy. What the sequence held beyond that is forgotten.
    pub(crate) fn take(&mut self, salt: u64, prompt: &[LlamaToken], most: usize) -> Option<Start> {
        let start = self.choose(salt, prompt, most)?;
        self.clock += 1;
        let tokens = prompt.get(..start.keep).unwrap_or(prompt).to_vec();
        self.all[start.sequence] = Sequence { tokens, salt, used: self.clock, is_busy: true };
        Some(start)
    }

    fn choose(&self, salt: u64, prompt: &[LlamaToken], most: usize) -> Option<Start> {
        let cheapest = self.cheapest()?;
        let best = (0..self.all.len())
            .map(|s| (self.shared(s, salt, prompt).min(most), s))
            // Of equals an idle one, and of those the one that loses least.
            .max_by_key(|&(keep, s)| {
                (keep, !self.all[s].is_busy, std::cmp::Reverse(self.all[s].tokens.len()))
            });
        let Some((keep @ 1.., source)) = best else {
            return Some(Start { sequence: cheapest, keep: 0, copy_from: None });
        };
        let loss = self.all[source].tokens.len() - keep;
        let is_taken_over = source == cheapest || loss <= SMALL_LOSS.max(keep / 4);
        if is_taken_over && !self.all[source].is_busy {
            return Some(Start { sequence: source, keep, copy_from: None });
        }
        Some(Start { sequence: cheapest, keep, copy_from: Some(source) })
    }

    /// The idle sequence that is the smallest loss: an empty one, else the one with the fewest tokens to be
    /// evaluated anew for how long it was of no use. A long conversation outlasts short prompts that
    /// came after it, but not for ever: twice the tokens, twice the time.
    fn cheapest(&self) -> Option<usize> {
        if let Some(empty) = self.idle().find(|&s| !self.has_tokens(s)) {
            return Some(empty);
        }
        let mut idle: Vec<_> = self.idle().collect();
        idle.sort_unstable_by_key(|&s| self.all[s].used);
        idle.truncate(WEIGHED);
        idle.into_iter().min_by_key(|&s| {
            let age = self.clock.saturating_sub(self.all[s].used) + 1;
            self.held_alone(s) * PARTS / age
        })
    }

    /// How many tokens of a sequence would have to be evaluated anew if it were given up: those that no
    /// other one begins with.
    fn held_alone(&self, sequence: usize) -> u64 {
        let Sequence { tokens, salt, .. } = &self.all[sequence];
        let others = (0..self.all.len()).filter(|&other| other != sequence);
        let shared = others.map(|other| self.shared(other, *salt, tokens)).max().unwrap_or(0);
        (tokens.len() - shared) as u64
    }

    /// Another sequence of the same salt that has evaluated more of the prompt than `sequence`, and
    /// how much.
    pub(crate) fn ahead(&self, sequence: usize, prompt: &[LlamaToken]) -> Option<(usize, usize)> {
        let own = &self.all[sequence];
        (0..self.all.len())
            .filter(|&s| s != sequence)
            .map(|s| (s, self.shared(s, own.salt, prompt)))
            .filter(|&(_, shared)| shared > own.tokens.len())
            .max_by_key(|&(_, shared)| shared)
    }

    /// How many tokens are evaluated in a sequence.
    pub(crate) fn len(&self, sequence: usize) -> usize {
        self.all[sequence].tokens.len()
    }

    /// Whether two sequences have the same salt.
    pub(crate) fn may_share(&self, a: usize, b: usize) -> bool {
        self.all[a].salt == self.all[b].salt
    }

    /// Notes what was evaluated at the end of a sequence.
    pub(crate) fn extend(&mut self, sequence: usize, tokens: &[LlamaToken]) {
        self.all[sequence].tokens.extend_from_slice(tokens);
    }

    /// Notes that a sequence holds less.
    pub(crate) fn truncate(&mut self, sequence: usize, keep: usize) {
        self.all[sequence].tokens.truncate(keep);
    }

    /// Makes a sequence idle; what it holds is kept.
    pub(crate) fn release(&mut self, sequence: usize) {
        self.clock += 1;
        self.all[sequence].used = self.clock;
        self.all[sequence].is_busy = false;
    }

    /// Gives up the least recently used of the idle sequences that hold something, for room: each of
    /// its tokens makes as much room as it costs to evaluate anew.
    pub(crate) fn evict(&mut self) -> Option<usize> {
        let oldest =
            self.idle().filter(|&s| self.has_tokens(s)).min_by_key(|&s| self.all[s].used)?;
        self.all[oldest].tokens.clear();
        Some(oldest)
    }

    fn idle(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.all.len()).filter(|&s| !self.all[s].is_busy)
    }

    fn has_tokens(&self, sequence: usize) -> bool {
        !self.all[sequence].tokens.is_empty()
    }

    fn shared(&self, sequence: usize, salt: u64, prompt: &[LlamaToken]) -> usize {
        let held = &self.all[sequence];
        if held.salt == salt { shared_len(&held.tokens, prompt) } else { 0 }
    }
}

/// How many tokens two prompts begin with in common.
pub(crate) fn shared_len(a: &[LlamaToken], b: &[LlamaToken]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(ids: impl IntoIterator<Item = i32>) -> Vec<LlamaToken> {
        ids.into_iter().map(LlamaToken).collect()
    }

    /// Takes a sequence, evaluates the whole prompt in it, and releases it.
    fn run(sequences: &mut Sequences, salt: u64, prompt: &[LlamaToken]) -> Start {
        let start = sequences.take(salt, prompt, prompt.len()).unwrap();
        sequences.extend(start.sequence, &prompt[start.keep..]);
        sequences.release(start.sequence);
        start
    }

    #[test]
    fn the_next_turn_starts_where_the_last_one_ended() {
        let mut sequences = Sequences::new(3);
        let first = run(&mut sequences, 1, &tokens(0..100));
        let second = run(&mut sequences, 1, &tokens(0..150));
        assert_eq!(second, Start { sequence: first.sequence, keep: 100, copy_from: None });
    }

    #[test]
    fn a_guessed_end_of_turn_is_cut_off_in_place() {
        let mut sequences = Sequences::new(3);
        let first = run(&mut sequences, 1, &tokens((0..30).chain(900..910)));
        let second = run(&mut sequences, 1, &tokens(0..50));
        assert_eq!(second, Start { sequence: first.sequence, keep: 30, copy_from: None });
    }

    #[test]
    fn another_call_copies_the_system_prompt_and_leaves_the_first_one_alone() {
        let mut sequences = Sequences::new(3);
        let first = run(&mut sequences, 1, &tokens(0..300));
        let second = run(&mut sequences, 1, &tokens((0..100).chain(500..600)));
        assert_eq!(second.copy_from, Some(first.sequence));
        assert_eq!(second.keep, 100);
        assert_ne!(second.sequence, first.sequence);
        let third = run(&mut sequences, 1, &tokens(0..310));
        assert_eq!(third, Start { sequence: first.sequence, keep: 300, copy_from: None });
    }

    #[test]
    fn a_busy_sequence_is_copied_not_taken() {
        let mut sequences = Sequences::new(2);
        let busy = sequences.take(1, &tokens(0..100), 100).unwrap();
        sequences.extend(busy.sequence, &tokens(0..100));
        let start = sequences.take(1, &tokens(0..101), 101).unwrap();
        assert_eq!(start.copy_from, Some(busy.sequence));
        assert_eq!(sequences.take(1, &tokens(0..5), 5), None);
    }

    #[test]
    fn another_salt_shares_nothing() {
        let mut sequences = Sequences::new(2);
        run(&mut sequences, 1, &tokens(0..100));
        let start = run(&mut sequences, 2, &tokens(0..100));
        assert_eq!((start.keep, start.copy_from), (0, None));
    }

    #[test]
    fn the_least_recently_used_gives_way() {
        let mut sequences = Sequences::new(2);
        let first = run(&mut sequences, 1, &tokens(0..100));
        let second = run(&mut sequences, 2, &tokens(0..100));
        run(&mut sequences, 1, &tokens(0..110));
        assert_eq!(run(&mut sequences, 3, &tokens(0..10)).sequence, second.sequence);
        assert_eq!(sequences.evict(), Some(first.sequence));
    }

    #[test]
    fn a_long_conversation_outlasts_short_prompts_but_not_for_ever() {
        let mut sequences = Sequences::new(2);
        let long = run(&mut sequences, 0, &tokens(0..1000));
        let mut gone_after = 0;
        while sequences.shared(long.sequence, 0, &tokens(0..1000)) == 1000 {
            gone_after += 1;
            run(&mut sequences, gone_after, &tokens(0..100));
        }
        // Each use is two ticks, and the short one is a tick old when the next one comes.
        assert_eq!(gone_after, 6);
    }

    #[test]
    fn what_another_holds_too_is_given_up_first() {
        let mut sequences = Sequences::new(3);
        let call = run(&mut sequences, 1, &tokens((0..500).chain(700..900)));
        let long = run(&mut sequences, 1, &tokens((0..500).chain(1000..2000)));
        let instructions = run(&mut sequences, 1, &tokens(0..500));
        let alone = [call, long, instructions].map(|s| sequences.held_alone(s.sequence));
        assert_eq!(alone, [200, 1000, 0]);
        assert_eq!(run(&mut sequences, 2, &tokens(0..9)).sequence, instructions.sequence);
    }

    #[test]
    fn a_busy_sequence_is_never_evicted() {
        let mut sequences = Sequences::new(1);
        let busy = sequences.take(1, &tokens(0..9), 9).unwrap();
        sequences.extend(busy.sequence, &tokens(0..9));
        assert_eq!(sequences.evict(), None);
    }

    #[test]
    fn who_is_ahead_on_the_same_prompt_is_found() {
        let mut sequences = Sequences::new(3);
        let prompt = tokens(0..100);
        let a = sequences.take(1, &prompt, 99).unwrap().sequence;
        let b = sequences.take(1, &prompt, 99).unwrap().sequence;
        assert_eq!(sequences.ahead(b, &prompt), None);
        sequences.extend(a, &prompt[..64]);
        assert_eq!(sequences.ahead(b, &prompt), Some((a, 64)));
    }

    proptest! {
        #[test]
        fn what_is_kept_is_really_the_prompts_beginning(
            jobs in proptest::collection::vec(
                (0_u64..2, proptest::collection::vec(0_i32..3, 1..40), 0_usize..40),
                1..40,
            ),
        ) {
            let mut sequences = Sequences::new(4);
            for (salt, prompt, most) in jobs {
                let prompt = tokens(prompt);
                let before = sequences.all.clone();
                let start = sequences.take(salt, &prompt, most).unwrap();
                let source = &before[start.copy_from.unwrap_or(start.sequence)];
                prop_assert!(start.keep <= most.min(prompt.len()));
                prop_assert!(start.keep == 0 || source.salt == salt);
                prop_assert!(start.keep == 0 || source.tokens[..start.keep] == prompt[..start.keep]);
                prop_assert_eq!(sequences.len(start.sequence), start.keep);
                sequences.extend(start.sequence, &prompt[start.keep..]);
                sequences.release(start.sequence);
            }
        }
    }
}
