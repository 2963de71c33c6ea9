use std::os::unix::net::UnixStream;
use std::sync::Arc;

use stead_catalog::{Blob, Catalog, Value};

use super::*;
use crate::journal::hex;
use crate::{Registry, WorkerOptions, serve};

/// A worker at the other end of a pair of sockets, with nothing to manage anything with.
fn worker(state: &std::path::Path) -> Remote {
    let (here, there) = UnixStream::pair().expect("a pair");
    let (state, cache) = (state.to_owned(), state.join("cache"));
    let input = there.try_clone().expect("a socket");
    std::thread::spawn(move || {
        let options =
            WorkerOptions { version: "0.0.0".into(), state, cache: Some(cache), cancel: Arc::default(), hindrance: |_| None };
        let _ = serve(Box::new(input), Box::new(there), "0123", &Registry::new(&[]), &options);
    });
    let mut input = here.try_clone().expect("a socket");
    let mut line = Vec::new();
    while !line.ends_with(b"worker-frames 3\n") {
        let mut byte = [0];
        input.read_exact(&mut byte).expect("the first line");
        line.push(byte[0]);
    }
    Remote::greet(Box::new(input), Box::new(here), Box::new(|| {}), LIMIT).expect("a greeting")
}

const LIMIT: Duration = Duration::from_secs(60);

fn catalog(content: &[u8]) -> Catalog {
    let resource = stead_catalog::Resource {
        id: ResourceId::new("thing", "a"),
        attributes: [(Arc::from("source"), Value::Blob(Arc::new(Blob::new("files/a", content))))].into_iter().collect(),
        meta: stead_catalog::Meta::default(),
        source: stead_catalog::SourceLocation { file: "a".into(), start: 0, end: 1, line: 1, column: 1 },
        path: Vec::new(),
        origins: Vec::new(),
    };
    Catalog { node: "web-1".into(), resources: vec![resource], edges: Vec::new() }
}

#[test]
fn a_catalog_goes_there_and_its_plan_comes_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut remote = worker(directory.path());
    assert!(remote.facts.contains_key("hostname"));
    assert_eq!((remote.version.as_str(), remote.last_run.as_ref()), ("0.0.0", None));
    let content = "content ".repeat(100_000);
    let planned = remote.plan(&catalog(content.as_bytes()), false, false).expect("a plan");
    // The worker of this test knows no resource type: that is the answer, and it went through the frames.
    let error = planned.plan.resources[0].error.clone().expect("an error");
    assert_eq!((&*error.code, error.hint.is_some()), ("catalog-mismatch", true));
    assert_eq!(planned.saved.node, "web-1");
    let kept = std::fs::read_dir(directory.path().join("cache/blobs")).expect("a directory").count();
    assert_eq!(kept, 1, "the content is kept for the next time");
    assert_eq!(remote.story(Some(7), true).expect("an answer").map(|story| story.run.id), None);
}

#[test]
fn a_worker_that_is_gone_is_told() {
    let (here, there) = UnixStream::pair().expect("a pair");
    drop(there);
    let input = here.try_clone().expect("a socket");
    let error = Remote::greet(Box::new(input), Box::new(here), Box::new(|| {}), LIMIT).err().expect("nobody is there");
    assert_eq!(error.code(), "connection-lost");
}

#[test]
fn what_is_no_frame_is_told() {
    let (here, mut there) = UnixStream::pair().expect("a pair");
    there.write_all(b"Welcome to host web-1, have a nice day\n").expect("written");
    let input = here.try_clone().expect("a socket");
    let error = Remote::greet(Box::new(input), Box::new(here), Box::new(|| {}), LIMIT).err().expect("no worker is there");
    assert_eq!(error.code(), "worker-garbled");
}

