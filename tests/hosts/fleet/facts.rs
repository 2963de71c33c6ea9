//! What hosts tell: facts of their own, programs of the project that tell some, and files of the project that keep them.

use stead_tests::fleet::Fleet;

use super::{outcomes, pairs, pending_nodes, told};

#[test]
fn a_fact_that_is_not_told_is_warned_of_and_the_others_go_on() {
    let Some(fleet) = Fleet::boot(4) else { return };
    let [good, hangs, noise, broken] = &fleet.hosts[..] else { unreachable!("four hosts") };
    let (good_name, hangs_name, noise_name, broken_name) = (good.name(), hangs.name(), noise.name(), broken.name());
    fleet
        .write("stead.toml", "[facts.programs]\nrack = { command = [\"/usr/local/bin/rack\", \"--short\"], timeout = \"2s\" }\n");
    fleet.write("site.stead", "fact rack: String\nnode \"*\" { file \"/srv/rack\" { content = facts.rack } }\n");
    let program = |host: &stead_tests::host::Host, line: &str| {
        host.must(&format!("printf '#!/bin/sh\\n%s\\n' '{line}' > /usr/local/bin/rack; chmod 755 /usr/local/bin/rack"));
    };
    program(good, "echo r7$1");
    program(hangs, "sleep 600");
    program(noise, "head -c 64 /dev/urandom");
    program(broken, "echo r9");
    // A damaged fact of a host's own takes nothing else away from it.
    broken.must("mkdir -p /etc/stead/facts.d; echo '[]' > /etc/stead/facts.d/slots.json");

    let all = fleet.all();
    let output = fleet.stead("apply", &["--on", &all, "--yes", "--json"]).expect_code(1);
    let mut expected = [
        (good_name.as_str(), "changed"),
        (hangs_name.as_str(), "failed"),
        (noise_name.as_str(), "failed"),
        (broken_name.as_str(), "changed"),
    ];
    expected.sort_unstable();
    let mut found = outcomes(&output);
    found.sort_unstable();
    assert_eq!(found, pairs(&expected), "{output}");
    let names = fleet.all();
    let mut failed = told(&output);
    failed.retain(|(name, _)| names.split(',').any(|host| host == name));
    failed.sort_unstable();
    let mut missing = [(hangs_name.as_str(), "missing-fact"), (noise_name.as_str(), "missing-fact")];
    missing.sort_unstable();
    assert_eq!(failed, pairs(&missing), "{output}");
    assert_eq!(good.read("/srv/rack").as_deref(), Some("r7--short"));
    assert_eq!(broken.read("/srv/rack").as_deref(), Some("r9"));
    for (name, words) in [(&hangs_name, "took longer than 2 s"), (&noise_name, "it printed"), (&broken_name, "slots.json")] {
        let warned = |line: &str| line.starts_with(&format!("warning[invalid-facts]: {name}: ")) && line.contains(words);
        assert!(output.stderr.lines().any(warned), "{name}: {words}\n{output}");
    }
    // A program is told who has said nothing as well.
    let output = fleet.operator.stead(&["facts", "--project", "/root/site", "--on", &format!("{good_name},nowhere"), "--json"]);
    let nodes = output.expect_code(1).json()["nodes"].clone();
    assert_eq!(
        (&nodes[&good_name]["facts"]["rack"], &nodes["nowhere"]["error"]["code"]),
        (&"r7--short".into(), &"host-unknown".into())
    );
    assert_eq!(hangs.run("pgrep -f 'sleep 60[0]'").code, 1, "what hangs is stopped");

    // Stored, they serve where no host is asked; what is stored is written only where it differs.
    let store = |on: &str| fleet.operator.stead(&["facts", "--project", "/root/site", "--on", on, "--store"]);
    let on = format!("{good_name},{broken_name},nowhere");
    let output = store(&on).expect_code(1);
    assert_eq!(output.stdout.matches("stored in").count(), 2, "{output}");
    assert_eq!(told(&output), pairs(&[("nowhere", "host-unknown")]), "{output}");
    let stored = fleet.operator.read(&format!("/root/site/facts/{good_name}.json")).expect("a file of facts");
    assert!(stored.contains("\"rack\": \"r7--short\""), "{stored}");
    let wanted = fleet.stead("plan", &["--from-facts", "--json"]).expect_code(0);
    let mut stored = pending_nodes(&wanted);
    stored.sort_unstable();
    let mut expected = vec![good_name.clone(), broken_name];
    expected.sort_unstable();
    assert_eq!(stored, expected);

    // The document of several nodes is no file of facts.
    let document = fleet.operator.stead(&["facts", "--project", "/root/site", "--on", &good_name, "--json"]).expect_code(0);
    fleet.write(&format!("facts/{good_name}.json"), &document.stdout);
    let output = fleet.stead("check", &[]).expect_code(1);
    assert!(output.stderr.contains("error[facts-of-many]"), "{output}");
}

#[test]
fn what_programs_tell_on_hosts_is_kept_for_its_time_with_the_operator() {
    let Some(fleet) = Fleet::boot(2) else { return };
    let [one, fails] = &fleet.hosts[..] else { unreachable!("two hosts") };
    let settings = |max_age: &str, word: &str| {
        let text = format!("[facts]\nmax_age = \"{max_age}\"\n[facts.programs]\nrack = [\"/usr/local/bin/rack\", \"{word}\"]\n");
        fleet.write("stead.toml", &text);
    };
    settings("1h", "a");
    fleet.write("site.stead", "fact rack: String = \"none\"\nnode \"*\" { file \"/srv/rack\" { content = facts.rack } }\n");
    for host in &fleet.hosts {
        let text = "#!/bin/sh\necho x >> /root/asked\necho rack-$1-$(wc -l < /root/asked)\n";
        host.must(&format!("cat > /usr/local/bin/rack <<'END'\n{text}END\nchmod 755 /usr/local/bin/rack"));
    }
    fails.must("sed -i '$a exit 1' /usr/local/bin/rack");
    let asked = |host: &stead_tests::host::Host| host.read("/root/asked").unwrap_or_default().lines().count();
    let apply = || fleet.stead("apply", &["--on", &fleet.all(), "--yes"]).expect_code(0);

    apply();
    let (first, failed) = (asked(one), asked(fails));
    assert_eq!(one.read("/srv/rack").as_deref(), Some(&*format!("rack-a-{first}")));
    assert_eq!(fails.read("/srv/rack").as_deref(), Some("none"));
    apply();
    assert_eq!(asked(one), first, "what it told counts for an hour");
    assert!(asked(fails) > failed, "who told nothing is asked again");
    assert!(one.run("test -e /var/lib/stead/told").code != 0, "nothing of it lies on the host");

    // Another question, or an answer that is too old.
    settings("1h", "b");
    apply();
    assert_eq!(one.read("/srv/rack").as_deref(), Some(&*format!("rack-b-{}", first + 1)));
    settings("1ms", "b");
    apply();
    assert_eq!(one.read("/srv/rack").as_deref(), Some(&*format!("rack-b-{}", first + 2)));
}
