//! What a terminal is left as.

use std::process::Command;

use stead_tests::host::stead_binary;

/// Types at a question for a password on a terminal of its own, and ends the program with this signal once nothing is shown any more. Returns
/// what the terminal is like then, and how the program ended.
fn ended_by(signal: &str) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path();
    let script = format!(
        r#"
stty echo
tty=$(tty)
(
  while ! stty -a < "$tty" | grep -q -- '-echo '; do :; done
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
    std::fs::write(place.join("run.sh"), script).expect("written");
    let output = Command::new("script")
        .args(["-qefc", "sh run.sh", "/dev/null"])
        .current_dir(place)
        .env("STEAD_STATE_DIR", place.join("state"))
        .env("STEAD_SSH", "/bin/false")
        .stdin(std::process::Stdio::null())
        .output()
        .expect("script(1) runs");
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
