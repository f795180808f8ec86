//! Numbers that look random and are the same on every machine.
//! Not for secrets.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug, Clone)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    /// The numbers of one record: those of neighbours have nothing in common.
    pub(super) fn new(seed: u64, n: u64) -> Random {
        let mut random = Random { state: seed ^ n.wrapping_mul(0xD1B5_4A32_D192_ED03) };
        random.state = random.next();
        random
    }

    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, and without, `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(end);
        u64::try_from(wide >> 64).expect("the upper half of 128 bits fits 64")
    }

    pub(super) fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        let at = self.below(list.len() as u64);
        list[usize::try_from(at).expect("below a length")]
    }

    /// A place in a list, of which the first ones come up more often.
    pub(super) fn pick_early<T: Copy>(&mut self, list: &[T]) -> T {
        let at = self.below(list.len() as u64).min(self.below(list.len() as u64));
        list[usize::try_from(at).expect("below a length")]
    }
}
