//! stead-grammar
