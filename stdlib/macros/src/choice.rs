//! `#[derive(Choice)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields};

use crate::docs;

/// Implements `AttributeType` for the enum.
pub(crate) fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(syn::Error::new_spanned(&input.ident, "a choice is an enum"));
    };
    if !input.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(&input.generics, "a choice has no parameters"));
    }
    let (mut variants, mut names, mut descriptions) = (Vec::new(), Vec::new(), Vec::new());
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(syn::Error::new_spanned(variant, "a member of a choice holds nothing"));
        }
        variants.push(&variant.ident);
        names.push(snake_case(&variant.ident.to_string()));
        descriptions.push(docs::required(&variant.attrs, &variant.ident, "a member of a choice")?);
    }
    if variants.is_empty() {
        return Err(syn::Error::new_spanned(&input.ident, "a choice has at least one member"));
    }
    let ident = &input.ident;
    Ok(quote! {
        #[automatically_derived]
        impl #ident {
            /// Every member, in the order of declaration.
            pub const ALL: &'static [Self] = &[#(Self::#variants),*];

            /// The member as it is written in the language.
            pub const fn name(self) -> &'static str {
                match self {
                    #(Self::#variants => #names),*
                }
            }
        }

        #[automatically_derived]
        impl ::std::fmt::Display for #ident {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.name())
            }
        }

        #[automatically_derived]
        impl ::stead_stdlib::values::AttributeType for #ident {
            fn ty() -> ::stead_catalog::Type {
                ::stead_catalog::Type::documented_choice(<Self as ::stead_stdlib::values::AttributeType>::members())
            }

            fn from_value(value: &::stead_catalog::Value) -> ::std::option::Option<Self> {
                match value.as_str()? {
                    #(#names => ::std::option::Option::Some(Self::#variants),)*
                    _ => ::std::option::Option::None,
                }
            }

            fn to_value(&self) -> ::stead_catalog::Value {
                ::stead_catalog::Value::Member(::std::convert::Into::into(self.name()))
            }

            fn members() -> &'static [(&'static str, &'static str)] {
                &[#((#names, #descriptions)),*]
            }
        }

        #[automatically_derived]
        impl ::stead_stdlib::values::FromLiteral<#ident> for #ident {
            fn from_literal(literal: #ident) -> Self {
                literal
            }
        }
    })
}

fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for (at, c) in name.chars().enumerate() {
        if c.is_uppercase() && at > 0 {
            text.push('_');
        }
        text.extend(c.to_lowercase());
    }
    text
}
