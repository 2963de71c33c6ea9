//! stead-catalog
