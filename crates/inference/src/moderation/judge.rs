//! The regression, and what is made of its votes.

use nalgebra::{Cholesky, DMatrix, DVector};

use super::{Category, examples::Labels};

/// How little an example's own label counts where others disagree with it.
const RIDGE: f32 = 0.1;
/// Above these votes a piece is harmful, and harmful as this category.
const HARMFUL: f32 = 0.50;
const CATEGORY: f32 = 0.25;
/// How steeply a score rises around them.
const SLOPE: f32 = 10.0;
/// What each doubling of a text takes off the votes of its pieces: of many, some are misjudged.
const DOUBT: f32 = 0.02;
/// Votes for the categories, and for being harmful at all.
const COLUMNS: usize = Category::COUNT + 1;

/// How much a text is of each category, 0 to 1. Not a probability.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scores([f32; Category::COUNT]);

impl Scores {
    /// A text is what its score says from here on.
    const FLAGGED: f32 = 0.5;

    /// The score of a category.
    pub fn of(&self, category: Category) -> f32 {
        self.0[category.index()]
    }

    /// Whether the text is of this category.
    pub fn is(&self, category: Category) -> bool {
        self.of(category) >= Self::FLAGGED
    }

    /// Whether it is of any.
    pub fn is_flagged(&self) -> bool {
        Category::ALL.iter().any(|&category| self.is(category))
    }

    /// The higher of each.
    pub(super) fn worse(mut self, other: Self) -> Self {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            *own = own.max(other);
        }
        self
    }
}

/// The examples and the weight of each one's votes.
pub(super) struct Judge {
    /// An embedding a row.
    examples: DMatrix<f32>,
    /// [`COLUMNS`] votes a row.
    votes: DMatrix<f32>,
}

impl Judge {
    /// Finds votes by which the examples are what their labels say. `None` where an embedding is no
    /// vector of numbers.
    pub(super) fn learn(embeddings: &[Vec<f32>], labels: &[Labels]) -> Option<Self> {
        let dimensions = embeddings.first()?.len();
        if embeddings.len() != labels.len() || embeddings.iter().any(|e| e.len() != dimensions) {
            return None;
        }
        let examples = DMatrix::from_fn(embeddings.len(), dimensions, |row, n| embeddings[row][n]);
        let mut kernel = (&examples * examples.transpose()).map(alike);
        for n in 0..kernel.nrows() {
            kernel[(n, n)] += RIDGE;
        }
        let wanted = DMatrix::from_fn(labels.len(), COLUMNS, |row, column| {
            let labels = &labels[row];
            let is = labels.get(column).copied().unwrap_or_else(|| labels.contains(&true));
            f32::from(u8::from(is))
        });
        let votes = Cholesky::new(kernel)?.solve(&wanted);
        votes.iter().all(|vote| vote.is_finite()).then_some(Self { examples, votes })
    }

    /// The scores of a piece of a text that has `count` of them, by its embedding.
    pub(super) fn scores(&self, embedding: &[f32], count: usize) -> Scores {
        let closeness = (&self.examples * DVector::from_column_slice(embedding)).map(alike);
        let votes = self.votes.tr_mul(&closeness);
        scores(votes.as_slice(), count)
    }
}

/// How alike two embeddings are, by their cosine: 1 the same, 1/32 nothing in common.
fn alike(cosine: f32) -> f32 {
    f32::midpoint(1.0, cosine).powi(5)
}

#[expect(clippy::cast_precision_loss, reason = "a text has few pieces")]
fn scores(votes: &[f32], count: usize) -> Scores {
    let (votes, harmful) = votes.split_at(Category::COUNT);
    let doubt = DOUBT * (count.max(1) as f32).log2();
    let harmful = logistic(harmful[0] - doubt - HARMFUL);
    // What is harmful is so as something.
    let most = votes.iter().copied().fold(f32::MIN, f32::max);
    let own = |vote: f32| if vote >= most { 1.0 } else { logistic(vote - CATEGORY) };
    let mut scores = Scores(std::array::from_fn(|n| harmful.min(own(votes[n]))));
    for (category, parent) in Category::ALL.iter().filter_map(|c| Some((*c, c.parent()?))) {
        scores.0[parent.index()] = scores.of(parent).max(scores.of(category));
    }
    scores
}

fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-SLOPE * x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HATE: usize = Category::Hate as usize;

    fn labels(categories: &[Category]) -> Labels {
        Category::ALL.map(|category| categories.contains(&category))
    }

    /// Three corners of space: one harmless, one hate, one graphic violence.
    fn judge() -> Judge {
        let corners = [vec![1.0, 0.0, 0.0], vec![0.0, 1.0, 0.0], vec![0.0, 0.0, 1.0]];
        let violence = labels(&[Category::Violence, Category::ViolenceGraphic]);
        Judge::learn(&corners, &[labels(&[]), labels(&[Category::Hate]), violence]).unwrap()
    }

    #[test]
    fn examples_are_what_their_labels_say() {
        let judge = judge();
        assert!(!judge.scores(&[1.0, 0.0, 0.0], 1).is_flagged());
        let hate = judge.scores(&[0.0, 1.0, 0.0], 1);
        let flagged: Vec<_> = Category::ALL.into_iter().filter(|&c| hate.is(c)).collect();
        assert_eq!(flagged, [Category::Hate]);
        let violence = judge.scores(&[0.0, 0.1, 0.995], 1);
        assert!(violence.is(Category::Violence) && violence.is(Category::ViolenceGraphic));
    }

    #[test]
    fn what_is_harmful_at_all_decides_and_then_the_strongest_category() {
        let mut votes = [0.0; COLUMNS];
        votes[HATE] = 0.1;
        votes[Category::COUNT] = 0.49;
        assert!(!scores(&votes, 1).is_flagged());
        votes[Category::COUNT] = 0.51;
        assert!(scores(&votes, 1).is(Category::Hate));
        assert!(!scores(&votes, 1).is(Category::Violence));
        assert!(!scores(&votes, 2).is_flagged(), "of two pieces less is believed");
    }

    #[test]
    fn a_kind_of_something_is_that_too() {
        let mut votes = [0.0; COLUMNS];
        votes[Category::SelfHarmIntent as usize] = 0.9;
        votes[Category::COUNT] = 0.9;
        assert!(scores(&votes, 1).is(Category::SelfHarm));
    }

    #[test]
    fn the_worst_of_each_counts() {
        let one = Scores(std::array::from_fn(|n| if n == 0 { 0.9 } else { 0.1 }));
        let two = Scores([0.2; Category::COUNT]);
        let both = one.worse(two);
        assert_eq!((both.0[0], both.0[1]), (0.9, 0.2));
    }

    #[test]
    fn what_is_no_embedding_is_refused() {
        let label = labels(&[]);
        assert!(Judge::learn(&[], &[]).is_none());
        assert!(Judge::learn(&[vec![1.0], vec![1.0, 0.0]], &[label, label]).is_none());
        assert!(Judge::learn(&[vec![f32::NAN]], &[label]).is_none());
    }
}