#[test]
fn a_plan_of_another_catalog_is_refused() {
    let wanted = catalog(b"a");
    let plan = Plan { node: "web-1".into(), catalog_hash: *wanted.hash().as_bytes(), resources: Vec::new() };
    assert!(is_of(&plan, &wanted).is_err());
    let empty = Catalog { node: "web-1".into(), ..Catalog::default() };
    let plan = Plan { catalog_hash: *empty.hash().as_bytes(), ..plan };
    assert!(is_of(&plan, &empty).is_ok());
}

/// A worker that says this, whatever it is asked, and then nothing but that it is there.
fn liar(wanted: &Catalog, answers: Vec<Answer>, limit: Duration) -> Result<RemotePlan, RemoteError> {
    let (here, mut there) = UnixStream::pair().expect("a pair");
    let hello = Answer::Hello { version: "0".into(), arch: "x86_64".into(), uid: 0, last_run: None };
    let answers =
        vec![hello, Answer::Facts { facts: Vec::new(), problems: Vec::new() }].into_iter().chain(answers).collect::<Vec<_>>();
    std::thread::spawn(move || {
        let mut answers = answers.into_iter();
        loop {
            let answer = answers.next().unwrap_or_else(|| {
                std::thread::sleep(Duration::from_millis(20));
                Answer::Beat {}
            });
            if there.write_all(&frames::encode(&answer).expect("a frame")).is_err() {
                return;
            }
        }
    });
    let input = here.try_clone().expect("a socket");
    let mut remote = Remote::greet(Box::new(input), Box::new(here), Box::new(|| {}), limit).expect("a greeting");
    remote.plan(wanted, false, false)
}

fn saved_as(wanted: &Catalog, saved: Option<SavedPlan>) -> Result<RemotePlan, RemoteError> {
    let plan = Plan { node: wanted.node.clone(), catalog_hash: *wanted.hash().as_bytes(), resources: Vec::new() };
    let saved = saved.map_or_else(String::new, |saved| hex(&saved.encode().expect("bytes")));
    liar(wanted, vec![Answer::Planned { plan: frames::WirePlan::of(&plan), saved }], LIMIT)
}

#[test]
fn a_worker_that_is_there_and_does_nothing_is_given_up() {
    let error = liar(&catalog(b"a"), Vec::new(), Duration::from_millis(300)).expect_err("it takes too long");
    assert_eq!(error.code(), "host-too-slow");
}

#[test]
fn a_content_is_handed_out_once() {
    let content = "content ".repeat(1000);
    let wanted = catalog(content.as_bytes());
    let need = || Answer::Need { contents: vec![Wanted { hash: hex(blake3::hash(content.as_bytes()).as_bytes()), offset: 0 }] };
    let slow = liar(&wanted, vec![need()], Duration::from_millis(300)).expect_err("no plan comes");
    assert_eq!(slow.code(), "host-too-slow", "what is asked for once is handed out");
    for greedy in [vec![need(), need()], vec![Answer::Need { contents: Vec::new() }]] {
        assert_eq!(liar(&wanted, greedy, LIMIT).expect_err("it asks for ever").code(), "worker-garbled");
    }
}

#[test]
fn a_saved_plan_of_another_node_or_catalog_is_refused() {
    let wanted = Catalog { node: "web-1".into(), ..Catalog::default() };
    let directory = tempfile::tempdir().expect("a directory");
    let good = worker(directory.path()).plan(&wanted, false, false).expect("a plan").saved;
    let told = saved_as(&wanted, Some(SavedPlan { project: "/elsewhere".into(), ..good.clone() })).expect("a plan");
    assert_eq!(told.saved, good, "what is known here is not taken from there");
    let lies = [
        Some(SavedPlan { node: "db-1".into(), ..good.clone() }),
        Some(SavedPlan { catalog_hash: [7; 32], ..good.clone() }),
        Some(SavedPlan { root: "/srv/tree".into(), ..good.clone() }),
        Some(SavedPlan { undoes: Some((3, true)), ..good }),
        None,
    ];
    for lie in lies {
        assert_eq!(saved_as(&wanted, lie).expect_err("a lie").code(), "worker-garbled");
    }
}
