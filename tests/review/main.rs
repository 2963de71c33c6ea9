//! `stead review` on a real repository: what differs, which lines caused it, and what a forge is told. The forge is a server in this
//! process that keeps what it is sent.

mod forge;
mod trust;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use forge::{Forge, Kind};
use serde_json::{Value, json};
use stead_tests::host::stead_binary;

const TOKEN: &str = "token-canary-4711";

/// A repository with a project in `site/`, on three nodes.
struct Clone {
    directory: tempfile::TempDir,
}

impl Clone {
    fn new() -> Self {
        let clone = Self { directory: tempfile::tempdir().expect("a directory") };
        clone.write("site/stead.toml", "name = \"site\"\n");
        clone.write(
            "site/site.stead",
            "state time(pool: String) {\n  file \"/etc/chrony.conf\" {\n    content = template(\"chrony.j2\", { pool })\n    mode = 0644\n    watch_in = [service[\"chrony\"]]\n  }\n  service \"chrony\" { state = running }\n}\n\nnode \"*\" {\n  time(pool = data.pool)\n  file \"/etc/motd\" { content = \"on ${node.name}\\n\" }\n}\n\nnode \"db-1\" { file \"/etc/db\" { mode = 0600 } }\n",
        );
        clone.write("site/templates/chrony.j2", "# time\npool {{ pool }} iburst\nmakestep 1 3\n");
        clone.write("site/data/common.yaml", "pool: a.example\n");
        for node in ["web-1", "web-2", "db-1"] {
            clone
                .write(&format!("site/facts/{node}.json"), &format!("{{\"hostname\": \"{node}\", \"cpu\": {{\"count\": 2}}}}\n"));
        }
        clone.git(&["init", "-q", "-b", "main"]);
        clone.commit("first");
        clone
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        fs::write(path, text).expect("written");
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.directory.path()).env_clear();
        command
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path(".home"))
            .env("LC_ALL", "C.UTF-8");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "me").env(format!("GIT_{who}_EMAIL"), "me@example.com");
        }
        command
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = self.command(Path::new("git")).args(arguments).output().expect("git runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
    }

    fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn stead(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = self.command(stead_binary());
        command.env("STEAD_STATE_DIR", self.path(".state")).args(arguments).envs(variables.iter().copied());
        command.output().expect("stead runs")
    }

    #[track_caller]
    fn review(&self, arguments: &[&str], code: i32) -> String {
        let output = self.stead(&[&["review"], arguments].concat(), &[]);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{out}{err}");
        format!("{out}{err}")
    }
}

#[test]
fn a_change_of_data_is_traced_to_its_line() {
    let clone = Clone::new();
    clone.write("site/data/common.yaml", "pool: b.example\n");
    clone.commit("pool");
    let text = clone.review(&["main~1..main", "site", "--detailed-exitcode"], 2);
    insta::assert_snapshot!(text);
    assert_eq!(
        clone.review(&["main..main", "site", "--detailed-exitcode"], 0),
        "0 of 3 nodes get another catalog; 3 unchanged\n"
    );
    // From below the project as well, and against files that are not committed.
    clone.write("site/data/common.yaml", "pool: a.example\n");
    assert_eq!(clone.review(&["main~1", "site"], 0), "0 of 3 nodes get another catalog; 3 unchanged\n");
}

