//! A small seeded source of numbers, so that a printed seed repeats a case on every machine. Refuses the system's randomness.

/// Draws numbers from a seed.
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d }
    }

    /// The next 64 bits (splitmix64, Steele, Lea and Flood 2014).
    pub(crate) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `from` to `to`, both possible.
    pub(crate) fn between(&mut self, from: i64, to: i64) -> i64 {
        assert!(from <= to, "{from} to {to} holds nothing");
        let width = u64::try_from(to - from).expect("to is not below from") + 1;
        from + i64::try_from(self.bits() % width).expect("it is less than the width")
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.bits() % bound as u64).expect("it is less than the bound")
    }

    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.bits() % 100 < chance
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub(crate) fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            let other = self.below(last + 1);
            all.swap(last, other);
        }
    }
}
