//! The tests of the standard library, as one binary.

mod applied;
mod cases;
mod derive;
mod fake_world;
mod laws;
mod literal;
mod secrets;
