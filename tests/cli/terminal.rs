//! What a terminal is left as.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use stead_tests::host::stead_binary;

/// Begins a script whose other half, up to `) &`, goes on once nothing that is typed is shown any more.
const UNTIL_HIDDEN: &str = r#"
stty echo
tty=$(tty)
(
  n=0
  until stty -a < "$tty" | grep -q -- '-echo ' || [ $((n += 1)) -gt 1200 ]; do sleep 0.05; done"#;

/// Types at a question for a password on a terminal of its own, and ends the program with this signal once nothing is shown any more. Returns
/// what the terminal is like then, and how the program ended.
fn ended_by(signal: &str) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path();
    let script = format!(
        r#"{UNTIL_HIDDEN}
  printf 'shown before: %s\n' "$(stty -a < "$tty" | grep -c -- '-echo ')" > shown
  kill -{signal} "$(cat pid)"
) &
sh -c 'echo $$ > pid; exec "{stead}" ssh-check web-1 --ask-become-pass'
code=$?
wait
cat shown
stty -a | grep -o -- '-\?echo ' | sed 's/^/left as: /'
echo "ended with $code"
"#,
        stead = stead_binary().display()
    );
    on_a_terminal(place, &script, "")
}

/// Runs a shell script on a terminal of its own, where this is typed once the script has made the file `hidden`: what is typed before a question is
/// no answer to it. Returns what is to be seen there.
fn on_a_terminal(place: &Path, script: &str, typed: &str) -> String {
    std::fs::write(place.join("run.sh"), script).expect("written");
    std::fs::write(place.join("ssh"), "#!/bin/sh\n: > asked\nexec cat > /dev/null\n").expect("written");
    std::fs::set_permissions(place.join("ssh"), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let mut running = Command::new("script")
        .args(["-qefc", "sh run.sh", "/dev/null"])
        .current_dir(place)
        .env("STEAD_STATE_DIR", place.join("state"))
        .env("STEAD_SSH", place.join("ssh"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script(1) runs");
    let mut keys = running.stdin.take().expect("a pipe");
    let until = Instant::now() + Duration::from_secs(60);
    while !typed.is_empty() && !place.join("hidden").exists() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    keys.write_all(typed.as_bytes()).expect("typed");
    let output = running.wait_with_output().expect("it ends");
    drop(keys);
    String::from_utf8_lossy(&output.stdout).replace('\r', "")
}

#[test]
fn whoever_ends_a_question_for_a_password_leaves_the_terminal_as_it_was() {
    for (signal, number) in [("TERM", 15), ("INT", 2), ("HUP", 1), ("QUIT", 3)] {
        let text = ended_by(signal);
        for line in ["shown before: 1", "left as: echo", &format!("ended with {}", 128 + number)] {
            assert!(text.lines().any(|found| found.trim_end().ends_with(line)), "{signal}: {line}\n{text}");
        }
    }
}

#[test]
fn after_a_question_for_a_password_a_signal_ends_the_program_as_ever() {
    for (signal, number) in [("TERM", 15), ("INT", 2)] {
        let directory = tempfile::tempdir().expect("a directory");
        let script = format!(
            r#"{UNTIL_HIDDEN}
  : > hidden
  until [ -e asked ] || [ $((n += 1)) -gt 2400 ]; do sleep 0.05; done
  kill -{signal} "$(cat pid)"
) &
sh -c 'echo $$ > pid; exec "{stead}" ssh-check web-1 --ask-become-pass --become'
echo "ended with $?"
"#,
            stead = stead_binary().display()
        );
        let text = on_a_terminal(directory.path(), &script, "secret\n");
        assert!(text.contains(&format!("ended with {}", 128 + number)) && !text.contains("secret"), "{signal}\n{text}");
    }
}
