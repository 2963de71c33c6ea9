//! Hosts that are meant by what they tell about themselves.

use stead_tests::fleet::Fleet;

use super::{outcomes, pairs, pending_nodes, told};

#[test]
fn facts_say_which_hosts_are_meant() {
    let Some(fleet) = Fleet::boot(3) else { return };
    let [near, far, shut] = &fleet.hosts[..] else { unreachable!("three hosts") };
    let (near_name, far_name, shut_name) = (near.name(), far.name(), shut.name());
    fleet.write(
        "site.stead",
        &format!(
            "inventory {{\n  host [\"{near_name}\", \"{far_name}\"]\n  host \"{shut_name}\" {{ tags = [\"shut\"] }}\n}}\n\
             fact rack: String = \"none\"\nnode \"*\" {{ file \"/srv/rack\" {{ content = facts.rack }} }}\n"
        ),
    );
    near.must("mkdir -p /etc/stead/facts.d; echo '{\"rack\": \"r7\"}' > /etc/stead/facts.d/rack.json");
    shut.must("systemctl stop ssh.socket ssh.service || systemctl stop ssh.service");

    // Whom the rest rules out is not asked, and everything is as if the host had been named.
    let output = fleet.stead("plan", &["--on", "os:debian and rack:r7 and not tag:shut", "--json"]).expect_code(0);
    assert_eq!(pending_nodes(&output), [near_name.as_str()]);
    // A network that only the facts know: the inventory has no addresses.
    let network = format!("net:{}/32 and not tag:shut", far.address());
    let output = fleet.stead("plan", &["--on", &network, "--json"]).expect_code(0);
    assert_eq!(pending_nodes(&output), [far_name.as_str()]);

    // Whom nobody can ask is named, and the others go on.
    let output = fleet.stead("apply", &["--on", "rack:r7", "--yes", "--json", "--connect-retries", "0"]).expect_code(1);
    assert_eq!(outcomes(&output), pairs(&[(&near_name, "changed"), (&shut_name, "unreachable")]));
    assert_eq!(told(&output), pairs(&[(&shut_name, "host-unreachable")]), "{output}");
    assert_eq!((near.read("/srv/rack").as_deref(), far.read("/srv/rack")), (Some("r7"), None));
    for command in ["check", "plan"] {
        let output = fleet.stead(command, &["--on", "not rack:none", "--connect-retries", "0"]).expect_code(1);
        assert!(told(&output).contains(&(shut_name.clone(), "host-unreachable".to_owned())), "{output}");
    }
    let facts = fleet.operator.stead(&["facts", "--project", "/root/site", "--on", "rack:r7 and not tag:shut", "--json"]);
    let nodes = facts.expect_code(0).json();
    assert_eq!(nodes["nodes"].as_object().expect("nodes").keys().collect::<Vec<_>>(), [&near_name]);

    // What a host told not long ago counts.
    far.must("systemctl stop ssh.socket ssh.service || systemctl stop ssh.service");
    let output =
        fleet.stead("plan", &["--on", "rack:none and not tag:shut or rack:r9 and not tag:shut", "--json"]).expect_code(1);
    assert_eq!(told(&output), pairs(&[(&far_name, "host-unreachable")]), "it is meant, and cannot be planned\n{output}");
    let output = fleet.stead("plan", &["--on", "rack:r7 and not tag:shut", "--json"]).expect_code(0);
    assert_eq!(pending_nodes(&output), [""; 0]);
}
