//! Word errors: the edits that make what was heard of what was said.

/// Errors and words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Errors {
    pub(super) errors: usize,
    pub(super) words: usize,
}

impl std::ops::AddAssign for Errors {
    fn add_assign(&mut self, other: Self) {
        self.errors += other.errors;
        self.words += other.words;
    }
}

/// Substituted, inserted and left out words, of how many that were said. Case and punctuation do not
/// count.
pub(super) fn errors(said: &str, heard: &str) -> Errors {
    let (said, heard) = (words(said), words(heard));
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (nth, word) in said.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], nth + 1);
        for (at, other) in heard.iter().enumerate() {
            let substituted = diagonal + usize::from(word != other);
            diagonal = row[at + 1];
            row[at + 1] = substituted.min(row[at] + 1).min(diagonal + 1);
        }
    }
    Errors { errors: row[heard.len()], words: said.len() }
}

fn words(text: &str) -> Vec<String> {
    let bare = |word: &str| -> String {
        word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    text.split(|c: char| c.is_whitespace() || c == '-')
        .map(bare)
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_kind_of_error_counts_once() {
        let of = |said, heard| errors(said, heard).errors;
        assert_eq!(of("The cat sat.", "the cat sat"), 0);
        assert_eq!(of("the cat sat", "the hat sat"), 1);
        assert_eq!(of("the cat sat", "the sat"), 1);
        assert_eq!(of("the cat sat", "the black cat sat"), 1);
        assert_eq!(errors("", "a b"), Errors { errors: 2, words: 0 });
    }

    proptest! {
        #[test]
        fn errors_are_between_the_difference_in_length_and_the_longer_text(
            said in "[abc]{1}( [abc]{1}){0,8}", heard in "([abc]{1} ){0,8}",
        ) {
            let (n, m) = (words(&said).len(), words(&heard).len());
            let found = errors(&said, &heard).errors;
            prop_assert!(found >= n.abs_diff(m) && found <= n.max(m));
            prop_assert_eq!(errors(&said, &said).errors, 0);
            prop_assert_eq!(found, errors(&heard, &said).errors);
        }
    }
}
