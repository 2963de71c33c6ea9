//! Users and groups for real, and runs by a user who is not root.

use crate::site::{Site, planned};

#[test]
fn an_account_is_made_changed_and_removed() {
    let Some(site) = Site::new(
        "group \"ops\" { gid = 3100 }\n\
         group \"wheel2\" {}\n\
         user \"deploy\" { uid = 3100, group = \"ops\", groups = [\"wheel2\"], home = \"/home/deploy\", shell = \"/bin/bash\", create_home = true }\n\
         file \"/home/deploy/.profile-x\" { content = \"x\\n\", owner = \"deploy\", group = \"ops\", mode = 0600 }\n",
    ) else {
        return;
    };
    let host = &site.host;
    assert_eq!(planned(&site.plan(), "user[\"deploy\"]").action, "create");
    site.converge();
    assert_eq!(host.must("getent passwd deploy").trim(), "deploy:x:3100:3100::/home/deploy:/bin/bash");
    assert_eq!(host.must("id -nG deploy").trim(), "ops wheel2");
    assert_eq!(host.stat("/home/deploy/.profile-x"), Some((0o600, 3100, 3100)));
    assert_eq!(host.stat("/home/deploy").map(|(_, owner, group)| (owner, group)), Some((3100, 3100)));

    host.must("usermod -s /bin/sh -G '' deploy");
    let plan = site.plan();
    let user = planned(&plan, "user[\"deploy\"]");
    assert_eq!(user.action, "update");
    assert_eq!(user.changes.len(), 2, "the shell and the groups: {}", user.raw);
    site.converge();
    assert_eq!(host.must("getent passwd deploy | cut -d: -f7").trim(), "/bin/bash");

    site.source("user \"deploy\" { state = absent }\ngroup \"ops\" { state = absent }\n");
    assert_eq!(planned(&site.plan(), "user[\"deploy\"]").action, "delete");
    site.converge();
    assert_ne!(host.run("getent passwd deploy").code, 0);
    assert_ne!(host.run("getent group ops").code, 0);
}

#[test]
fn a_group_goes_after_those_who_were_in_it() {
    let Some(site) = Site::new(
        "group \"old\" { state = absent }\n\
         group \"gone\" { state = absent }\n\
         user \"gone\" { state = absent }\n\
         group \"new\" {}\n\
         user \"ann\" { group = \"new\" }\n",
    ) else {
        return;
    };
    let host = &site.host;
    host.must("groupadd old && useradd -M -g old ann && useradd -M -U gone");
    let plan = site.plan();
    assert_eq!(planned(&plan, "user[\"ann\"]").action, "update");
    assert_eq!(planned(&plan, "group[\"old\"]").action, "delete");
    site.converge();
    assert_eq!(host.must("id -gn ann").trim(), "new");
    assert_ne!(host.run("getent group old gone").code, 0);
}

#[test]
fn a_password_is_its_users_once_it_was_set_and_grows_old() {
    let source = |hash: &str, max: i64| {
        format!(
            "user \"ann\" {{ password = secret(\"{hash}\"), password_policy = on_create, password_max_days = {max}, password_warn_days = 14, create_home = false }}\n"
        )
    };
    let Some(site) = Site::new(&source("$6$salt$one", 90)) else { return };
    let host = &site.host;
    let field = |number: u32| host.must(&format!("getent shadow ann | cut -d: -f{number}")).trim().to_owned();
    site.converge();
    assert_eq!((field(2), field(5), field(6)), ("$6$salt$one".into(), "90".into(), "14".into()));
    // Another hash in the source, and one that its user has chosen: neither is written over.
    host.must("echo 'ann:$6$salt$chosen' | chpasswd -e");
    site.source(&source("$6$salt$two", 90));
    site.nothing_is_left();
    host.must("chage -m 3 -I 20 ann");
    site.source(&format!(
        "{}user \"bob\" {{ create_home = false }}\n",
        source("$6$salt$two", 30).replace("warn_days = 14", "warn_days = -1, password_inactive_days = 5")
    ));
    let plan = site.plan();
    assert_eq!(planned(&plan, "user[\"ann\"]").changes.len(), 3, "{plan:?}");
    site.converge();
    let ages = || (3..9).map(&field).skip(1).collect::<Vec<_>>().join(":");
    assert_eq!(ages(), "3:30::5:");
    assert_eq!(field(2), "$6$salt$chosen");
    let _ = host.stead(&["undo", "last", "--yes"]).expect_code(0);
    assert_eq!(ages(), "3:90:14:20:");
    assert_eq!(field(2), "$6$salt$chosen");
    // An account that an undo makes again grows old as it did.
    site.source("user \"ann\" { state = absent }\n");
    site.converge();
    let undone = host.stead(&["undo", "last", "--yes"]).expect_code(0);
    assert_eq!(ages(), "3:90:14:20:", "{undone}");
}

#[test]
fn an_unknown_owner_is_told_with_its_name() {
    let Some(site) = Site::new("file \"/etc/owned\" { content = \"x\\n\", owner = \"nobody-here\" }\n") else { return };
    let output = site.apply();
    assert_eq!(output.code, 1, "{output}");
    assert!(format!("{}{}", output.stdout, output.stderr).contains("nobody-here"), "{output}");
    assert_eq!(site.host.read("/etc/owned"), None, "nothing half done");
}

#[test]
fn a_user_who_is_not_root_applies_what_is_theirs() {
    let Some(site) = Site::new("") else { return };
    let host = &site.host;
    host.must("useradd -m -s /bin/sh ann");
    host.write("/home/ann/mine.stead", "file \"/home/ann/.vimrc\" { content = \"set number\\n\", mode = 0600 }\n");
    let before = host.snapshot();
    let plan = host.stead_as("ann", &["plan", "mine.stead", "--json"]).expect_code(0).plan();
    assert_eq!(planned(&plan, "file[\"/home/ann/.vimrc\"]").action, "create");
    assert_eq!(before.changes(&host.snapshot()), [""; 0], "a plan changes nothing");
    let _ = host.stead_as("ann", &["apply", "mine.stead", "--yes"]).expect_code(0);
    assert_eq!(host.read("/home/ann/.vimrc").as_deref(), Some("set number\n"));
    assert_eq!(host.run("test -e /var/lib/stead").code, 1, "her journal is not the machine's");
    let written = before.changes(&host.snapshot());
    assert!(written.iter().all(|line| line.contains(" /home/ann")), "{written:?}");
}

#[test]
fn a_user_who_is_not_root_is_told_where_the_permission_ends() {
    let Some(site) = Site::new("") else { return };
    let host = &site.host;
    host.must("useradd -m -s /bin/sh ann");
    host.write(
        "/home/ann/theirs.stead",
        "file \"/etc/not-hers\" { content = \"x\\n\" }\nfile \"/home/ann/hers\" { content = \"y\\n\" }\n",
    );
    let output = host.stead_as("ann", &["apply", "theirs.stead", "--yes", "--json"]).expect_code(1);
    assert_eq!(output.outcome("file[\"/etc/not-hers\"]"), "failed", "{output}");
    assert_eq!(output.outcome("file[\"/home/ann/hers\"]"), "changed", "{output}");
    assert!(output.stdout.to_lowercase().contains("permission"), "{output}");
    assert_eq!(host.read("/etc/not-hers"), None);
}
