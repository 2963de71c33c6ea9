//! Clocks that jump: nothing that matters depends on what time it is said to be.

use std::process::Command;

use crate::site::Site;

/// Stands between a program and the clock of the wall: adds `SHIFT` seconds, or with `SWING` as many more and less by turns. Everybody
/// else's clock stays as it is, which a time namespace cannot do for this clock.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long turn;
static long shift(void) {
  const char *fixed = getenv("SHIFT"), *swing = getenv("SWING");
  if (swing) return (__sync_fetch_and_add(&turn, 1) & 1) ? atol(swing) : -atol(swing);
  return fixed ? atol(fixed) : 0;
}
int clock_gettime(clockid_t id, struct timespec *t) {
  long r = syscall(SYS_clock_gettime, id, t);
  if (!r && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) t->tv_sec += shift();
  return r;
}
int gettimeofday(struct timeval *restrict t, void *restrict z) {
  struct timespec s; clock_gettime(CLOCK_REALTIME, &s);
  t->tv_sec = s.tv_sec; t->tv_usec = s.tv_nsec / 1000; return 0;
}
time_t time(time_t *out) {
  struct timespec s; clock_gettime(CLOCK_REALTIME, &s);
  if (out) *out = s.tv_sec;
  return s.tv_sec;
}
"#;

/// A year.
const YEAR: i64 = 365 * 86_400;

#[test]
fn a_clock_that_jumps_changes_no_order_and_no_outcome() {
    let Some(site) = Site::new("") else { return };
    let host = &site.host;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (shim, library) = (directory.path().join("shim.c"), directory.path().join("shim.so"));
    std::fs::write(&shim, SHIM).expect("the shim is written");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&shim).status().expect("cc runs");
    assert!(built.success(), "the shim is built");
    std::fs::copy(&library, host.path("/usr/local/lib/shim.so")).expect("the shim is copied");
    let apply = |word: &str, clock: &str| {
        site.source(&format!(
            "file \"/etc/timed\" {{ content = \"{word}\\n\" }}\n\
             exec \"react\" {{ command = \"echo {word} >> /srv/reacted\", refresh_only = true, watch = [file[\"/etc/timed\"]] }}\n\
             exec \"limited\" {{ command = \"sleep 0.2\", timeout = 20s, retry = {{ attempts = 2, delay = 100ms }} }}\n"
        ));
        let script = format!("LD_PRELOAD=/usr/local/lib/shim.so {clock} stead apply /root/site.stead --yes --json");
        let output = host.run(&script).expect_code(0);
        assert_eq!(host.read("/etc/timed"), Some(format!("{word}\n")), "{output}");
        output
    };
    let far = YEAR * 30;
    let clocks = [
        ("one".to_owned(), "SHIFT=0".to_owned()),
        ("two".to_owned(), format!("SHIFT=-{}", YEAR)),
        ("three".to_owned(), format!("SHIFT={}", 10 * YEAR)),
        // Before 1970 there is no time at all.
        ("four".to_owned(), format!("SHIFT=-{}", 4 * far)),
        ("five".to_owned(), format!("SWING={YEAR}")),
        ("six".to_owned(), "SHIFT=0".to_owned()),
    ];
    for (word, clock) in &clocks {
        let output = apply(word, clock);
        let took = output.json_lines().into_iter().filter_map(|event| event["duration_ms"].as_u64()).max();
        assert!(took.is_some_and(|took| took < 60_000), "a duration is none of the wall's\n{output}");
    }
    assert_eq!(host.read("/srv/reacted").as_deref(), Some("one\ntwo\nthree\nfour\nfive\nsix\n"));
    let history = host.stead(&["history", "--json"]).expect_code(0).json();
    let text = history.to_string();
    let at = |word: &str| text.find(word);
    let runs: Vec<u64> = history["runs"]
        .as_array()
        .expect("history has runs")
        .iter()
        .map(|run| {
            run["run"]
                .as_u64()
                .or_else(|| run["run"].as_str().and_then(|run| run.parse().ok()))
                .or_else(|| run["id"].as_u64())
                .unwrap_or(0)
        })
        .collect();
    assert_eq!(runs.len(), clocks.len(), "{text}");
    assert!(
        runs.windows(2).all(|pair| pair[0] > pair[1]),
        "the latest run comes first, whatever its clock said: {runs:?} {:?}",
        at("one")
    );

    // A killed run with a clock of its own is still the one that the next run clears up after.
    site.source("file \"/etc/timed\" { content = \"seven\\n\" }\nexec \"long\" { command = \"touch /srv/long; sleep 60\", require = [file[\"/etc/timed\"]] }\n");
    let script = format!("export LD_PRELOAD=/usr/local/lib/shim.so SHIFT={far}; exec stead apply /root/site.stead --yes --json");
    let process = host.spawn(&["sh", "-c", &script]);
    host.wait_for("the long command", std::time::Duration::from_secs(20), |host| host.path("/srv/long").exists());
    process.kill(true);
    drop(process);
    let output = apply("eight", "SHIFT=0");
    assert!(output.stdout.contains("run-interrupted"), "{output}");
}
