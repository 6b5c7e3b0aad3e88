//! Which tokens are evaluated in the next step: one for each reply being written, and pieces of
//! prompts with what is left of the batch.

/// What a slot has to evaluate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) slot: usize,
    /// Tokens that wait to be evaluated; at least one.
    pub(crate) tokens: usize,
    pub(crate) stage: Stage,
}

/// How far a job is, in the order in which jobs get their share of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// The reply is being written.
    Writing,
    /// The prompt of a reply is being read.
    Reading,
    /// A prompt is being read that nobody waits for.
    Warming,
}

/// A slot's share of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) slot: usize,
    pub(crate) tokens: usize,
}

/// The part of a step, one in so many, that prompts get at most while a reply is being written, and
/// warm-ups at any time: who writes, or asks meanwhile, waits for a short step only.
const POLITE_PART: usize = 2;

/// Divides a step of `budget` tokens: writers first, then replies that are nearly read, then
/// warm-ups. `reads_same(a, b)` says that slot `b` next reads what slot `a` reads: then `b` waits and
/// takes it over from `a` when it is evaluated.
pub(crate) fn plan(
    mut needs: Vec<Need>,
    budget: usize,
    reads_same: impl Fn(usize, usize) -> bool,
) -> Vec<Share> {
    needs.sort_by_key(|need| (need.stage, need.tokens, need.slot));
    let polite = budget.div_ceil(POLITE_PART);
    let is_writing = needs.iter().any(|need| need.stage == Stage::Writing);
    let mut shares: Vec<Share> = Vec::with_capacity(needs.len());
    let (mut left, mut left_to_read) = (budget, if is_writing { polite } else { budget });
    for need in needs {
        let most = match need.stage {
            Stage::Writing => left,
            Stage::Reading => left.min(left_to_read),
            Stage::Warming => left.min(left_to_read).min(polite),
        };
        let tokens = need.tokens.min(most);
        let follows = need.stage != Stage::Writing
            && shares.iter().any(|share| reads_same(share.slot, need.slot));
        if tokens == 0 || follows {
            continue;
        }
        shares.push(Share { slot: need.slot, tokens });
        left -= tokens;
        if need.stage != Stage::Writing {
            left_to_read -= tokens;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn alone(_: usize, _: usize) -> bool {
        false
    }

    fn need(slot: usize, tokens: usize, stage: Stage) -> Need {
        Need { slot, tokens, stage }
    }

    fn share(slot: usize, tokens: usize) -> Share {
        Share { slot, tokens }
    }

    #[test]
    fn a_long_prompt_does_not_hold_up_a_reply_being_written() {
        let needs = vec![need(0, 500, Stage::Reading), need(1, 1, Stage::Writing)];
        assert_eq!(plan(needs, 64, alone), [share(1, 1), share(0, 32)]);
    }

    #[test]
    fn a_short_question_is_read_before_a_long_one() {
        let needs = vec![need(0, 500, Stage::Reading), need(1, 20, Stage::Reading)];
        assert_eq!(plan(needs, 64, alone), [share(1, 20), share(0, 44)]);
    }

    #[test]
    fn a_warm_up_waits_for_replies() {
        let needs = vec![need(0, 5, Stage::Warming), need(1, 64, Stage::Reading)];
        assert_eq!(plan(needs, 64, alone), [share(1, 64)]);
    }

    #[test]
    fn a_warm_up_alone_takes_half_a_step() {
        assert_eq!(plan(vec![need(0, 500, Stage::Warming)], 64, alone), [share(0, 32)]);
    }

    #[test]
    fn who_reads_the_same_waits() {
        let needs = vec![
            need(0, 10, Stage::Reading),
            need(1, 12, Stage::Reading),
            need(2, 30, Stage::Reading),
        ];
        let same = |a, b| (a, b) == (0, 1);
        assert_eq!(plan(needs, 64, same), [share(0, 10), share(2, 30)]);
    }

    proptest! {
        #[test]
        fn the_budget_is_kept_and_used(
            needs in proptest::collection::vec((1_usize..300, 0_u8..3), 0..12),
            spare in 0_usize..200,
        ) {
            let needs: Vec<_> = needs
                .into_iter()
                .enumerate()
                .map(|(slot, (tokens, stage))| match stage {
                    0 => need(slot, 1, Stage::Writing),
                    1 => need(slot, tokens, Stage::Reading),
                    _ => need(slot, tokens, Stage::Warming),
                })
                .collect();
            let budget = needs.len() + spare;
            let wanted: usize = needs.iter().map(|n| n.tokens).sum();
            let shares = plan(needs.clone(), budget, alone);
            let used: usize = shares.iter().map(|s| s.tokens).sum();
            prop_assert!(used <= budget);
            if needs.iter().all(|n| n.stage == Stage::Reading) {
                prop_assert_eq!(used, wanted.min(budget));
            }
            for n in needs.iter().filter(|n| n.stage == Stage::Writing) {
                prop_assert!(shares.contains(&share(n.slot, 1)));
            }
            for s in &shares {
                prop_assert!(s.tokens <= needs[s.slot].tokens);
            }
        }

        #[test]
        fn somebody_always_gets_on(sizes in proptest::collection::vec(1_usize..300, 1..8)) {
            let needs =
                sizes.iter().enumerate().map(|(s, &t)| need(s, t, Stage::Reading)).collect();
            prop_assert!(!plan(needs, 8, |_, _| true).is_empty());
        }
    }
}