#[test]
fn every_kind_of_change_is_told() {
    let clone = Clone::new();
    let source = fs::read_to_string(clone.path("site/site.stead")).expect("read");
    let source = source
        .replace("    mode = 0644\n", "    mode = 0640\n")
        .replace("node \"db-1\" { file \"/etc/db\" { mode = 0600 } }\n", "");
    clone.write("site/site.stead", &format!("{source}node \"web-2\" {{ time2() }}\n"));
    clone.write("site/more.stead", "state time2() { file \"/etc/more\" { content = \"x\\n\" } }\n");
    clone.write("site/templates/chrony.j2", "# time\npool {{ pool }} iburst\nmakestep 1 5\n");
    clone.write("site/facts/new-1.json", "{\"hostname\": \"new-1\", \"cpu\": {\"count\": 2}}\n");
    fs::remove_file(clone.path("site/facts/web-1.json")).expect("removed");
    clone.commit("much");
    insta::assert_snapshot!(clone.review(&["main~1..main", "site"], 0));
    insta::assert_snapshot!(clone.review(&["main~1..main", "site", "--by", "node", "--brief"], 0));
    let document: Value = serde_json::from_str(&clone.review(&["main~1..main", "site", "--json"], 0)).expect("JSON");
    assert_eq!(document["kind"], "review");
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    let schema = serde_json::from_str(stead_report::json::PLAN_SCHEMA).expect("a schema is JSON");
    compiler.add_resource("https://stead-lang.org/schema/1.0/plan.json", schema).expect("a resource");
    let index = compiler.compile("https://stead-lang.org/schema/1.0/plan.json", &mut schemas).expect("the schema compiles");
    schemas.validate(&document, index).unwrap_or_else(|error| panic!("{error:#}"));
    let group = |id: &str| {
        document["groups"]
            .as_array()
            .expect("groups")
            .iter()
            .find(|group| group["resource"]["id"] == id)
            .expect("a group")
            .clone()
    };
    assert_eq!(group("file[\"/etc/db\"]")["resource"]["action"], "delete");
    assert_eq!(group("file[\"/etc/db\"]")["nodes"], json!(["db-1"]));
    assert_eq!(group("file[\"/etc/more\"]")["nodes"], json!(["web-2"]));
}

#[test]
fn facts_alone_concern_their_node_alone() {
    let clone = Clone::new();
    let source = fs::read_to_string(clone.path("site/site.stead")).expect("read");
    clone.write("site/site.stead", &source.replace("on ${node.name}", "on ${facts.cpu.count}"));
    clone.commit("facts");
    clone.write("site/facts/web-2.json", "{\"hostname\": \"web-2\", \"cpu\": {\"count\": 8}}\n");
    clone.commit("more processors");
    let text = clone.review(&["main~1..main", "site"], 0);
    assert!(text.starts_with("1 of 3 nodes gets another catalog; 2 unchanged\n") && text.contains("on web-2"), "{text}");
}

#[test]
fn mistakes_say_in_which_revision_they_are() {
    let clone = Clone::new();
    let good = fs::read_to_string(clone.path("site/site.stead")).expect("read");
    clone.write("site/site.stead", &good.replace("mode = 0644", "moed = 0644"));
    clone.commit("wrong");
    let text = clone.review(&["main~1..main", "site"], 1);
    assert!(text.contains("in main:\nerror[unknown-attribute]"), "{text}");
    assert!(text.contains("3 nodes without a plan"), "every node is told to have none: {text}");
    // The mend of what is broken can be reviewed.
    let text = clone.review(&["main..main~1", "site", "--brief"], 0);
    assert!(text.contains("in main:\nerror[unknown-attribute]"), "{text}");
    assert!(text.contains("main has mistakes: it is compared with nothing"), "{text}");
    assert!(text.contains("3 of 3 nodes get another catalog") && text.contains("add file[\"/etc/motd\"]"), "{text}");
    // A node alone has a mistake: the others are shown.
    clone.write(
        "site/site.stead",
        &format!(
            "{}node \"db-1\" {{ file \"/etc/n\" {{ content = \"${{[1, 2][facts.cpu.count]}}\\n\" }} }}\n",
            good.replace("0600", "0640")
        ),
    );
    clone.commit("one node");
    let text = clone.review(&["main~2..main", "site"], 1);
    assert!(
        text.contains("1 node without a plan") && text.contains("on db-1") && text.contains("error[index-out-of-range]"),
        "{text}"
    );
    for (arguments, code) in [
        (["nothing..main", "site"], "no-such-revision"),
        (["..", "site"], "no-such-revision"),
        (["main..main", "."], "not-a-project"),
    ] {
        let text = clone.review(&arguments, 1);
        assert!(text.starts_with(&format!("error[{code}]")), "{text}");
    }
    fs::remove_dir_all(clone.path(".git")).expect("removed");
    assert!(clone.review(&["main..main", "site"], 1).starts_with("error[no-repository]"));
}

#[test]
fn a_project_that_is_new_is_all_added() {
    let clone = Clone::new();
    clone.git(&["mv", "site", "other"]);
    clone.commit("moved");
    let text = clone.review(&["main~1..main", "other", "--brief"], 0);
    assert!(text.starts_with("3 of 3 nodes get another catalog\n") && text.contains("add file[\"/etc/motd\"]"), "{text}");
}

