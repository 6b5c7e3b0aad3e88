//! Groups of vectors, merged by average linkage.

/// Groups of voices. A group's number is that of the first voice in it; those of known persons come first.
pub(super) struct Groups {
    /// The sum of each group's vectors and how many they are; none where it went into another. The
    /// average likeness of two groups' members is the product of their means.
    all: Vec<Option<Group>>,
    /// The group that each went into; itself while it stands.
    went: Vec<usize>,
    known: usize,
}

struct Group {
    sum: Vec<f32>,
    size: f32,
}

impl Group {
    fn of(voice: &[f32]) -> Self {
        Self { sum: voice.to_vec(), size: 1.0 }
    }

    fn likeness(&self, other: &Self) -> f32 {
        product(&self.sum, &other.sum) / (self.size * other.size)
    }

    fn take(&mut self, other: &Self) {
        for (sum, number) in self.sum.iter_mut().zip(&other.sum) {
            *sum += number;
        }
        self.size += other.size;
    }
}

fn product(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A group's most alike, of those after it.
type Best = Option<(f32, usize)>;

impl Groups {
    /// One group for each known voice.
    pub(super) fn new<'a>(known: impl Iterator<Item = &'a [f32]>) -> Self {
        let mut groups = Self { all: Vec::new(), went: Vec::new(), known: 0 };
        for voice in known {
            groups.found(voice);
        }
        groups.known = groups.all.len();
        groups
    }

    /// Makes a group of one voice; its number.
    pub(super) fn found(&mut self, voice: &[f32]) -> usize {
        self.all.push(Some(Group::of(voice)));
        self.went.push(self.went.len());
        self.went.len() - 1
    }

    /// Merges the two most alike until none are at least `likeness` alike and no more than `most` are
    /// left, as far as they are not all known.
    pub(super) fn merge(&mut self, likeness: f32, most: Option<usize>) {
        let mut best: Vec<Best> = (0..self.all.len()).map(|group| self.best(group)).collect();
        loop {
            let of =
                |(group, best): (usize, &Best)| best.map(|(alike, other)| (alike, group, other));
            let pairs = best.iter().enumerate().filter_map(of);
            let Some((alike, into, other)) = pairs.max_by(|a, b| a.0.total_cmp(&b.0)) else {
                return;
            };
            if alike < likeness && most.is_none_or(|most| self.spoken() <= most) {
                return;
            }
            self.unite(into, other);
            for (group, best) in best.iter_mut().enumerate() {
                let stale = |(_, with): (f32, usize)| with == into || with == other;
                if group == into || group == other || best.is_some_and(stale) {
                    *best = self.best(group);
                } else if group < into {
                    *best = better(*best, self.alike(group, into));
                }
            }
        }
    }

    /// Groups that hold more than a known person's reference.
    fn spoken(&self) -> usize {
        let speaks = |(number, group): (usize, &Option<Group>)| {
            group.as_ref().is_some_and(|group| number >= self.known || group.size > 1.0)
        };
        self.all.iter().enumerate().filter(|&group| speaks(group)).count()
    }

    fn best(&self, group: usize) -> Best {
        let after = group + 1..self.all.len();
        after.map(|other| self.alike(group, other)).fold(None, better)
    }

    /// How alike two groups are that may be merged.
    fn alike(&self, group: usize, other: usize) -> Best {
        if other < self.known {
            return None;
        }
        let (a, b) = (self.all[group].as_ref()?, self.all[other].as_ref()?);
        Some((a.likeness(b), other))
    }

    fn unite(&mut self, into: usize, other: usize) {
        if let Some(taken) = self.all[other].take()
            && let Some(group) = &mut self.all[into]
        {
            group.take(&taken);
            self.went[other] = into;
        }
    }

    /// The group that this one is part of.
    pub(super) fn now(&self, mut group: usize) -> usize {
        while self.went[group] != group {
            group = self.went[group];
        }
        group
    }

    /// The group whose voices are most like this one.
    pub(super) fn nearest(&self, voice: &[f32]) -> usize {
        let stranger = Group::of(voice);
        let standing = self.all.iter().enumerate();
        let alike =
            standing.filter_map(|(n, group)| Some((group.as_ref()?.likeness(&stranger), n)));
        alike.max_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |(_, group)| group)
    }
}

fn better(a: Best, b: Best) -> Best {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.0 > a.0 { b } else { a }),
        (one, other) => one.or(other),
    }
}
