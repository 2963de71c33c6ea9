//! The law of planning, on random machines: once a change is made as predicted, nothing is left to do.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use stead_catalog::{Attributes, Value};
use stead_engine::{Difference, FileKind, Owner, Predicted, Stat};
use stead_stdlib::registry;

use crate::fake_world::{FakeWorld, Node};

const PATHS: [&str; 8] = ["/r", "/r/a", "/r/a/b", "/r/a/c", "/r/a/c/d", "/r/l", "/r/z", "/r/z/y"];

/// What may be at one path: kind, mode, owners, content or target.
fn node() -> impl Strategy<Value = Option<(FileKind, u32, u32, u32, usize)>> {
    let kind = prop_oneof![
        4 => Just(FileKind::Directory),
        3 => Just(FileKind::File),
        2 => Just(FileKind::Symlink),
        1 => Just(FileKind::Other)
    ];
    let some = (kind, prop_oneof![Just(0o644_u32), Just(0o755), Just(0o600), Just(0o2775)], 0..3_u32, 0..3_u32, 0..5_usize);
    prop_oneof![1 => Just(None), 3 => some.prop_map(Some)]
}

const CONTENTS: [&str; 5] = ["", "a\n", "b\n", "long\nlonger\n", "\0binary"];
const TARGETS: [&str; 5] = ["/r/a", "a", "nowhere", "../r/z", "/r/a/b"];

fn world() -> impl Strategy<Value = FakeWorld> {
    prop::collection::vec(node(), PATHS.len()).prop_map(|nodes| {
        let mut world =
            FakeWorld::parse("user app 1 app /srv/app /bin/sh\nuser late pending late\ngroup app 1\ngroup late pending");
        let mut directories = vec![PathBuf::from("/")];
        for (path, node) in PATHS.iter().map(Path::new).zip(nodes) {
            let Some((kind, mode, uid, gid, pick)) = node else { continue };
            if !path.parent().is_some_and(|parent| directories.iter().any(|known| known == parent)) {
                continue;
            }
            if kind == FileKind::Directory {
                directories.push(path.to_owned());
            }
            let content: Arc<[u8]> = if kind == FileKind::File { CONTENTS[pick].as_bytes().into() } else { Arc::default() };
            let target = (kind == FileKind::Symlink).then(|| PathBuf::from(TARGETS[pick]));
            let mode = if kind == FileKind::Symlink { 0o777 } else { mode };
            let size = content.len() as u64;
            let stat = Stat { kind, mode, uid: Owner::Id(uid), gid: Owner::Id(gid), size, target };
            world.put(path, Node::Present(stat, content));
        }
        world
    })
}

/// An attribute that is given or not.
fn given<T: Clone + std::fmt::Debug + 'static>(
    values: &'static [T],
    make: fn(&T) -> Value,
) -> impl Strategy<Value = Option<Value>> {
    prop_oneof![1 => Just(None), 2 => prop::sample::select(values).prop_map(move |value| Some(make(&value)))]
}

fn account() -> impl Strategy<Value = Option<Value>> {
    given(&["root", "app", "late"], |name| Value::string(*name))
}

fn mode() -> impl Strategy<Value = Option<Value>> {
    given(&[0o644, 0o600, 0o755], |mode| Value::Mode(*mode))
}

fn flag() -> impl Strategy<Value = Option<Value>> {
    given(&[true, false], |flag| Value::Bool(*flag))
}

fn state() -> impl Strategy<Value = Option<Value>> {
    given(&["present", "present", "present", "absent"], |state| Value::Member((*state).into()))
}

fn attributes(names: &'static [&'static str]) -> impl Fn(Vec<Option<Value>>, &'static str) -> Attributes {
    move |values, path| {
        let mut attributes: Attributes = [(Arc::from("path"), Value::string(path))].into_iter().collect();
        for (name, value) in names.iter().zip(values) {
            attributes.set(*name, value.unwrap_or(Value::None));
        }
        attributes
    }
}

fn path() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&PATHS[..])
}

fn file() -> impl Strategy<Value = Attributes> {
    let values = (state(), given(&CONTENTS[..], |text| Value::string(*text)), mode(), account(), account(), flag(), flag());
    (values, path()).prop_map(|((state, content, mode, owner, group, force, create_only), path)| {
        let make = attributes(&["state", "content", "mode", "owner", "group", "force", "create_only"]);
        make(vec![state, content, mode, owner, group, force, create_only], path)
    })
}

fn directory() -> impl Strategy<Value = Attributes> {
    let values = (state(), mode(), account(), account(), flag(), flag(), flag(), flag(), mode(), mode());
    (values, path()).prop_map(|((state, mode, owner, group, force, parents, recursive, purge, file_mode, dir_mode), path)| {
        let names = &["state", "mode", "owner", "group", "force", "parents", "recursive", "purge", "file_mode", "dir_mode"];
        attributes(names)(vec![state, mode, owner, group, force, parents, recursive, purge, file_mode, dir_mode], path)
    })
}

fn symlink() -> impl Strategy<Value = Attributes> {
    let target = prop::sample::select(&TARGETS[..]).prop_map(|target| Some(Value::string(target)));
    ((state(), target, account(), account(), flag()), path()).prop_map(|((state, target, owner, group, force), path)| {
        attributes(&["state", "target", "owner", "group", "force"])(vec![state, target, owner, group, force], path)
    })
}

/// Plans one resource, predicts its change, and plans it again on the predicted machine.
fn check(type_name: &str, attributes: &Attributes, world: &FakeWorld) -> Result<(), TestCaseError> {
    let resource = registry().get(type_name).expect("it is registered").read(attributes).expect("the types are right");
    let mut predicted = Predicted::new(world);
    // A machine on which the resource cannot be planned has no plan to be right.
    let Ok(observed) = resource.observe(&predicted) else { return Ok(()) };
    let difference = resource.diff(&observed);
    prop_assert_eq!(difference.is_none(), difference.changes.is_empty());
    if difference.is_none() {
        return Ok(());
    }
    resource.predict(&observed, &difference, &mut predicted);
    let again = resource.observe(&predicted).map(|observed| resource.diff(&observed));
    prop_assert!(matches!(&again, Ok(again) if *again == Difference::NONE), "{:?}\nthen {:?}", difference, again);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn nothing_is_left_to_do_after_a_file(attributes in file(), world in world()) {
        check("file", &attributes, &world)?;
    }

    #[test]
    fn nothing_is_left_to_do_after_a_directory(attributes in directory(), world in world()) {
        check("directory", &attributes, &world)?;
    }

    #[test]
    fn nothing_is_left_to_do_after_a_symlink(attributes in symlink(), world in world()) {
        check("symlink", &attributes, &world)?;
    }
}
