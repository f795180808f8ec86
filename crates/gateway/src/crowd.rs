//! How many different people came, in 16 KiB, however many they are and however often each of them came. Pure.
//! Refuses to know who they are.
//!
//! HyperLogLog (Flajolet, Fusy, Gandouet, Meunier, 2007), counted as Ertl has it ("New cardinality estimation algorithms for HyperLogLog
//! sketches", 2017, algorithm 6), which is as right for few as for many: off by 0.8 % as a rule.

const BITS: u32 = 14;
const REGISTERS: usize = 1 << BITS;
/// Bits that are left for a rank; ranks go to one more.
const RANKS: usize = 64 - 14;

/// The people counted so far.
#[derive(Clone)]
pub(crate) struct Crowd {
    registers: Vec<u8>,
    /// How many registers hold each rank.
    held: [u32; RANKS + 2],
}

impl Default for Crowd {
    fn default() -> Crowd {
        let mut held = [0; RANKS + 2];
        held[0] = 1 << BITS;
        Crowd { registers: vec![0; REGISTERS], held }
    }
}

impl Crowd {
    /// Counts someone, known by 64 bits that look random.
    pub(crate) fn add(&mut self, person: u64) {
        let place = usize::try_from(person >> (64 - BITS)).expect("14 bits");
        let rank = u8::try_from((person << BITS | 1 << (BITS - 1)).leading_zeros() + 1).expect("at most 51");
        let register = &mut self.registers[place];
        if rank > *register {
            self.held[usize::from(*register)] -= 1;
            self.held[usize::from(rank)] += 1;
            *register = rank;
        }
    }

    /// How many there are, roughly.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate, positive and far below 2^53")]
    pub(crate) fn people(&self) -> u64 {
        let m = f64::from(1_u32 << BITS);
        let full = tau(1.0 - f64::from(self.held[RANKS + 1]) / m);
        let middle = self.held[1..=RANKS].iter().rev().fold(m * full, |sum, held| 0.5 * (sum + f64::from(*held)));
        let sum = middle + m * sigma(f64::from(self.held[0]) / m);
        (m * m / (2.0 * std::f64::consts::LN_2 * sum)).round() as u64
    }
}

/// What empty registers add: x + x²·1 + x⁴·2 + x⁸·4 …
fn sigma(mut x: f64) -> f64 {
    let (mut sum, mut factor) = (x, 1.0);
    while sum.is_finite() {
        x *= x;
        let next = sum + x * factor;
        factor += factor;
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

/// What full registers add.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut sum, mut factor) = (1.0 - x, 1.0);
    loop {
        x = x.sqrt();
        factor *= 0.5;
        let next = sum - (1.0 - x).powi(2) * factor;
        if next == sum {
            return sum / 3.0;
        }
        sum = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_million_people_who_come_three_times_are_a_million() {
        let mut crowd = Crowd::default();
        for _ in 0..3 {
            let mut random = kernel::Random::new(7);
            (0..1_000_000).for_each(|_| crowd.add(random.next()));
        }
        let people = crowd.people();
        assert!((975_000..1_025_000).contains(&people), "{people}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn the_count_is_right_within_four_percent_or_three_people(people in 0_u64..60_000, seed: u64) {
            let mut crowd = Crowd::default();
            let mut random = kernel::Random::new(seed);
            (0..people).for_each(|_| crowd.add(random.next()));
            let counted = crowd.people();
            prop_assert!(counted.abs_diff(people) <= people * 4 / 100 + 3, "{} for {}", counted, people);
        }
    }
}
