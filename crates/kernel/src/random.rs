//! A small seeded source of numbers, for what is generated: integers only, so that every machine draws the same.
//! Not for secrets.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    /// The numbers of one thing among many, as a record: those of neighbours have nothing in common.
    pub fn nth(seed: u64, n: u64) -> Random {
        let mut random = Random { state: seed ^ n.wrapping_mul(0xD1B5_4A32_D192_ED03) };
        random.state = random.next();
        random
    }

    /// The next number of all that 64 bits hold.
    #[expect(clippy::should_implement_trait, reason = "it never ends, and no iterator's adapters are wanted")]
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, and without, `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(end);
        u64::try_from(wide >> 64).expect("the upper half of 128 bits fits 64")
    }

    /// A place in a list of `len`.
    pub fn index(&mut self, len: usize) -> usize {
        let end = u64::try_from(len).expect("a length fits 64 bits");
        usize::try_from(self.below(end)).expect("below a length")
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True `permille` times in a thousand.
    pub fn chance(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// A thing of a list.
    pub fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.index(list.len())]
    }

    /// A thing of a list, of which the first ones come up more often.
    pub fn pick_early<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.index(list.len()).min(self.index(list.len()))]
    }

    /// A value by its weight.
    pub fn weighted<T: Copy>(&mut self, table: &[(T, u32)]) -> T {
        let total: u64 = table.iter().map(|&(_, weight)| u64::from(weight)).sum();
        let mut left = self.below(total);
        for &(value, weight) in table {
            if left < u64::from(weight) {
                return value;
            }
            left -= u64::from(weight);
        }
        unreachable!("a draw below the sum of the weights ends within the table")
    }

    /// A value whose distribution has the given quantiles: (share in millionths, value), straight lines between.
    pub fn quantile(&mut self, knots: &[(u64, u64)]) -> u64 {
        let draw = self.below(1_000_000);
        let upper = knots.partition_point(|&(share, _)| share <= draw).clamp(1, knots.len() - 1);
        let ((low_share, low), (high_share, high)) = (knots[upper - 1], knots[upper]);
        low + (high - low) * (draw - low_share) / (high_share - low_share)
    }
}
