//! stead-compiler
