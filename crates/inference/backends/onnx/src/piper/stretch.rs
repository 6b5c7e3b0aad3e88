//! Which frames of a part are turned into sound at one go, and which are seen around them.

use std::ops::Range;

/// Frames that the trunk sees on either side of a stretch. Its layers reach 9.6 frames (medium
/// voices; 11.5 in high ones, nearly without weight), and the head needs what it makes of two more.
const TRUNK_CONTEXT: usize = 12;
/// Frames that the head sees on either side: its layers reach 1.1 frames (1.9 in high voices).
const HEAD_CONTEXT: usize = 2;

/// A stretch of a part, in frames of the part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// What the trunk sees.
    pub(super) trunk: Range<usize>,
    /// What the head sees of what the trunk makes.
    pub(super) head: Range<usize>,
    /// What is said.
    pub(super) says: Range<usize>,
}

impl Stretch {
    /// About `len` frames from `start` on, of a part of `frames`; a short rest is taken along.
    pub(super) fn alone(start: usize, len: usize, frames: usize) -> Self {
        let end = if frames - start < len + len / 2 { frames } else { start + len };
        let around = |by: usize| start.saturating_sub(by)..(end + by).min(frames);
        Self { trunk: around(TRUNK_CONTEXT), head: around(HEAD_CONTEXT), says: start..end }
    }

    /// The same for one of several parts that are said together: all such see equally many frames,
    /// whether in the middle of their part or at its ends. None where the part has not so many.
    pub(super) fn among(start: usize, len: usize, frames: usize) -> Option<Self> {
        let seen = |context: usize| {
            let count = len + 2 * context;
            let first = start.saturating_sub(context).min(frames.checked_sub(count)?);
            Some(first..first + count)
        };
        let (trunk, head) = (seen(TRUNK_CONTEXT)?, seen(HEAD_CONTEXT)?);
        let end = if head.end == frames { frames } else { head.end - HEAD_CONTEXT };
        Some(Self { trunk, head, says: start..end })
    }
}

/// Appends the columns `range` of `rows`, `[rows, columns]`, each column `scale` values wide.
pub(super) fn columns(
    rows: &[f32],
    columns: usize,
    scale: usize,
    range: &Range<usize>,
    out: &mut Vec<f32>,
) {
    for row in rows.chunks_exact(columns * scale) {
        out.extend_from_slice(&row[range.start * scale..range.end * scale]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_stretch_is_seen_with_its_neighbours_and_heard_without() {
        let expected = Stretch { trunk: 12..40, head: 22..30, says: 24..28 };
        assert_eq!(Stretch::alone(24, 4, 100), expected);
        assert_eq!(Stretch::among(24, 4, 100), Some(expected));
        let values: Vec<f32> = (0..200_u8).map(f32::from).collect();
        let mut seen = Vec::new();
        columns(&values, 50, 2, &(3..5), &mut seen);
        assert_eq!(seen, [6.0, 7.0, 8.0, 9.0, 106.0, 107.0, 108.0, 109.0]);
    }

    #[test]
    fn among_others_the_ends_of_a_part_are_seen_with_more_of_one_side() {
        let first = Stretch { trunk: 0..48, head: 0..28, says: 0..26 };
        assert_eq!(Stretch::among(0, 24, 90), Some(first));
        let last = Stretch { trunk: 42..90, head: 62..90, says: 80..90 };
        assert_eq!(Stretch::among(80, 24, 90), Some(last));
        assert_eq!(Stretch::among(0, 24, 47), None);
    }

    /// That what is said was seen as in one piece: with the whole context, or up to the part's end.
    fn is_seen_whole(stretch: &Stretch, frames: usize) -> bool {
        let covers = |seen: &Range<usize>, said: &Range<usize>, context: usize| {
            (seen.start == 0 || seen.start + context <= said.start)
                && (seen.end == frames || seen.end >= said.end + context)
        };
        covers(&stretch.head, &stretch.says, HEAD_CONTEXT)
            && covers(&stretch.trunk, &stretch.head, TRUNK_CONTEXT - HEAD_CONTEXT)
    }

    proptest! {
        #[test]
        fn stretches_cover_every_frame_once_and_see_enough(
            frames in 1_usize..1000,
            steps in proptest::collection::vec((1_usize..200, any::<bool>()), 1..20),
        ) {
            let mut said = 0;
            for (len, together) in steps.into_iter().cycle() {
                let among = together.then(|| Stretch::among(said, len, frames)).flatten();
                if let Some(among) = &among {
                    prop_assert_eq!(among.trunk.len(), len + 2 * TRUNK_CONTEXT);
                    prop_assert_eq!(among.head.len(), len + 2 * HEAD_CONTEXT);
                }
                let stretch = among.unwrap_or_else(|| Stretch::alone(said, len, frames));
                prop_assert_eq!(stretch.says.start, said);
                prop_assert!(stretch.says.end > said && stretch.says.end <= frames);
                prop_assert!(is_seen_whole(&stretch, frames), "{:?}", stretch);
                said = stretch.says.end;
                if said == frames {
                    break;
                }
            }
        }
    }
}
