//! What a language model remembers of its sequences: keys and values, in pages that sequences share until
//! one of them writes on (Kwon et al., "Efficient Memory Management for Large Language Model Serving with
//! `PagedAttention`", SOSP 2023).

use half::{f16, slice::HalfFloatSliceExt};

use crate::kernel::halves::widen;

/// Positions of a page.
pub(crate) const PAGE: usize = 32;

/// What is kept of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) layers: usize,
    /// Heads of keys and values.
    pub(crate) heads: usize,
    /// Numbers of a head.
    pub(crate) head: usize,
}

impl Kept {
    /// Numbers of a page: of each layer and head the keys, `[head, PAGE]`, then the values, `[PAGE, head]`.
    fn page(self) -> usize {
        2 * self.layers * self.heads * self.part()
    }

    fn part(self) -> usize {
        self.head * PAGE
    }

    fn keys_at(self, layer: usize, head: usize) -> usize {
        2 * (layer * self.heads + head) * self.part()
    }
}

/// No page is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// The memory of all sequences.
pub(crate) struct Memory {
    kept: Kept,
    most_pages: usize,
    pages: Vec<Box<[f16]>>,
    /// How many sequences have each page.
    users: Vec<u32>,
    free: Vec<usize>,
    /// The pages of each sequence.
    sequences: Vec<Vec<usize>>,
}

impl Memory {
    /// For so many sequences with so many tokens, all together. Takes memory as it is needed.
    pub(crate) fn new(kept: Kept, sequences: usize, tokens: usize) -> Self {
        // Each sequence has a page that is only partly its own or partly filled.
        let most_pages = tokens.div_ceil(PAGE) + sequences;
        Self {
            kept,
            most_pages,
            pages: Vec::new(),
            users: Vec::new(),
            free: Vec::new(),
            sequences: vec![Vec::new(); sequences],
        }
    }

    /// Bytes that it takes at most.
    pub(crate) fn bytes(kept: Kept, sequences: usize, tokens: usize) -> usize {
        (tokens.div_ceil(PAGE) + sequences) * kept.page() * size_of::<f16>()
    }

    pub(crate) fn kept(&self) -> Kept {
        self.kept
    }

    /// Makes room to write at these places (sequence, position), those of a sequence one after the other.
    /// When there is none, nothing changes.
    pub(crate) fn open(
        &mut self,
        places: impl Iterator<Item = (usize, usize)> + Clone,
    ) -> Result<(), Full> {
        let left = self.free.len() + self.most_pages - self.pages.len();
        let mut last = None;
        let mut wanted = places.filter(move |&(sequence, position)| {
            let page = Some((sequence, position / PAGE));
            last.replace((sequence, position / PAGE)) != page
        });
        let missing = wanted.clone().filter(|&(of, position)| !self.is_own(of, position / PAGE));
        if missing.count() > left {
            return Err(Full);
        }
        wanted.try_for_each(|(sequence, position)| self.own(sequence, position / PAGE))
    }

    fn is_own(&self, sequence: usize, page: usize) -> bool {
        self.sequences[sequence].get(page).is_some_and(|&page| self.users[page] == 1)
    }

    /// Gives a sequence a page of its own, with what was on the one that it shared.
    fn own(&mut self, sequence: usize, page: usize) -> Result<(), Full> {
        if self.is_own(sequence, page) {
            return Ok(());
        }
        let new = self.take()?;
        match self.sequences[sequence].get_mut(page) {
            Some(at) => {
                let shared = std::mem::replace(at, new);
                self.users[shared] -= 1;
                let mut page = std::mem::take(&mut self.pages[new]);
                page.copy_from_slice(&self.pages[shared]);
                self.pages[new] = page;
            }
            None => self.sequences[sequence].push(new),
        }
        Ok(())
    }

    fn take(&mut self) -> Result<usize, Full> {
        if let Some(page) = self.free.pop() {
            self.users[page] = 1;
            return Ok(page);
        }
        if self.pages.len() == self.most_pages {
            return Err(Full);
        }
        self.pages.push(vec![f16::ZERO; self.kept.page()].into_boxed_slice());
        self.users.push(1);
        Ok(self.pages.len() - 1)
    }

    /// Forgets a sequence from a position on.
    pub(crate) fn trim(&mut self, sequence: usize, keep: usize) {
        let pages = keep.div_ceil(PAGE).min(self.sequences[sequence].len());
        for page in self.sequences[sequence].drain(pages..) {
            self.users[page] -= 1;
            if self.users[page] == 0 {
                self.free.push(page);
            }
        }
    }

    /// Makes a sequence remember the first `keep` positions of another.
    pub(crate) fn copy(&mut self, from: usize, to: usize, keep: usize) {
        self.trim(to, 0);
        let shared: Vec<_> =
            self.sequences[from].iter().take(keep.div_ceil(PAGE)).copied().collect();
        for &page in &shared {
            self.users[page] += 1;
        }
        self.sequences[to] = shared;
    }

