//! What `#[derive(Resource)]` and `#[derive(Choice)]` write.

use std::collections::BTreeMap;
use std::sync::Arc;

use stead_catalog::{Attributes, Footprint, Place, Type, Value};
use stead_engine::Described;
use stead_stdlib::values::{AbsolutePath, Guarded, Many, Mode, Secret, Size};
use stead_stdlib::{Choice, Resource};

/// A message of the day.
///
/// Nothing more.
#[derive(Debug, Resource)]
#[resource(name = "motd", since = "0.1", reacts, aliases(ensure = "state", r#type = "kind"))]
struct Motd {
    /// What it says.
    text: Option<Guarded<String>>,
    /// Where it is.
    #[key]
    path: AbsolutePath,
    /// Whether it is there.
    #[default(State::Present)]
    state: State,
    /// Permission bits.
    #[default(0o644)]
    mode: Mode,
    /// Largest diff.
    #[default(1 << 20)]
    limit: Size,
    /// Languages.
    languages: Vec<String>,
    /// What it makes.
    creates: Many<AbsolutePath>,
    /// The environment.
    env: BTreeMap<String, Guarded<String>>,
    /// The password.
    #[sensitive]
    password: Option<Secret<String>>,
    /// An old one.
    #[deprecated_because("use `text`")]
    #[attribute(name = "kind", ty = Type::choice(&["a", "b"]))]
    old: Option<String>,
    /// How many.
    count: i64,
}

/// Whether a thing is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
enum State {
    /// It is there.
    Present,
    /// It is not,
    /// and never was.
    NotThere,
    /// It was.
    ///
    /// Deprecated: use `not_there`.
    Gone,
}

impl Motd {
    fn footprint(&self) -> Footprint {
        Footprint { owns: vec![Place::path(self.path.as_str())], ..Footprint::default() }
    }
}

fn attributes(entries: &[(&str, Value)]) -> Attributes {
    entries.iter().map(|(name, value)| (Arc::from(*name), value.clone())).collect()
}

#[test]
fn the_schema_says_what_the_struct_says() {
    let schema = Motd::schema();
    assert_eq!((&*schema.name, &*schema.since, &*schema.key, schema.reacts), ("motd", "0.1", "path", true));
    assert_eq!(&*schema.docs, "A message of the day.\n\nNothing more.");
    assert_eq!(schema.aliases, [("ensure".into(), "state".into()), ("type".into(), "kind".into())]);
    let lines: Vec<String> = schema
        .attributes
        .iter()
        .map(|a| format!("{}: {} required={} default={:?} sensitive={}", a.name, a.ty, a.required, a.default, a.sensitive))
        .collect();
    assert_eq!(
        lines,
        [
            "path: Path required=false default=None sensitive=false",
            "text: String required=false default=None sensitive=false",
            "state: present | not_there | gone required=false default=Some(present) sensitive=false",
            "mode: Mode required=false default=Some(0644) sensitive=false",
            "limit: Size required=false default=Some(1MiB) sensitive=false",
            "languages: List<String> required=false default=None sensitive=false",
            "creates: Path | List<Path> required=false default=None sensitive=false",
            "env: Map<String> required=false default=None sensitive=false",
            "password: Secret<String> required=false default=None sensitive=true",
            "kind: a | b required=false default=None sensitive=false",
            "count: Int required=true default=None sensitive=false",
        ]
    );
    let state = schema.attribute("state").expect("it is there");
    assert_eq!(
        &*state.docs,
        "Whether it is there.\n\n* `present`: It is there.\n* `not_there`: It is not, and never was.\n* `gone`: It was. Deprecated: use `not_there`."
    );
    let Type::Enum(choice) = &state.ty else { panic!("{:?}", state.ty) };
    assert_eq!(choice.deprecated, [("gone".into(), "use `not_there`".into())]);
    assert_eq!(schema.attribute("kind").and_then(|kind| kind.deprecated.as_deref()), Some("use `text`"));
}

#[test]
fn attributes_are_read_with_their_defaults_and_taint() {
    let given = attributes(&[
        ("path", Value::string("/etc/motd")),
        ("count", Value::Int(3)),
        ("state", Value::Member("not_there".into())),
        ("text", Value::string("hunter2").secret()),
        ("creates", Value::string("/a")),
        ("env", Value::map([("A".into(), Value::string("hunter2").secret()), ("B".into(), Value::string("b"))])),
        ("password", Value::string("hunter2").secret()),
    ]);
    let motd = Motd::read(&given).expect("it reads");
    assert_eq!(motd.state, State::NotThere);
    assert_eq!(motd.mode, Mode(0o644));
    assert_eq!(motd.limit, Size(1 << 20));
    assert_eq!(motd.creates.0.len(), 1);
    assert_eq!(motd.languages, Vec::<String>::new());
    assert!(motd.text.as_ref().is_some_and(Guarded::is_sensitive));
    assert!(!motd.env["B"].is_sensitive());
    assert_eq!(motd.password.as_ref().map(|password| password.reveal().as_str()), Some("hunter2"));
    assert_eq!((motd.old.as_deref(), motd.count), (None, 3));
    assert!(!format!("{motd:?}").contains("hunter2"), "{motd:?}");
}

#[test]
fn a_wrong_or_missing_attribute_is_named() {
    let error = |entries: &[(&str, Value)]| Motd::read(&attributes(entries)).expect_err("it is wrong").to_string();
    assert_eq!(error(&[("path", Value::string("/a"))]), "attribute `count`: expected an integer, found nothing");
    assert_eq!(
        error(&[("path", Value::string("/a")), ("count", Value::string("x"))]),
        "attribute `count`: expected an integer, found a string"
    );
}

#[test]
fn footprint_is_the_structs_own_and_check_finds_nothing() {
    let schema = Motd::schema();
    let given = attributes(&[("path", Value::string("/etc/motd")), ("count", Value::Int(3))]);
    assert_eq!((schema.footprint)(&given).owns, [Place::path("/etc/motd")]);
    assert_eq!((schema.check)(&given), []);
    // What cannot be read has been reported already.
    assert_eq!((schema.footprint)(&Attributes::new()), Footprint::default());
}

#[test]
fn a_choice_knows_its_members() {
    assert_eq!(State::ALL, [State::Present, State::NotThere, State::Gone]);
    assert_eq!(State::NotThere.to_string(), "not_there");
}