#[test]
fn your_own_files_and_index_stay_as_they_are() {
    let clone = Clone::new();
    clone.write("site/data/common.yaml", "pool: staged.example\n");
    clone.git(&["add", "-A"]);
    clone.write("site/data/common.yaml", "pool: unstaged.example\n");
    let before = (clone.git(&["status", "--porcelain=v2"]), clone.git(&["diff"]), clone.git(&["diff", "--cached"]));
    clone.review(&["main..main", "site"], 0);
    assert_eq!(before, (clone.git(&["status", "--porcelain=v2"]), clone.git(&["diff"]), clone.git(&["diff", "--cached"])));
}

/// What a pipeline sets.
fn github<'a>(forge: &'a Forge, commit: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("GITHUB_TOKEN", TOKEN),
        ("GITHUB_REPOSITORY", "org/site"),
        ("GITHUB_API_URL", forge.address()),
        ("GITHUB_REF", "refs/pull/7/merge"),
        ("STEAD_COMMIT", commit),
    ]
}

fn gitlab<'a>(forge: &'a Forge, commit: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("GITLAB_TOKEN", TOKEN),
        ("CI_API_V4_URL", forge.address()),
        ("CI_PROJECT_ID", "group/site"),
        ("CI_MERGE_REQUEST_IID", "7"),
        ("CI_COMMIT_SHA", commit),
    ]
}

fn variables<'a>(forge: &'a Forge, kind: Kind, commit: &'a str) -> Vec<(&'a str, &'a str)> {
    match kind {
        Kind::Github => github(forge, commit),
        Kind::Gitlab => gitlab(forge, commit),
    }
}

