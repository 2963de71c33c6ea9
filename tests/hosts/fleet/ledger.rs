//! `ledger = true` over ssh: what was made on a host and is no longer declared goes from there.

use stead_tests::fleet::Fleet;

use super::{outcomes, pairs, pending_nodes};

const BOTH: &str =
    "node \"*\" {\n  file \"/srv/keep\" { content = \"keep\\n\" }\n  file \"/srv/gone\" { content = \"gone\\n\" }\n}\n";
const ONE: &str = "node \"*\" {\n  file \"/srv/keep\" { content = \"keep\\n\" }\n}\n";

#[test]
fn what_is_no_longer_declared_goes_from_a_host() {
    let Some(fleet) = Fleet::boot(1) else { return };
    let host = &fleet.hosts[0];
    let name = host.name();
    let on = ["--on", name.as_str()];
    let with = |more: &[&'static str]| on.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>();
    fleet.write("stead.toml", "name = \"site\"\nledger = true\n");
    fleet.write("site.stead", BOTH);
    host.write("/srv/theirs", "not ours\n");
    let output = fleet.stead("apply", &with(&["--yes", "--json"])).expect_code(0);
    assert_eq!(outcomes(&output), pairs(&[(&name, "changed")]));

    fleet.write("site.stead", ONE);
    let plan = fleet.stead("plan", &with(&["--json"])).expect_code(0);
    let document = plan.json();
    let resources = document["nodes"][0]["resources"].as_array().expect("resources").clone();
    let orphan = resources.iter().find(|resource| resource["orphan"] == true).unwrap_or_else(|| panic!("an orphan\n{plan}"));
    assert!(orphan["id"].to_string().contains("/srv/gone") && orphan["action"] == "delete", "{orphan}");
    // What is to stay, stays; and a part of the catalog makes no orphans of the rest.
    for selection in [["--keep-orphans"].as_slice(), &["--only", "file[\"/srv/keep\"]"]] {
        let plan = fleet.stead("plan", &with(&[selection, &["--json"]].concat())).expect_code(0);
        assert_eq!(pending_nodes(&plan), [""; 0], "{selection:?}");
    }
    let output = fleet.stead("apply", &with(&["--keep-orphans", "--yes"])).expect_code(0);
    assert_eq!(host.read("/srv/gone").as_deref(), Some("gone\n"), "{output}");

    // A saved plan has it as well.
    let _ = fleet.stead("plan", &with(&["-o", "/root/saved.plan"])).expect_code(0);
    let output = fleet.operator.stead(&["apply", "/root/saved.plan", "--yes", "--json"]).expect_code(0);
    assert_eq!(outcomes(&output), pairs(&[(&name, "changed")]));
    assert_eq!((host.read("/srv/gone"), host.read("/srv/keep").is_some()), (None, true), "{output}");
    assert_eq!(host.read("/srv/theirs").as_deref(), Some("not ours\n"));
    let plan = fleet.stead("plan", &with(&["--json", "--detailed-exitcode"])).expect_code(0);
    assert_eq!(pending_nodes(&plan), [""; 0]);
}