    /// Writes a layer's keys and values of a position, all heads one after the other, where room was made.
    pub(crate) fn write(
        &mut self,
        layer: usize,
        (sequence, position): (usize, usize),
        keys: &[f32],
        values: &[f32],
    ) {
        let Kept { heads, head, .. } = self.kept;
        let page = &mut self.pages[self.sequences[sequence][position / PAGE]];
        let place = position % PAGE;
        for at in 0..heads {
            let from = self.kept.keys_at(layer, at);
            let (to_keys, to_values) =
                page[from..from + 2 * self.kept.part()].split_at_mut(self.kept.part());
            let keys = &keys[at * head..][..head];
            for (to, &key) in to_keys[place..].iter_mut().step_by(PAGE).zip(keys) {
                *to = f16::from_f32(key);
            }
            to_values[place * head..][..head].convert_from_f32_slice(&values[at * head..][..head]);
        }
    }

    /// A head's keys on a page of a sequence, `[head, PAGE]`.
    pub(crate) fn keys(&self, at: Place, page: usize, to: &mut [f32]) {
        widen(self.part(at, page, 0), to);
    }

    /// A head's values on a page of a sequence, `[PAGE, head]`.
    pub(crate) fn values(&self, at: Place, page: usize, to: &mut [f32]) {
        widen(self.part(at, page, self.kept.part()), to);
    }

    fn part(&self, at: Place, page: usize, offset: usize) -> &[f16] {
        let from = self.kept.keys_at(at.layer, at.head) + offset;
        &self.pages[self.sequences[at.sequence][page]][from..from + self.kept.part()]
    }
}

/// Whose keys and values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) sequence: usize,
    pub(crate) layer: usize,
    pub(crate) head: usize,
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what was written, and halves of it")]
mod tests {
    use super::*;

    const KEPT: Kept = Kept { layers: 2, heads: 1, head: 2 };

    fn memory(pages: usize) -> Memory {
        Memory { most_pages: pages, ..Memory::new(KEPT, 3, 0) }
    }

    fn write(memory: &mut Memory, sequence: usize, position: usize, x: f32) {
        memory.open(std::iter::once((sequence, position))).unwrap();
        memory.write(1, (sequence, position), &[x, x + 0.5], &[-x, -x - 0.5]);
    }

    fn read(memory: &Memory, sequence: usize, position: usize) -> [f32; 4] {
        let at = Place { sequence, layer: 1, head: 0 };
        let (mut keys, mut values) = ([0.0; 2 * PAGE], [0.0; 2 * PAGE]);
        memory.keys(at, position / PAGE, &mut keys);
        memory.values(at, position / PAGE, &mut values);
        let place = position % PAGE;
        [keys[place], keys[PAGE + place], values[2 * place], values[2 * place + 1]]
    }

    #[test]
    fn what_was_written_is_read() {
        let mut memory = memory(4);
        for position in 0..2 * PAGE {
            write(&mut memory, 0, position, position as f32);
        }
        assert_eq!(read(&memory, 0, 33), [33.0, 33.5, -33.0, -33.5]);
        assert_eq!(read(&memory, 0, 5), [5.0, 5.5, -5.0, -5.5]);
        assert_eq!(memory.pages.len(), 2);
    }

    #[test]
    fn a_shared_page_is_copied_when_one_writes_on() {
        let mut memory = memory(4);
        write(&mut memory, 0, 0, 1.0);
        write(&mut memory, 0, 1, 2.0);
        memory.copy(0, 1, 1);
        assert_eq!(memory.pages.len(), 1);
        write(&mut memory, 1, 1, 7.0);
        assert_eq!((read(&memory, 1, 0)[0], read(&memory, 1, 1)[0]), (1.0, 7.0));
        assert_eq!((read(&memory, 0, 1)[0], memory.pages.len()), (2.0, 2));
    }

    #[test]
    fn a_full_memory_takes_nothing_and_what_is_forgotten_is_free_again() {
        let mut memory = memory(2);
        write(&mut memory, 0, 0, 1.0);
        memory.copy(0, 1, 1);
        let both = [(1, 0), (1, 1), (2, 0)];
        assert_eq!(memory.open(both.into_iter()), Err(Full));
        assert_eq!((memory.pages.len(), memory.users[0]), (1, 2));
        memory.trim(1, 0);
        assert_eq!(memory.open([(2, 0)].into_iter()), Ok(()));
        memory.trim(0, 0);
        memory.trim(2, 0);
        assert_eq!(memory.free.len(), 2);
        assert_eq!(memory.open([(2, 31), (1, 0)].into_iter()), Ok(()));
    }

    #[test]
    fn trimming_keeps_what_comes_before() {
        let mut memory = memory(4);
        (0..3 * PAGE).for_each(|position| write(&mut memory, 0, position, 1.0));
        memory.trim(0, PAGE + 1);
        assert_eq!((memory.sequences[0].len(), memory.free.len()), (2, 1));
        memory.trim(0, 1000);
        assert_eq!(memory.sequences[0].len(), 2);
    }
}
