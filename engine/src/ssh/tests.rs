use super::*;

fn options(limit: Duration) -> SshOptions {
    SshOptions {
        program: "ssh".into(),
        config: None,
        connect_timeout: Duration::from_secs(1),
        retries: 0,
        limit,
        cancel: Arc::default(),
        password: None,
        binaries: Arc::new(WorkerBinaries::for_tests()),
    }
}

/// A shell that does this, in place of ssh.
fn way(script: &str, options: &SshOptions) -> Way {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    Way::start(command, &Target::named("web-1"), options, &Bootstrap::new("0123".into())).expect("a shell")
}

#[test]
fn what_is_sent_arrives_whole_and_a_host_that_takes_nothing_is_given_up() {
    let long = vec![b'x'; 3 << 20];
    let patient = options(Duration::from_secs(60));
    let mut taken = way("n=$(head -c 3145728 | wc -c); echo; echo stead-0123 start $n", &patient);
    taken.send_long(&long, &patient).expect("sent");
    assert_eq!(taken.next_line(&patient, Duration::from_secs(60)).expect("a line"), Line::Start("3145728".into()));

    // It says that it is there, all the time.
    let hasty = options(Duration::from_secs(2));
    let stuck = way("while :; do echo noise; sleep 0.2; done", &hasty).send_long(&long, &hasty);
    assert_eq!(stuck.expect_err("nothing was taken").code(), "host-too-slow");
    let endless = way("while :; do echo noise; sleep 0.2; done", &hasty).next_line(&hasty, Duration::from_secs(60));
    assert_eq!(endless.expect_err("nothing was said").code(), "host-too-slow");

    // What reads our words before the worker is there has its own limit, however long the work may take.
    let waits = way("read x; read y", &patient).next_line(&patient, Duration::from_secs(1));
    assert_eq!(waits.expect_err("nothing was said").code(), "worker-silent");

    // It is gone, and what it said before is heard.
    let mut gone = way("echo; echo stead-0123 fail write; exit 3", &patient);
    gone.send_long(&long, &patient).expect("no reason to wait");
    assert_eq!(gone.next_line(&patient, Duration::from_secs(60)).expect("a line"), Line::Fail("write".into()));

    let ended = options(Duration::from_secs(60));
    ended.cancel.ask();
    let error = way("sleep 60", &ended).next_line(&ended, Duration::from_secs(60)).expect_err("it was ended");
    assert_eq!(error.code(), "host-given-up");
}

#[test]
fn a_name_that_is_none_reaches_no_shell() {
    let target = Target { r#become: Some("CORP\\ann".into()), is_local: true, ..Target::named("web-1") };
    let (remote, _) = connect(&target, &options(Duration::from_secs(60)));
    assert_eq!(remote.err().expect("no user").code(), "become-invalid");
}
