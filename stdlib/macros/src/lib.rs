//! Derives that write a resource type's schema and reader from a Rust struct.
//!
//! `#[derive(Resource)]` on a struct implements `stead_engine::Described`: the schema with its documentation and the
//! function that reads checked attributes into the struct. `#[derive(Choice)]` on an enum of unit variants makes it a
//! choice of bare words that an attribute can take.
//!
//! ```ignore
//! /// A message of the day.
//! #[derive(Debug, Clone, Resource)]
//! #[resource(name = "motd", since = "0.1", aliases(ensure = "state"))]
//! pub struct Motd {
//!     /// Where it is.
//!     #[key]
//!     pub path: AbsolutePath,
//!     /// What it says. Left as found when absent.
//!     pub text: Option<String>,
//!     /// Whether it is there.
//!     #[default(State::Present)]
//!     pub state: State,
//! }
//!
//! /// Whether a thing is there.
//! #[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
//! pub enum State {
//!     /// It is there.
//!     Present,
//!     /// It is not.
//!     Absent,
//! }
//! ```
//!
//! # On the struct
//!
//! * The doc comment is the documentation of the type. It is required.
//! * `#[resource(name = "…", since = "…")]`: the name in the language and the version that brought it. Both are required.
//! * `#[resource(aliases(other = "attribute", …))]`: words of other tools, and the attribute here that they mean.
//! * `#[resource(reacts)]`: a `watch` or `listen` makes the resource react.
//! * `#[resource(deprecated_because = "…")]`: why not to use the type any more, and what to use.
//! * `#[resource(lint = function)]`: what could be better about a resource of the type, a
//!   `fn(&Attributes, Surroundings) -> Vec<Problem>`.
//! * The schema's `footprint` and `check` call the inherent methods `fn footprint(&self) -> Footprint` and
//!   `fn check(&self) -> Vec<Problem>` of the struct where it has them; they are nothing where it has not.
//!
//! # On a field
//!
//! Each field is an attribute. Its type implements `stead_stdlib::values::AttributeType`, which tells the type in the language and
//! whether the attribute may be absent (`Option<T>`: left as found; `Vec<T>` and maps: empty).
//!
//! * The doc comment is the documentation of the attribute. It is required. Members of a choice are listed below it.
//! * `#[key]`: the attribute that the resource's name fills. Exactly one field has it.
//! * `#[default(expression)]`: the value when it is not given, such as `#[default(0o755)]` for a `Mode`.
//! * `#[sensitive]`: the value is secret even where it is given as a plain value.
//! * `#[deprecated_because("…")]`: why not to use it any more, and what to use.
//! * `#[attribute(name = "…")]`: its name in the language, where it is not the field's; `#[attribute(ty = expression)]`: its
//!   type in the language, an expression of type `stead_catalog::Type`, where it is narrower than the field's own.

mod choice;
mod docs;
mod field;
mod resource;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// Implements `stead_engine::Described` for a struct; see the crate's documentation.
#[proc_macro_derive(Resource, attributes(resource, key, default, sensitive, deprecated_because, attribute))]
pub fn derive_resource(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    resource::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Implements `stead_stdlib::values::AttributeType` for an enum of unit variants, as a choice of their names in `snake_case`.
///
/// Also gives the enum `ALL`, `name()` and `Display`.
#[proc_macro_derive(Choice, attributes(choice))]
pub fn derive_choice(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    choice::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
