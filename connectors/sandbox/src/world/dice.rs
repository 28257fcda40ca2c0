//! Integer randomness: every draw is a hash of (seed, entity, index), never a running generator shared by entities.
//!
//! That is what lets order 734,112 be produced without the 734,111 before it, and what keeps the past
//! equal when `as_of` moves on.

/// What a draw is about. Two purposes never share a stream of numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Buyer = 1,
    Moment = 2,
    Basket = 3,
    Fate = 4,
    Supply = 5,
    Journey = 6,
    Person = 7,
    Account = 8,
    Design = 9,
    Product = 10,
    Ad = 11,
    AdDay = 12,
    House = 13,
    Payment = 14,
}

/// A short stream of draws for one entity.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

/// The finaliser of splitmix64: a bijection on 64 bits.
pub(crate) const fn mix(mut x: u64) -> u64 {
    x ^= x >> 30;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^= x >> 27;
    x = x.wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The inverse of [`mix`].
pub(crate) const fn unmix(mut x: u64) -> u64 {
    x ^= (x >> 31) ^ (x >> 62);
    x = x.wrapping_mul(0x3196_42B2_D24D_8EC3);
    x ^= (x >> 27) ^ (x >> 54);
    x = x.wrapping_mul(0x96DE_1B17_3F11_9089);
    x ^ (x >> 30) ^ (x >> 60)
}

impl Dice {
    /// The draws of entity `index` for `purpose` in the world of `seed`.
    pub(crate) const fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let start = mix(seed ^ 0x9E37_79B9_7F4A_7C15);
        Self(mix(start ^ mix(index.wrapping_add((purpose as u64) << 56))))
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number in `0..n` (0 when `n` is 0).
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(n);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// A number in `low..=high`.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high.saturating_sub(low).saturating_add(1)).unwrap_or(1);
        low + signed(self.below(span))
    }

    /// True in `per_myriad` of 10,000 draws.
    pub(crate) fn chance(&mut self, per_myriad: u64) -> bool {
        self.below(10_000) < per_myriad
    }

    /// A position in a list of `len`.
    pub(crate) fn position(&mut self, len: usize) -> usize {
        index(self.below(u64::try_from(len).unwrap_or(0)))
    }

    /// One of `items`, or `or` when there are none.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T], or: T) -> T {
        let at = self.position(items.len());
        items.get(at).copied().unwrap_or(or)
    }

    /// A position in `weights`, in proportion to them.
    pub(crate) fn weighted(&mut self, weights: &[u64]) -> usize {
        let mut left = self.below(weights.iter().sum());
        for (at, weight) in weights.iter().enumerate() {
            if left < *weight {
                return at;
            }
            left -= weight;
        }
        0
    }
}

/// A count as a signed number; counts here stay far below 2^63.
pub(crate) fn signed(x: u64) -> i64 {
    i64::try_from(x).unwrap_or(i64::MAX)
}

/// A counter as a place in memory.
pub(crate) fn index(x: u64) -> usize {
    usize::try_from(x).unwrap_or(usize::MAX)
}

/// A place in memory as a counter; lists here stay far below 2^32.
pub(crate) fn counter(x: usize) -> u32 {
    u32::try_from(x).unwrap_or(u32::MAX)
}

/// Seconds since 1970 in four bytes, for indexes.
pub(crate) fn stamp(at: i64) -> u32 {
    u32::try_from(at.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mixer_is_inverted_exactly() {
        for x in [0, 1, 42, u64::MAX, 0x0123_4567_89AB_CDEF] {
            assert_eq!(unmix(mix(x)), x);
        }
    }

    #[test]
    fn draws_stay_in_their_range() {
        let mut dice = Dice::new(7, Purpose::Basket, 3);
        for _ in 0..1000 {
            assert!(dice.below(6) < 6);
            assert!((-2..=2).contains(&dice.between(-2, 2)));
        }
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.weighted(&[0, 5, 0]), 1);
    }
}
