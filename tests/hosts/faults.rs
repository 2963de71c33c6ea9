//! What goes wrong on real machines, made to happen: power cuts, full and failing disks, hostile neighbours, damaged databases.
//!
//! `STEAD_TEST_SEED` repeats a run; `STEAD_TEST_CUTS`, `STEAD_TEST_KILLS` and `STEAD_TEST_FAULTS` make one longer.

mod clock;
mod damage;
mod device;
mod disk;
#[cfg(target_arch = "x86_64")]
mod eio;
mod kills;
mod neighbours;
mod power;
mod random;
mod secrets;
