//! Finds the brackets of a JSON text that are not inside strings, 64 bytes at a time.
//! It knows strings and escapes only; what the brackets mean is the caller's business.

use wide::u8x16;

pub(super) const BLOCK: usize = 64;

/// What the bytes before the next block say about it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scanner {
    /// All ones while inside a string.
    in_string: u64,
    /// 1 when the last byte was a backslash that escapes the next one.
    escapes_next: u64,
}

impl Scanner {
    /// One bit for every `{`, `}`, `[` and `]` outside strings; bit 0 is the first byte.
    #[inline]
    pub(super) fn brackets(&mut self, block: &[u8; BLOCK]) -> u64 {
        let (quotes, backslashes, brackets) = masks(block);
        let escaped = self.escaped(backslashes);
        let inside = self.in_string ^ running_parity(quotes & !escaped);
        self.in_string = if inside >> 63 == 1 { u64::MAX } else { 0 };
        brackets & !inside
    }

    /// Marks the bytes that follow an escaping backslash.
    #[inline]
    fn escaped(&mut self, backslashes: u64) -> u64 {
        let mut escaped = self.escapes_next;
        let mut rest = backslashes & !escaped;
        self.escapes_next = 0;
        while rest != 0 {
            let backslash = rest & rest.wrapping_neg();
            let target = backslash << 1;
            if target == 0 {
                self.escapes_next = 1;
            }
            escaped |= target;
            rest &= !(backslash | target);
        }
        escaped
    }
}

/// Bit n of the answer is the parity of bits 0 to n: ones from each opening quote up to its closing one.
#[inline]
fn running_parity(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[inline]
fn masks(block: &[u8; BLOCK]) -> (u64, u64, u64) {
    let (mut quotes, mut backslashes, mut brackets) = (0, 0, 0);
    for part in 0..BLOCK / 16 {
        let bytes = u8x16::new(std::array::from_fn(|at| block[part * 16 + at]));
        // 0x20 is what lies between `[` and `{`, and between `]` and `}`: one comparison finds both.
        let folded = bytes | u8x16::splat(0x20);
        let bracket = folded.simd_eq(u8x16::splat(b'{')) | folded.simd_eq(u8x16::splat(b'}'));
        quotes |= u64::from(bytes.simd_eq(u8x16::splat(b'"')).to_bitmask()) << (part * 16);
        backslashes |= u64::from(bytes.simd_eq(u8x16::splat(b'\\')).to_bitmask()) << (part * 16);
        brackets |= u64::from(bracket.to_bitmask()) << (part * 16);
    }
    (quotes, backslashes, brackets)
}
