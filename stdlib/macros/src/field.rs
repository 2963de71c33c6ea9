//! One field of a resource struct: one attribute of the schema.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::spanned::Spanned;
use syn::{Expr, Field, Ident, LitStr, Type};

use crate::docs;

/// What the macro knows of a field.
pub(crate) struct Attribute {
    ident: Ident,
    field_type: Type,
    /// Its name in the language.
    pub(crate) name: String,
    docs: String,
    /// The resource's name fills it.
    pub(crate) key: bool,
    default: Option<Expr>,
    sensitive: bool,
    deprecated: Option<LitStr>,
    language_type: Option<Expr>,
}

impl Attribute {
    /// Reads a named field with its helper attributes.
    pub(crate) fn parse(field: &Field) -> syn::Result<Self> {
        let ident = field.ident.clone().ok_or_else(|| syn::Error::new_spanned(field, "an attribute needs a name"))?;
        let text = ident.to_string();
        let mut attribute = Self {
            name: text.strip_prefix("r#").unwrap_or(&text).to_owned(),
            docs: docs::required(&field.attrs, &ident, "an attribute")?,
            field_type: field.ty.clone(),
            key: false,
            default: None,
            sensitive: false,
            deprecated: None,
            language_type: None,
            ident,
        };
        for helper in &field.attrs {
            let path = helper.path();
            if path.is_ident("key") {
                helper.meta.require_path_only()?;
                attribute.key = true;
            } else if path.is_ident("default") {
                if attribute.default.is_some() {
                    return Err(syn::Error::new_spanned(helper, "the default is given twice"));
                }
                attribute.default = Some(helper.parse_args().map_err(|error| {
                    syn::Error::new(error.span(), format!("expected one expression, as in `#[default(0o644)]`: {error}"))
                })?);
            } else if path.is_ident("sensitive") {
                helper.meta.require_path_only()?;
                attribute.sensitive = true;
            } else if path.is_ident("deprecated_because") {
                attribute.deprecated = Some(helper.parse_args()?);
            } else if path.is_ident("attribute") {
                helper.parse_nested_meta(|meta| {
                    if meta.path.is_ident("name") {
                        attribute.name = meta.value()?.parse::<LitStr>()?.value();
                        Ok(())
                    } else if meta.path.is_ident("ty") {
                        attribute.language_type = Some(meta.value()?.parse()?);
                        Ok(())
                    } else {
                        Err(meta.error("expected `name = \"…\"` or `ty = …`"))
                    }
                })?;
            }
        }
        if let (true, Some(default)) = (attribute.key, &attribute.default) {
            return Err(syn::Error::new_spanned(default, "the key has no default: the resource's name fills it"));
        }
        if let Some(default) = &attribute.default
            && is_option(&attribute.field_type)
        {
            return Err(syn::Error::new_spanned(
                default,
                "an attribute with a default is never absent: take the `Option` off its type",
            ));
        }
        if attribute.key && is_option(&attribute.field_type) {
            return Err(syn::Error::new_spanned(
                &attribute.field_type,
                "the key is never absent: take the `Option` off its type",
            ));
        }
        Ok(attribute)
    }

    /// The expression of its `AttributeSchema`.
    pub(crate) fn schema(&self) -> TokenStream {
        let Self { field_type, name, docs, sensitive, key, .. } = self;
        let span = field_type.span().resolved_at(proc_macro2::Span::call_site());
        let ty = match &self.language_type {
            Some(ty) => quote_spanned!(ty.span()=> #ty),
            None => quote_spanned!(span=> <#field_type as ::stead_stdlib::values::AttributeType>::ty()),
        };
        let default = match &self.default {
            Some(_) => {
                let value = self.default_value();
                quote_spanned!(span=> ::std::option::Option::Some(
                    <#field_type as ::stead_stdlib::values::AttributeType>::to_value(&#value)
                ))
            }
            None => quote_spanned!(span=> ::std::option::Option::None),
        };
        let required = if *key || self.default.is_some() {
            quote_spanned!(span=> false)
        } else {
            quote_spanned!(span=> <#field_type as ::stead_stdlib::values::AttributeType>::absent().is_none())
        };
        let deprecated = match &self.deprecated {
            Some(text) => quote_spanned!(text.span()=> ::std::option::Option::Some(::std::convert::Into::into(#text))),
            None => quote_spanned!(span=> ::std::option::Option::None),
        };
        quote_spanned! {span=>
            ::stead_catalog::AttributeSchema {
                name: ::std::convert::Into::into(#name),
                ty: #ty,
                required: #required,
                default: #default,
                docs: ::stead_stdlib::values::attribute_docs::<#field_type>(#docs),
                sensitive: #sensitive,
                deprecated: #deprecated,
            }
        }
    }

    /// The initialiser of the field, reading from `attributes`.
    pub(crate) fn reader(&self) -> TokenStream {
        let Self { ident, field_type, name, .. } = self;
        let span = field_type.span().resolved_at(proc_macro2::Span::call_site());
        if self.default.is_some() {
            let value = self.default_value();
            return quote_spanned!(span=>
                #ident: ::stead_stdlib::values::read_attribute_or::<#field_type>(attributes, #name, || #value)?
            );
        }
        quote_spanned!(span=> #ident: ::stead_stdlib::values::read_attribute::<#field_type>(attributes, #name)?)
    }

    fn default_value(&self) -> TokenStream {
        let (field_type, default) = (&self.field_type, &self.default);
        quote_spanned!(default.span()=> <#field_type as ::stead_stdlib::values::FromLiteral<_>>::from_literal(#default))
    }
}

fn is_option(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == "Option"))
}
