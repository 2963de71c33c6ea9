//! stead-stdlib
