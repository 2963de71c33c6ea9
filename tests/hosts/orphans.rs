//! `ledger = true`: what Stead made and nothing declares any more goes from a real server, and only that.

use stead_tests::host::{Host, STEAD};
use stead_tests::output::{Output, pending};

use crate::site::planned;

fn stead(host: &Host, arguments: &[&str]) -> Output {
    let mut command = vec!["env", "-C", "/root/site", STEAD];
    command.extend_from_slice(arguments);
    host.spawn(&command).wait()
}

#[test]
fn what_is_no_longer_declared_goes_and_nothing_else() {
    let Some(host) = Host::boot() else { return };
    host.must("mkdir /root/site; groupadd old; useradd -m there; echo '5 5 * * * /bin/true' | crontab -u there -");
    host.write("/root/site/stead.toml", "name = \"site\"\nledger = true\n");
    let before = host.snapshot();
    let accounts = host.must("cat /etc/passwd /etc/group | grep -v demo-web | sort");
    host.write(
        "/root/site/site.stead",
        "group \"ops\" {}\n\
         user \"deploy\" { group = \"ops\", home = \"/srv/deploy\", create_home = false }\n\
         user \"there\" { comment = \"adjusted\" }\n\
         package \"demo-web\" {}\n\
         file \"/etc/demo-web/conf.d/site.conf\" { content = \"x\\n\", owner = \"deploy\", require = [package[\"demo-web\"]] }\n\
         unit \"beat\" { sections = { Service = { ExecStart = \"/bin/sleep infinity\" }, Install = { WantedBy = \"multi-user.target\" } } }\n\
         service \"beat\" { state = running, enabled = true, watch = [unit[\"beat\"]] }\n\
         service \"cron\" { state = stopped }\n\
         cron \"report\" { user = \"there\", at = \"@daily\", command = \"/bin/true\" }\n\
         host \"db.internal\" { ip = \"10.0.0.7\" }\n\
         timer \"tick\" { on_calendar = \"daily\", command = \"/bin/true\" }\n",
    );
    let _ = stead(&host, &["apply", "--yes", "--json"]).expect_code(0);
    let made = host.snapshot();

    // Everything but what was only adjusted.
    host.write("/root/site/site.stead", "user \"there\" { comment = \"adjusted\" }\nservice \"cron\" { state = stopped }\n");
    let plan = stead(&host, &["plan", "--json"]).expect_code(0).plan();
    let mut goes = pending(&plan);
    goes.sort_unstable();
    assert_eq!(
        goes,
        [
            "cron[\"report\"]",
            "file[\"/etc/demo-web/conf.d/site.conf\"]",
            "group[\"ops\"]",
            "host[\"db.internal\"]",
            "package[\"demo-web\"]",
            "service[\"beat.service\"]",
            "timer[\"tick\"]",
            "unit[\"beat\"]",
            "user[\"deploy\"]",
        ]
        .map(|id| if id == "service[\"beat.service\"]" { planned(&plan, "service[\"beat\"]").id.as_str() } else { id })
    );
    assert_eq!(planned(&plan, "user[\"deploy\"]").raw["orphan"], true);
    let _ = stead(&host, &["apply", "--yes", "--json"]).expect_code(0);
    let again = stead(&host, &["plan", "--json", "--detailed-exitcode"]).expect_code(0);
    assert_eq!(pending(&again.plan()), [""; 0]);
    assert_eq!(host.run("systemctl is-active beat tick.timer demo-web").code, 3, "none of them runs");
    let adjusted = |text: &str| text.replace("there:x:1000:1001::", "there:x:1000:1001:adjusted:");
    let now = host.must("cat /etc/passwd /etc/group | grep -v demo-web | sort");
    assert_eq!(now, adjusted(&accounts));
    // What the package needed stays, as apt leaves it.
    let kept = |line: &String| !crate::undo::is_kept(line) && !line.contains(" /root/site") && !line.contains("demo-");
    let left: Vec<String> = before.changes(&host.snapshot()).into_iter().filter(kept).collect();
    let crontab = "~ /var/spool/cron/crontabs/there: content".to_owned();
    assert!(left.iter().all(|line| *line == crontab || line == "~ /etc/hosts: content"), "{left:#?}");
    assert!(host.must("crontab -l -u there").contains("5 5 * * * /bin/true"));

    // And back.
    let _ = stead(&host, &["undo", "last", "--yes"]).expect_code(0);
    let differs: Vec<String> = made.changes(&host.snapshot()).into_iter().filter(kept).collect();
    assert_eq!(differs, [""; 0]);
    assert_eq!(host.must("systemctl is-active beat tick.timer").lines().collect::<Vec<_>>(), ["active", "active"]);
    let offered = stead(&host, &["plan", "--json"]).expect_code(0);
    assert_eq!(pending(&offered.plan()).len(), goes.len(), "it is offered again");
}
