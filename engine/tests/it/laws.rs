//! Laws over generated catalogs: a plan after an apply is empty, whatever was there; applying twice is applying once.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use stead_catalog::{Catalog, Value};

use crate::support::*;

/// What may be at a path, or be wished there.
#[derive(Clone, Debug)]
enum Thing {
    Absent,
    Text(String, u32),
    Folder,
}

fn things() -> impl Strategy<Value = Vec<(Thing, Thing)>> {
    let mode = prop_oneof![Just(0o644), Just(0o600), Just(0o4755)];
    let thing = prop_oneof![
        Just(Thing::Absent),
        ("[a-c]{0,3}", mode).prop_map(|(text, mode)| Thing::Text(text, mode)),
        Just(Thing::Folder),
    ];
    proptest::collection::vec((thing.clone(), thing), 1..12)
}

/// Puts what is there in place and wishes what is wished; the second half lies in a folder that may have to be made.
fn set_up(scene: &Scene, things: &[(Thing, Thing)]) -> Catalog {
    let inner = scene.path("inner");
    let mut resources = vec![folder(&inner)];
    for (index, (there, wished)) in things.iter().enumerate() {
        let path = if index % 2 == 0 { scene.path(&index.to_string()) } else { inner.join(index.to_string()) };
        let name = path.to_str().unwrap();
        match wished {
            Thing::Absent => resources.push(resource("text", name, &[("absent", Value::Bool(true))])),
            Thing::Text(content, mode) => {
                let attributes = [("content", Value::string(&**content)), ("mode", Value::Int(i64::from(*mode)))];
                resources.push(resource("text", name, &attributes));
            }
            Thing::Folder if matches!(there, Thing::Text(..)) => continue,
            Thing::Folder => resources.push(folder(&path)),
        }
        if index % 2 == 1 && index > 6 {
            std::fs::create_dir_all(&inner).unwrap();
        }
        if !path.parent().unwrap().exists() {
            continue;
        }
        match there {
            Thing::Absent => {}
            Thing::Text(content, mode) => {
                std::fs::write(&path, content).unwrap();
                std::fs::set_permissions(&path, PermissionsExt::from_mode(*mode)).unwrap();
            }
            Thing::Folder => {
                std::fs::create_dir(&path).unwrap();
                std::fs::write(path.join("in"), "x").unwrap();
            }
        }
    }
    catalog(resources, &[])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_after_an_apply_is_empty(things in things()) {
        let scene = Scene::new();
        let catalog = set_up(&scene, &things);
        let planned = scene.plan(&catalog);
        let report = scene.apply_planned(&catalog, &planned);
        prop_assert!(report.is_success(), "{:?}", report);
        for (index, entry) in planned.plan.resources.iter().enumerate() {
            let changed = report.results[index].1.kind == stead_engine::OutcomeKind::Changed;
            prop_assert_eq!(entry.action != stead_catalog::Action::None, changed, "{:?}", entry);
        }
        prop_assert!(scene.plan(&catalog).plan.is_empty());
        let once = scene.tree();
        let again = scene.apply(&catalog);
        prop_assert_eq!(again.counts().unchanged as usize, catalog.resources.len());
        prop_assert_eq!(scene.tree(), once);
    }
}
