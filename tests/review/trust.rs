//! Sources under review were written by somebody else: nothing of them runs, no secret is opened, nothing beside them is read. And what was
//! reviewed is what is applied.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::Clone;

/// Makes a program that leaves a trace.
fn program(clone: &Clone, name: &str, prints: &str) {
    let ran = clone.path("ran");
    clone.write(name, &format!("#!/bin/sh\necho ran > {}\n{prints}\n", ran.display()));
    fs::set_permissions(clone.path(name), fs::Permissions::from_mode(0o755)).expect("executable");
}

fn has_run(clone: &Clone) -> bool {
    clone.path("ran").exists()
}

const LISTING: &str = "{\"web\": {\"hosts\": [\"web-1\"]}}";

#[test]
fn an_inventory_that_is_a_program_does_not_run() {
    let clone = Clone::new();
    program(&clone, "site/hosts.sh", &format!("echo '{LISTING}'"));
    clone.write("site/stead.toml", "[inventory]\nfiles = [\"hosts.sh\"]\n");
    clone.commit("a program");
    let text = clone.review(&["main~1..main", "site"], 1);
    assert!(text.contains("error[withheld-inventory]") && text.contains("listing = \"hosts.json\""), "{text}");
    // Neither as the old side, nor in a directory, nor by a link.
    let text = clone.review(&["main..main~1", "site"], 0);
    assert!(text.contains("compared with nothing"), "{text}");
    fs::create_dir(clone.path("site/inventory")).expect("a directory");
    symlink("../hosts.sh", clone.path("site/inventory/all")).expect("a link");
    clone.write("site/stead.toml", "[inventory]\nfiles = [\"inventory\"]\n");
    clone.commit("in a directory");
    assert!(clone.review(&["main~2..main", "site"], 1).contains("error[withheld-inventory]"));
    assert!(!has_run(&clone));

    // What it lists can stand in the project.
    let source = fs::read_to_string(clone.path("site/site.stead")).expect("read");
    clone.write(
        "site/site.stead",
        &format!("{source}node where \"web\" in node.groups {{ file \"/etc/web\" {{ content = \"web\\n\" }} }}\n"),
    );
    clone.write("site/hosts.json", LISTING);
    clone.write("site/stead.toml", "[inventory]\nfiles = [{ path = \"hosts.sh\", listing = \"hosts.json\" }]\n");
    clone.commit("a listing");
    let text = clone.review(&["main~3..main", "site", "--brief"], 0);
    assert!(text.starts_with("1 of 3 nodes") && text.contains("add file[\"/etc/web\"]"), "{text}");
    assert!(!has_run(&clone));
    // The operator's own commands run it, as always.
    let output = clone.stead(&["inventory", "list", "site"], &[]);
    assert!(output.status.success() && has_run(&clone), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn variables_beside_an_inventory_count_for_a_review_and_lead_nowhere() {
    let clone = Clone::new();
    let source = fs::read_to_string(clone.path("site/site.stead")).expect("read");
    clone.write(
        "site/site.stead",
        &format!("{source}node where \"eu\" in node.tags {{ file \"/etc/eu\" {{ content = \"eu\\n\" }} }}\n"),
    );
    clone.write("site/stead.toml", "[inventory]\nfiles = [\"hosts\"]\n");
    clone.write("site/hosts", "[web]\nweb-1\n");
    clone.commit("an inventory");
    clone.write("site/group_vars/web.yml", "stead_tags: [eu]\n");
    clone.commit("variables");
    let text = clone.review(&["main~1..main", "site", "--brief"], 0);
    assert!(text.starts_with("1 of 3 nodes") && text.contains("add file[\"/etc/eu\"]"), "{text}");

    // They count beside a program as well, whose listing stands for it.
    program(&clone, "site/hosts.sh", &format!("echo '{LISTING}'"));
    clone.write("site/hosts.json", LISTING);
    clone.write("site/stead.toml", "[inventory]\nfiles = [{ path = \"hosts.sh\", listing = \"hosts.json\" }]\n");
    clone.commit("a program");
    let text = clone.review(&["main~1..main", "site", "--brief"], 0);
    assert!(text.starts_with("0 of 3 nodes") && !has_run(&clone), "{text}");

    // What lies elsewhere is not read, be it a file or a directory.
    clone.write("outside/canary-5520.yml", "stead_tags: [canary-5521]\n");
    clone.write("site/stead.toml", "[inventory]\nfiles = [\"hosts\"]\n");
    let outside = clone.path("outside");
    for (name, leads) in [("web.yml", outside.join("canary-5520.yml")), ("web", outside.clone())] {
        let link = clone.path("site/group_vars").join(name);
        let _ = fs::remove_file(clone.path("site/group_vars/web.yml"));
        symlink(leads, &link).expect("a link");
        clone.git(&["add", "site"]);
        clone.git(&["commit", "-q", "-m", "sly"]);
        let text = clone.review(&["HEAD~1..HEAD", "site"], 1);
        assert!(text.contains("error[withheld-inventory]") && !text.contains("canary"), "{name}: {text}");
        fs::remove_file(link).expect("removed");
    }
    fs::remove_dir_all(clone.path("site/group_vars")).expect("removed");
    symlink(&outside, clone.path("site/group_vars")).expect("a link");
    clone.git(&["add", "site"]);
    clone.git(&["commit", "-q", "-m", "sly"]);
    let text = clone.review(&["HEAD~1..HEAD", "site"], 1);
    assert!(text.contains("error[withheld-inventory]") && !text.contains("canary"), "{text}");
}

#[test]
fn a_file_of_the_operator_is_not_read() {
    let clone = Clone::new();
    clone.write("outside/facts.json", "{\"hostname\": \"canary-5512\", \"cpu\": {\"count\": 2}}\n");
    clone.write("outside/hosts.ini", "[canary-5513]\nweb-1\n");
    let outside = clone.path("outside");
    symlink(outside.join("facts.json"), clone.path("site/facts/sly-1.json")).expect("a link");
    symlink(outside.join("hosts.ini"), clone.path("site/sly.ini")).expect("a link");
    let source = fs::read_to_string(clone.path("site/site.stead")).expect("read");
    clone.write("site/site.stead", &source.replace("on ${node.name}", "on ${facts.hostname} ${node.groups.join(\",\")}"));
    for inventory in ["sly.ini".to_owned(), outside.join("hosts.ini").display().to_string(), "../outside/hosts.ini".to_owned()] {
        clone.write("site/stead.toml", &format!("[inventory]\nfiles = [\"{inventory}\"]\n"));
        clone.git(&["add", "site"]);
        clone.git(&["commit", "-q", "-m", "sly"]);
        let text = clone.review(&["HEAD~1..HEAD", "site"], 1);
        assert!(text.contains("error[withheld-inventory]") || text.contains("error[missing-file]"), "{inventory}: {text}");
        assert!(!text.contains("canary-55"), "{inventory}: {text}");
    }
    clone.write("site/stead.toml", "name = \"site\"\n");
    clone.git(&["commit", "-q", "-am", "facts alone"]);
    let text = clone.review(&["main~4..main", "site"], 0);
    assert!(!text.contains("canary-55") && !text.contains("sly-1"), "{text}");
}

/// A project whose nodes get a secret.
fn with_secret() -> Clone {
    let clone = Clone::new();
    let key = clone.stead(&["secret", "keygen", "--output", "key"], &[]);
    let public = String::from_utf8_lossy(&key.stdout).trim().to_owned();
    clone.write("site/stead.toml", &format!("[secrets]\nrecipients = [\"{public}\"]\n"));
    clone.write(
        "site/site.stead",
        "state db(password: Secret<String(/[a-z0-9-]{6,}/)>) {\n  file \"/etc/db.conf\" { content = \"password ${password}\\n\", mode = 0600 }\n}\n\nnode \"*\" { db(password = data.password) }\n",
    );
    set(&clone, "canary-7001");
    clone.git(&["add", "site"]);
    clone.git(&["commit", "-q", "-m", "a secret"]);
    clone
}

fn set(clone: &Clone, value: &str) {
    use std::io::Write as _;
    use std::process::Stdio;
    let mut command = clone.command(stead_tests::host::stead_binary());
    command.args(["secret", "set", "site/data/common.yaml", "password"]).stdin(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.stdout(Stdio::null()).spawn().expect("stead runs");
    child.stdin.take().expect("a pipe").write_all(value.as_bytes()).expect("written");
    assert!(child.wait().expect("ends").success());
}

#[test]
fn secrets_stay_sealed_and_are_told_apart() {
    let clone = with_secret();
    // No key is anywhere.
    assert!(clone.review(&["main..main", "site"], 0).starts_with("0 of 3 nodes get another catalog"));
    set(&clone, "canary-7002");
    clone.git(&["commit", "-q", "-am", "another password"]);
    let text = clone.review(&["main~1..main", "site"], 0);
    assert!(text.starts_with("3 of 3 nodes get another catalog"), "{text}");
    assert!(text.contains("change file[\"/etc/db.conf\"]") && text.contains("(sensitive)") && !text.contains("canary"), "{text}");
    // The same one, sealed anew, is another one for who cannot open it, and the same for who can.
    set(&clone, "canary-7002");
    clone.git(&["commit", "-q", "-am", "sealed anew"]);
    assert!(clone.review(&["main~1..main", "site"], 0).starts_with("3 of 3 nodes get another catalog"));
    let with_key = |arguments: &[&str]| {
        let key = clone.path("key").display().to_string();
        let output = clone.stead(&[&["review", "--identity", &key], arguments].concat(), &[]);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let (code, text) = with_key(&["main~1..main", "site", "--open-secrets"]);
    assert!(code == Some(0) && text.starts_with("0 of 3 nodes get another catalog"), "{text}");
    let (_, text) = with_key(&["main~2..main", "site", "--open-secrets"]);
    assert!(text.starts_with("3 of 3 nodes get another catalog") && !text.contains("canary"), "{text}");
    assert!(clone.review(&["main~1..main", "site", "--open-secrets"], 1).contains("error[no-identity]"));

    // A program that would tell one does not run, with a key or without.
    program(&clone, "site/tell.sh", "echo canary-7003");
    let toml = fs::read_to_string(clone.path("site/stead.toml")).expect("read");
    clone.write("site/stead.toml", &format!("{toml}[secrets.commands]\ntell = [\"./tell.sh\"]\n"));
    clone.write("site/data/common.yaml", "password: secret:tell\n");
    clone.git(&["add", "site"]);
    clone.git(&["commit", "-q", "-m", "a program"]);
    assert!(clone.review(&["main~1..main", "site"], 0).starts_with("3 of 3 nodes get another catalog"));
    assert_eq!(with_key(&["main~1..main", "site", "--open-secrets"]).0, Some(0));
    assert!(!has_run(&clone));
    // Another program is another secret.
    clone.write("site/stead.toml", &format!("{toml}[secrets.commands]\ntell = [\"./tell.sh\", \"x\"]\n"));
    clone.git(&["commit", "-q", "-am", "another program"]);
    assert!(clone.review(&["main~1..main", "site"], 0).starts_with("3 of 3 nodes get another catalog"));
}

#[test]
fn nothing_but_what_was_reviewed_is_applied() {
    let clone = with_secret();
    let source = fs::read_to_string(clone.path("site/site.stead")).expect("read");
    clone.write(
        "site/site.stead",
        &format!("{source}node \"*\" {{ file \"/etc/cores\" {{ content = \"${{facts.cpu.count}}\\n\" }} }}\n"),
    );
    clone.git(&["commit", "-q", "-am", "cores"]);
    clone.review(&["main~1..main", "site", "--record", "reviewed.json"], 0);
    let recorded = fs::read_to_string(clone.path("reviewed.json")).expect("a record");
    assert!(recorded.contains("\"web-1\"") && !recorded.contains("canary"), "{recorded}");
    fs::create_dir_all(clone.path("root/etc")).expect("a tree");
    let apply = |facts: &str, node: &str| {
        let (key, root) = (clone.path("key").display().to_string(), clone.path("root").display().to_string());
        let arguments =
            ["apply", "site", "--node", node, "--facts", facts, "--root", &root, "--yes", "--reviewed", "reviewed.json"];
        let output = clone.stead(&[&arguments[..], &["--identity", &key]].concat(), &[]);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let cores = |clone: &Clone| fs::read_to_string(clone.path("root/etc/cores")).ok();
    // Other facts than those that were reviewed.
    clone.write("now.json", "{\"hostname\": \"web-1\", \"cpu\": {\"count\": 64}}\n");
    let (code, said) = apply("now.json", "web-1");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("error[not-reviewed]: web-1: file[\"/etc/cores\"] is another one than was reviewed")
            && !said.contains("db.conf"),
        "{said}"
    );
    assert_eq!(cores(&clone), None);
    // A node that nobody looked at.
    assert!(apply("now.json", "web-9").1.contains("nothing was reviewed for it"));
    // Exactly what was reviewed, its secret opened.
    let (code, said) = apply("site/facts/web-1.json", "web-1");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(cores(&clone).as_deref(), Some("2\n"));
    assert_eq!(fs::read_to_string(clone.path("root/etc/db.conf")).expect("written"), "password canary-7001\n");
    // Another secret than was reviewed.
    set(&clone, "canary-7009");
    let (code, said) = apply("site/facts/web-1.json", "web-1");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("file[\"/etc/db.conf\"] is another one") && !said.contains("canary"), "{said}");
    // A record that is none.
    clone.write("reviewed.json", "{\"format_version\": \"1.0\"");
    assert!(apply("site/facts/web-1.json", "web-1").1.contains("error[record-malformed]"));
}

/// The template that an include brings alone holds the script, and names nothing that is not there.
#[test]
fn the_template_for_gitlab_needs_nothing_beside_it() {
    let ci = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("examples").join("ci");
    let template = fs::read_to_string(ci.join("gitlab-ci.yml")).expect("the template");
    let script = fs::read_to_string(ci.join("review.sh")).expect("the script");
    let indent = "      ";
    let inside: String =
        script.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{indent}{line}\n") }).collect();
    let whole = format!("cat > \"$stead_tools/review.sh\" <<'STEAD_REVIEW_SH'\n{inside}{indent}STEAD_REVIEW_SH\n");
    assert!(template.contains(&whole), "examples/ci/review.sh is to stand in gitlab-ci.yml as it is");
    assert!(!script.contains("STEAD_REVIEW_SH"));
    let jobs = template.split(&whole).nth(1).expect("jobs after it");
    assert!(!jobs.contains("examples/") && jobs.matches("extends: .stead").count() == 3, "{jobs}");
}

/// Runs the first half of the template as a job does: the program is fetched, held to its checksum, and found.
#[test]
fn the_template_for_gitlab_fetches_the_program() {
    let ci = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("examples").join("ci");
    let template = fs::read_to_string(ci.join("gitlab-ci.yml")).expect("the template");
    let setup = template.split("    - |\n").nth(1).expect("the first block");
    let setup: String = setup.lines().map(|line| format!("{}\n", line.trim_start_matches("      "))).collect();
    let clone = Clone::new();
    clone.write("stead", "#!/bin/sh\necho fetched\n");
    let sum = sha256(&clone.path("stead"));
    let run = |sum: &str| {
        let mut command = clone.command(Path::new("bash"));
        let url = format!("file://{}", clone.path("stead").display());
        command.env("PATH", "/usr/bin:/bin").env("STEAD_URL", url).env("STEAD_SHA256", sum);
        let output = command.args(["-e", "-c", &format!("{setup}\nstead")]).output().expect("bash runs");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(run(&sum), (true, "fetched\n".to_owned()));
    assert!(!run(&"0".repeat(64)).0, "another program than was promised is not used");
}

/// The checksum as the recipe's own tool tells it.
fn sha256(path: &Path) -> String {
    let output = std::process::Command::new("sha256sum").arg(path).output().expect("sha256sum runs");
    String::from_utf8_lossy(&output.stdout).split_whitespace().next().expect("a sum").to_owned()
}
