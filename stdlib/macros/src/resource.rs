//! `#[derive(Resource)]`.

use std::collections::BTreeMap;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields, Ident, LitStr};

use crate::docs;
use crate::field::Attribute;

/// What `#[resource(…)]` says.
#[derive(Default)]
struct Options {
    name: Option<LitStr>,
    since: Option<LitStr>,
    aliases: Vec<(Ident, LitStr)>,
    reacts: bool,
    deprecated: Option<LitStr>,
    lint: Option<syn::Path>,
}

/// Implements `Described` for the struct.
pub(crate) fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let docs = docs::required(&input.attrs, &input.ident, "a resource type")?;
    let options = Options::parse(input)?;
    let attributes = attributes(input)?;
    let key = key(input, &attributes)?;
    check_aliases(&options, &attributes)?;

    let ident = &input.ident;
    let missing = |what| syn::Error::new_spanned(ident, format!("say `#[resource({what} = \"…\")]`"));
    let name = options.name.as_ref().ok_or_else(|| missing("name"))?;
    let since = options.since.as_ref().ok_or_else(|| missing("since"))?;
    let reacts = options.reacts;
    let lint = match &options.lint {
        Some(function) => quote!(::std::iter::Extend::extend(&mut found, #function(attributes, around));),
        None => quote!(let _ = around;),
    };
    let deprecated = match &options.deprecated {
        Some(reason) => quote!(::std::option::Option::Some(::std::convert::Into::into(#reason))),
        None => quote!(::std::option::Option::None),
    };
    let key_name = &attributes[key].name;
    let (alias_names, alias_targets): (Vec<_>, Vec<_>) =
        options.aliases.iter().map(|(alias, target)| (plain(alias), target)).unzip();
    // The key comes first, the others in the order of the struct.
    let schemas = std::iter::once(&attributes[key])
        .chain(attributes.iter().enumerate().filter(|(at, _)| *at != key).map(|(_, attribute)| attribute))
        .map(Attribute::schema);
    let readers = attributes.iter().map(Attribute::reader);

    Ok(quote! {
        #[automatically_derived]
        impl ::stead_engine::Described for #ident {
            fn schema() -> ::stead_catalog::Schema {
                // The inherent methods win over the trait's, where the struct has them.
                #[allow(unused_imports)]
                use ::stead_stdlib::values::Undeclared as _;
                ::stead_catalog::Schema {
                    name: ::std::convert::Into::into(#name),
                    since: ::std::convert::Into::into(#since),
                    docs: ::std::convert::Into::into(#docs),
                    key: ::std::convert::Into::into(#key_name),
                    attributes: ::std::vec![#(#schemas),*],
                    aliases: ::std::vec![
                        #((::std::convert::Into::into(#alias_names), ::std::convert::Into::into(#alias_targets))),*
                    ],
                    footprint: |attributes| {
                        <Self as ::stead_engine::Described>::read(attributes)
                            .map(|resource| resource.footprint())
                            .unwrap_or_default()
                    },
                    check: |attributes| {
                        <Self as ::stead_engine::Described>::read(attributes)
                            .map(|resource| resource.check())
                            .unwrap_or_default()
                    },
                    lint: |attributes, around| {
                        let mut found = ::stead_stdlib::lints::of_any_type(#name, attributes);
                        #lint
                        found
                    },
                    deprecated: #deprecated,
                    reacts: #reacts,
                }
            }

            fn read(
                attributes: &::stead_catalog::Attributes,
            ) -> ::std::result::Result<Self, ::stead_catalog::AttributeError> {
                ::std::result::Result::Ok(Self { #(#readers),* })
            }
        }
    })
}

impl Options {
    fn parse(input: &DeriveInput) -> syn::Result<Self> {
        let mut options = Self::default();
        for helper in input.attrs.iter().filter(|attribute| attribute.path().is_ident("resource")) {
            helper.parse_nested_meta(|meta| {
                if meta.path.is_ident("name") {
                    options.name = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("since") {
                    options.since = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("reacts") {
                    options.reacts = true;
                } else if meta.path.is_ident("lint") {
                    options.lint = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("deprecated_because") {
                    options.deprecated = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("aliases") {
                    meta.parse_nested_meta(|alias| {
                        let name = alias.path.require_ident()?.clone();
                        options.aliases.push((name, alias.value()?.parse()?));
                        Ok(())
                    })?;
                } else {
                    return Err(meta.error("expected `name`, `since`, `reacts`, `lint`, `deprecated_because` or `aliases(…)`"));
                }
                Ok(())
            })?;
        }
        Ok(options)
    }
}

fn attributes(input: &DeriveInput) -> syn::Result<Vec<Attribute>> {
    let Data::Struct(data) = &input.data else {
        return Err(syn::Error::new_spanned(&input.ident, "a resource type is a struct"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(syn::Error::new_spanned(&input.ident, "a resource type is a struct with named fields"));
    };
    if !input.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(&input.generics, "a resource type has no parameters"));
    }
    let mut seen = BTreeMap::new();
    let mut attributes = Vec::new();
    let mut errors: Option<syn::Error> = None;
    for field in &fields.named {
        match Attribute::parse(field) {
            Ok(attribute) => {
                if seen.insert(attribute.name.clone(), ()).is_some() {
                    let message = format!("two attributes are named `{}`", attribute.name);
                    collect(&mut errors, syn::Error::new_spanned(&field.ident, message));
                }
                attributes.push(attribute);
            }
            Err(error) => collect(&mut errors, error),
        }
    }
    errors.map_or(Ok(attributes), Err)
}

/// Keeps every independent mistake, so that one build shows them all.
fn collect(errors: &mut Option<syn::Error>, error: syn::Error) {
    match errors {
        Some(errors) => errors.combine(error),
        None => *errors = Some(error),
    }
}

fn key(input: &DeriveInput, attributes: &[Attribute]) -> syn::Result<usize> {
    let mut keys = attributes.iter().enumerate().filter(|(_, attribute)| attribute.key).map(|(at, _)| at);
    match (keys.next(), keys.next()) {
        (Some(key), None) => Ok(key),
        (None, _) => {
            Err(syn::Error::new_spanned(&input.ident, "mark the attribute that the resource's name fills with `#[key]`"))
        }
        (Some(_), Some(_)) => Err(syn::Error::new_spanned(&input.ident, "only one attribute is the `#[key]`")),
    }
}

fn check_aliases(options: &Options, attributes: &[Attribute]) -> syn::Result<()> {
    for (alias, target) in &options.aliases {
        if !attributes.iter().any(|attribute| attribute.name == target.value()) {
            let message = format!("there is no attribute `{}` for the alias to mean", target.value());
            return Err(syn::Error::new_spanned(target, message));
        }
        if attributes.iter().any(|attribute| attribute.name == plain(alias)) {
            return Err(syn::Error::new_spanned(alias, "an attribute has this name already"));
        }
    }
    Ok(())
}

fn plain(ident: &Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").unwrap_or(&text).to_owned()
}
