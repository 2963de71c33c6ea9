//! stead-report
