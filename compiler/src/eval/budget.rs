//! The limits of evaluation, so that every source ends in a catalog or in an error.

/// Most elements of one list or map.
pub(crate) const MAX_ITEMS: usize = 1_000_000;

/// Most resources of one catalog.
pub(crate) const MAX_RESOURCES: usize = 1_000_000;

/// Deepest nesting of expressions, through calls.
pub(crate) const MAX_DEPTH: u32 = 4_000;

/// Deepest nesting of lists and maps in a value.
pub(crate) const MAX_NESTING: u32 = 1_000;

const MAX_STEPS: u64 = 30_000_000;
const MAX_BYTES: usize = 1 << 30;

/// What is left to spend.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    steps: u64,
    bytes: usize,
    /// Something ran out: nothing more is evaluated.
    pub(crate) is_spent: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps: MAX_STEPS, bytes: MAX_BYTES, is_spent: false }
    }
}

impl Budget {
    /// A budget of fewer steps than usual.
    pub(crate) fn with_steps(steps: u64) -> Self {
        Self { steps: steps.min(MAX_STEPS), ..Self::default() }
    }

    /// Counts steps of evaluation.
    pub(crate) fn spend(&mut self, steps: u64) -> Result<(), &'static str> {
        match self.steps.checked_sub(steps) {
            Some(rest) => {
                self.steps = rest;
                Ok(())
            }
            None => {
                self.is_spent = true;
                Err("30 million steps")
            }
        }
    }

    /// Counts bytes of values that are made, whether or not they are kept.
    pub(crate) fn allocate(&mut self, bytes: usize) -> Result<(), &'static str> {
        match self.bytes.checked_sub(bytes) {
            Some(rest) => {
                self.bytes = rest;
                Ok(())
            }
            None => {
                self.is_spent = true;
                Err("1 GiB of values")
            }
        }
    }
}
