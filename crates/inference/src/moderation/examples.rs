//! What the check has learned from: a sentence a line, behind its categories.

use super::Category;

/// The sentences. This file is what the check knows; one more line is one more thing that it knows.
const EXAMPLES: &str = include_str!("examples.txt");

/// Which categories a sentence has.
pub(super) type Labels = [bool; Category::COUNT];

/// Every sentence, with its categories.
pub(super) fn examples() -> impl Iterator<Item = (&'static str, Labels)> {
    EXAMPLES.lines().filter_map(|line| line.split_once('\t')).map(|(names, text)| {
        let has = |category: Category| names.split(',').any(|name| name == category.name());
        (text, Category::ALL.map(has))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What has no category.
    const HARMLESS: &str = "harmless";

    #[test]
    fn every_line_is_a_sentence_with_known_categories_and_their_parents() {
        for line in EXAMPLES.lines() {
            let (names, text) = line.split_once('\t').expect(line);
            assert!(!text.trim().is_empty(), "{line}");
            let known = |name: &str| Category::ALL.iter().find(|c| c.name() == name);
            let found: Vec<_> = names.split(',').filter_map(known).collect();
            let wanted = if names == HARMLESS { 0 } else { names.split(',').count() };
            assert_eq!(found.len(), wanted, "{line}");
            for parent in found.iter().filter_map(|category| category.parent()) {
                assert!(found.contains(&&parent), "{line}");
            }
        }
        assert_eq!(examples().count(), EXAMPLES.lines().count());
    }

    #[test]
    fn no_sentence_stands_twice_and_every_category_has_twenty() {
        let mut seen = std::collections::HashSet::new();
        assert!(examples().all(|(text, _)| seen.insert(text.to_lowercase())));
        for category in Category::ALL {
            let count = examples().filter(|(_, labels)| labels[category.index()]).count();
            assert!(count >= 20, "{}: {count}", category.name());
        }
    }
}
