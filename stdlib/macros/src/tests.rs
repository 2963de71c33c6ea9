//! Misuse of the derives is told at the place of the mistake.

use syn::{DeriveInput, parse_quote};

use crate::{choice, resource};

fn errors(result: syn::Result<proc_macro2::TokenStream>) -> Vec<String> {
    match result {
        Ok(_) => Vec::new(),
        Err(error) => error.into_iter().map(|error| error.to_string()).collect(),
    }
}

/// Derives `Resource` for a struct with these fields besides the key.
fn fields(fields: proc_macro2::TokenStream) -> Vec<String> {
    let input: DeriveInput = parse_quote! {
        /// A thing.
        #[resource(name = "thing", since = "0.1")]
        struct Thing {
            /// Its name.
            #[key]
            name: String,
            #fields
        }
    };
    errors(resource::derive(&input))
}

/// Derives `Resource` for an empty resource with these attributes.
fn options(options: proc_macro2::TokenStream) -> Vec<String> {
    let input: DeriveInput = parse_quote! {
        /// A thing.
        #options
        struct Thing {
            /// Its name.
            #[key]
            name: String,
        }
    };
    errors(resource::derive(&input))
}

#[test]
fn what_is_right_is_accepted() {
    let right = fields(quote::quote! {
        /// Its mode.
        #[default(0o644)]
        #[attribute(name = "mode")]
        #[deprecated_because("use another")]
        #[sensitive]
        r#mode: Mode,
    });
    assert_eq!(right, Vec::<String>::new());
}

#[test]
fn every_mistake_in_a_field_is_told_at_once() {
    let wrong = fields(quote::quote! {
        undocumented: String,
        /// Never absent.
        #[default(1)]
        optional: Option<i64>,
        /// Named twice.
        #[attribute(name = "name")]
        twice: String,
        /// Misspelt.
        #[attribute(nmae = "x")]
        misspelt: String,
        /// Empty.
        #[default()]
        empty: i64,
    });
    assert_eq!(
        wrong,
        [
            "an attribute needs a doc comment: it is the documentation that users read",
            "an attribute with a default is never absent: take the `Option` off its type",
            "two attributes are named `name`",
            "expected `name = \"…\"` or `ty = …`",
            "expected one expression, as in `#[default(0o644)]`: unexpected end of input, expected an expression",
        ]
    );
}

#[test]
fn a_resource_has_a_name_a_version_and_one_key() {
    assert_eq!(options(quote::quote!(#[resource(since = "0.1")])), ["say `#[resource(name = \"…\")]`"]);
    assert_eq!(options(quote::quote!(#[resource(name = "thing")])), ["say `#[resource(since = \"…\")]`"]);
    assert_eq!(
        options(quote::quote!(#[resource(nam = "thing")])),
        ["expected `name`, `since`, `reacts`, `lint`, `deprecated_because` or `aliases(…)`"]
    );
    let second_key = fields(quote::quote! {
        /// Another.
        #[key]
        other: String,
    });
    assert_eq!(second_key, ["only one attribute is the `#[key]`"]);
    let none: DeriveInput = parse_quote! {
        /// A thing.
        #[resource(name = "thing", since = "0.1")]
        struct Thing {}
    };
    assert_eq!(errors(resource::derive(&none)), ["mark the attribute that the resource's name fills with `#[key]`"]);
}

#[test]
fn an_alias_means_an_attribute() {
    assert_eq!(
        options(quote::quote!(#[resource(name = "thing", since = "0.1", aliases(other = "nmae"))])),
        ["there is no attribute `nmae` for the alias to mean"]
    );
    assert_eq!(
        options(quote::quote!(#[resource(name = "thing", since = "0.1", aliases(name = "name"))])),
        ["an attribute has this name already"]
    );
}

#[test]
fn a_resource_is_a_struct_with_named_fields() {
    let of = |input: DeriveInput| errors(resource::derive(&input));
    assert_eq!(
        of(parse_quote! { #[doc = "x"] #[resource(name = "a", since = "1")] enum A { B } }),
        ["a resource type is a struct"]
    );
    assert_eq!(
        of(parse_quote! { #[doc = "x"] #[resource(name = "a", since = "1")] struct A(String); }),
        ["a resource type is a struct with named fields"]
    );
    assert_eq!(
        of(parse_quote! { #[resource(name = "a", since = "1")] struct A {} }),
        ["a resource type needs a doc comment: it is the documentation that users read"]
    );
}

#[test]
fn a_choice_is_an_enum_of_documented_words() {
    let of = |input: DeriveInput| errors(choice::derive(&input));
    assert_eq!(of(parse_quote! { struct A {} }), ["a choice is an enum"]);
    assert_eq!(of(parse_quote! { enum A {} }), ["a choice has at least one member"]);
    assert_eq!(of(parse_quote! { enum A { #[doc = "x"] B(u8) } }), ["a member of a choice holds nothing"]);
    assert_eq!(
        of(parse_quote! { enum A { B } }),
        ["a member of a choice needs a doc comment: it is the documentation that users read"]
    );
    assert_eq!(of(parse_quote! { enum A { #[doc = "x"] B } }), Vec::<String>::new());
}