fn check_forge(kind: Kind) {
    let clone = Clone::new();
    clone.write("site/data/common.yaml", "pool: b.example\n");
    let head = clone.commit("pool");
    let forge = Forge::start(kind, TOKEN);
    let name = if kind == Kind::Github { "github" } else { "gitlab" };
    let publish = |range: &str, commit: &str| {
        let output = clone.stead(&["review", range, "site", "--publish", name], &variables(&forge, kind, commit));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&said).contains(TOKEN), "the token is never printed");
    };
    // Somebody from outside put the mark into a comment of their own.
    forge.add_comment("<!-- stead-review:site/ -->\nall is well", false);
    publish("main~1..main", &head);
    let comments = forge.comments();
    assert_eq!(comments.len(), 2, "{comments:?}");
    assert_eq!(comments[0], "<!-- stead-review:site/ -->\nall is well");
    assert!(comments[1].starts_with("<!-- stead-review:site/ -->\n**3 of 3 nodes get another catalog**"), "{}", comments[1]);
    assert!(comments[1].contains("-pool a.example iburst") && comments[1].contains("_Reviewed catalogs: `"));

    // The next push updates the same comment, also where there are many before it.
    (0..150).for_each(|at| forge.add_comment(&format!("talk {at}"), false));
    clone.write("site/data/common.yaml", "pool: c.example\n");
    let second = clone.commit("another pool");
    publish("main~2..main", &second);
    assert_eq!(forge.comments().len(), 152);
    assert!(forge.comments()[1].contains("+pool c.example iburst"));
    let states = forge.states(&second);
    assert_eq!(states.len(), 1);
    assert_eq!(states[0].0, "success");

    // After the merge exactly this may be applied.
    clone.git(&["commit", "-q", "--allow-empty", "-m", "merge"]);
    let merged = clone.git(&["rev-parse", "HEAD"]);
    forge.merge(&merged, &second);
    let require = |commit: &str| {
        let output =
            clone.stead(&["review", "main~1..main", "site", "--require-reviewed", name], &variables(&forge, kind, commit));
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = require(&merged);
    assert_eq!(code, Some(0), "{said}");
    clone.write("site/facts/web-3.json", "{\"hostname\": \"web-3\", \"cpu\": {\"count\": 2}}\n");
    let other = clone.commit("merged in between");
    forge.merge(&other, &second);
    let (code, said) = require(&other);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("error[not-reviewed]"), "{said}");

    // A mistake on one node fails the state and, where the forge has them, puts a remark at its line.
    let source = fs::read_to_string(clone.path("site/site.stead")).expect("read");
    clone.write(
        "site/site.stead",
        &format!("{source}node \"db-1\" {{ file \"/etc/n\" {{ content = \"${{[1, 2][facts.cpu.count]}}\\n\" }} }}\n"),
    );
    let wrong = clone.commit("wrong");
    let output = clone.stead(&["review", "main~1..main", "site", "--publish", name], &variables(&forge, kind, &wrong));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(forge.states(&wrong)[0].0, if kind == Kind::Github { "failure" } else { "failed" });
    if kind == Kind::Github {
        let notes = forge.annotations();
        assert_eq!(notes[0]["path"], "site/site.stead");
        assert_eq!((&notes[0]["start_line"], &notes[0]["title"]), (&json!(16), &json!("index-out-of-range")), "{notes:?}");
    }

    // So does one that leaves no catalog at all.
    clone.write("site/site.stead", &source.replace("mode = 0644", "moed = 0644"));
    let broken = clone.commit("broken");
    let output = clone.stead(&["review", "main~2..main", "site", "--publish", name], &variables(&forge, kind, &broken));
    assert_eq!(output.status.code(), Some(1));
    let state = &forge.states(&broken)[0];
    assert_eq!(state.0, if kind == Kind::Github { "failure" } else { "failed" });
    let comment = &forge.comments()[1];
    assert!(comment.contains("site/site.stead:4: error[unknown-attribute]"), "{comment}");
    assert!(comment.contains("no catalog can be made"), "{comment}");
    if kind == Kind::Github {
        let notes = forge.annotations();
        assert!(notes.iter().any(|note| note["title"] == "unknown-attribute" && note["start_line"] == 4), "{notes:?}");
    }
    // And a lock that does not fit is no reason to say nothing.
    clone.write("site/site.stead", &source);
    clone.write("site/stead.toml", "name = \"site\"\n[dependencies]\nx = { git = \"https://example.invalid/x\" }\n");
    let unlocked = clone.commit("no lock");
    let output = clone.stead(&["review", "main~3..main", "site", "--publish", name], &variables(&forge, kind, &unlocked));
    assert_eq!(output.status.code(), Some(1));
    assert!(forge.comments()[1].contains("no catalog can be made"), "{}", forge.comments()[1]);
    assert_ne!(forge.states(&unlocked)[0].0, "success");

    // The recipe for any pipeline does the same.
    let recipe = |mode: &str, base: &str, commit: &str| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("examples/ci/review.sh");
        let mut command = clone.command(Path::new("sh"));
        command
            .arg(script)
            .envs(variables(&forge, kind, commit))
            .env("STEAD", stead_binary())
            .env("PROJECT", "site")
            .env("FORGE", name);
        command.env("MODE", mode).env("BASE", base).env("HEAD", commit).env("STEAD_STATE_DIR", clone.path(".state"));
        let output = command.output().expect("the recipe runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = recipe("review", &format!("{second}~1"), &second);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("published: ")
            && fs::read_to_string(clone.path("stead-review.html")).expect("a page").contains("c.example")
    );
    let (code, said) = recipe("require-reviewed", &second, &merged);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(recipe("something", &second, &merged).0, Some(2));

    // A wrong token, and none.
    let mut wrong_token = variables(&forge, kind, &second);
    wrong_token[0].1 = "other";
    let refused = clone.stead(&["review", "main~1..main", "site", "--publish", name], &wrong_token);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("error[forge-refused]"));
    let none = clone.stead(&["review", "main..main", "site", "--publish", name], &[]);
    assert!(String::from_utf8_lossy(&none.stderr).contains("error[forge-unknown]"));
}

#[test]
fn github_is_told() {
    check_forge(Kind::Github);
}

#[test]
fn gitlab_is_told() {
    check_forge(Kind::Gitlab);
}

#[test]
fn what_does_not_fit_goes_through_the_pager() {
    let clone = Clone::new();
    let shown = |rows: u32, pager: &str| {
        let line = format!("stty rows {rows} cols 100; {} plan site --from-facts", stead_binary().display());
        let mut command = clone.command(Path::new("script"));
        command.args(["-qec", &line, "/dev/null"]).env("PAGER", pager).env("TERM", "dumb");
        let output = command.env("STEAD_STATE_DIR", clone.path(".state")).output().expect("script runs");
        String::from_utf8_lossy(&output.stdout).replace('\r', "")
    };
    assert!(shown(5, "sed s/^/P:/").starts_with("P:3 of 3 nodes want something\nP:"));
    assert!(shown(500, "sed s/^/P:/").starts_with("3 of 3 nodes want something\n"));
    for without in ["", "cat", "no-such-pager-4711 2>/dev/null"] {
        assert!(shown(5, without).starts_with("3 of 3 nodes want something\n"), "{without:?}");
    }
}
