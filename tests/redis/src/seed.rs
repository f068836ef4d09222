//! Chance that can be played again: the same seed gives the same choices, whatever the release of any library.

/// A source of choices (SplitMix64).
#[derive(Debug, Clone)]
pub struct Seed(u64);

impl Seed {
    /// The source that this number names.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A source of its own for one part of a run, so that parts do not depend on each other's pace.
    pub fn of_part(&self, part: u64) -> Self {
        let mut source = Self(self.0 ^ part.wrapping_mul(0xd6e8_feb8_6659_fd93));
        source.next();
        source
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// One of these.
    pub fn choose<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let len = u64::try_from(from.len()).expect("fits");
        let index = usize::try_from(self.below(len)).expect("fits");
        &from[index]
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
