//! stead-stdlib-macros
