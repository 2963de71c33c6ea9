//! stead-tests
