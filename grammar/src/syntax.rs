//! The parser that pest makes from `stead.pest`.

#[derive(pest_derive::Parser)]
#[grammar = "stead.pest"]
pub(crate) struct SteadParser;
