//! Numbers that look random and are the same again with the same seed (splitmix64).

/// A sequence of numbers.
pub(super) struct Random(u64);

impl Random {
    /// Begins where `STEAD_TEST_SEED` says.
    pub(super) fn from_environment() -> Self {
        let seed = std::env::var("STEAD_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5eed);
        Self(seed)
    }

    /// The next number, less than `limit`.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit.max(1)
    }
}

/// How often to do something: what the variable says, else `default`.
pub(super) fn times(variable: &str, default: u32) -> u32 {
    std::env::var(variable).ok().and_then(|times| times.parse().ok()).unwrap_or(default)
}
