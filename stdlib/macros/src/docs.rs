//! Doc comments as text.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// Returns the doc comment among `attributes`, one space of indentation taken off each line; empty when there is none.
pub(crate) fn doc_comment(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes {
        if let Meta::NameValue(pair) = &attribute.meta
            && pair.path.is_ident("doc")
            && let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &pair.value
        {
            let text = text.value();
            lines.extend(text.split('\n').map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned()));
        }
    }
    lines.join("\n").trim_matches('\n').to_owned()
}

/// Returns the doc comment, or an error that points at `place` and says what needs one.
pub(crate) fn required(attributes: &[Attribute], place: &impl quote::ToTokens, what: &str) -> syn::Result<String> {
    let docs = doc_comment(attributes);
    if docs.is_empty() {
        return Err(syn::Error::new_spanned(
            place,
            format!("{what} needs a doc comment: it is the documentation that users read"),
        ));
    }
    Ok(docs)
}
