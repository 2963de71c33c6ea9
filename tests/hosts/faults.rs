//! What goes wrong on real machines, made to happen: power cuts, full and failing disks, hostile neighbours, damaged databases.
//!
//! `STEAD_TEST_SEED` repeats a run; `STEAD_TEST_CUTS` and `STEAD_TEST_KILLS` make one longer.

mod clock;
mod damage;
mod device;
mod disk;
mod kills;
mod neighbours;
mod power;
mod random;
mod secrets;
