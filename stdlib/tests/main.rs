//! The tests of the standard library, as one binary.

mod derive;
