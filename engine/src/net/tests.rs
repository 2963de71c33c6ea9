use std::io::Write as _;
use std::net::TcpListener;
use std::sync::mpsc;

use super::*;

/// Serves the answers one after the other and tells what it was asked.
fn server(answers: Vec<String>) -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                request.push(byte[0]);
            }
            let _ = sender.send(String::from_utf8_lossy(&request).to_ascii_lowercase());
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (port, receiver)
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\netag: \"1\"\r\n\r\n{body}", body.len())
}

fn to(location: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

fn get(url: String) -> Request {
    Request { timeout: Duration::from_secs(5), headers: vec![("X-Token".into(), "hunter2".into())], ..Request::get(url) }
}

#[test]
fn an_answer_is_read() {
    let (port, asked) = server(vec![ok("hello")]);
    let reply = ask(&get(format!("http://user:pw@127.0.0.1:{port}/a?b")), 3).expect("an answer");
    assert_eq!((reply.status, &*reply.body, reply.header("ETag")), (200, &b"hel"[..], Some("\"1\"")));
    let asked = asked.recv().expect("it was asked");
    assert!(asked.starts_with("get /a?b http/1.1\r\n"), "{asked}");
    assert!(asked.contains("x-token: hunter2") && asked.contains("authorization: basic dxnlcjpwdw=="), "{asked}");
}

#[test]
fn headers_are_not_handed_to_another_server() {
    let (other, asked_there) = server(vec![ok("there")]);
    let (port, _asked) = server(vec![to("/next"), to(&format!("http://localhost:{other}/x"))]);
    let range = vec![("Range".into(), "bytes=3-".into())];
    let request = Request { conditions: range, ..get(format!("http://127.0.0.1:{port}/")) };
    let reply = ask(&request, 100).expect("an answer");
    assert_eq!(&*reply.body, b"there");
    let asked = asked_there.recv().expect("it was asked");
    assert!(asked.contains("range: bytes=3-"), "{asked}");
    assert!(!asked.contains("hunter2"), "{asked}");
}

#[test]
fn redirects_end() {
    let (port, _asked) = server((0..4).map(|_| to("/again")).collect());
    let request = Request { redirects: 2, ..get(format!("http://127.0.0.1:{port}/")) };
    assert_eq!(ask(&request, 0).expect("an answer").status, 302);
}

#[test]
fn no_answer_is_told_in_words() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    assert_eq!(connect("127.0.0.1", port, Duration::from_secs(1)), Ok(()));
    let silent = Request { timeout: Duration::from_millis(200), ..get(format!("http://127.0.0.1:{port}/")) };
    assert_eq!(ask(&silent, 0), Err(NoAnswer("no answer in time".into())));
    // Nobody listens at tcpmux(1). A port that was let go could be another test's by now.
    assert_eq!(ask(&get("http://127.0.0.1:1/".into()), 0), Err(NoAnswer("connection refused".into())));
    assert_eq!(connect("localhost", 1, Duration::from_secs(1)), Err(NoAnswer("connection refused".into())));
    assert!(connect("no.such.host.invalid", 80, Duration::from_secs(1)).is_err());
    let bad = Request { headers: vec![("X".into(), "hunter2\r\nY: z".into())], ..get("http://127.0.0.1:1/".into()) };
    let told = ask(&bad, 0).expect_err("it cannot be sent").to_string();
    assert!(!told.contains("hunter2"), "{told}");
    assert!(!format!("{bad:?}").contains("hunter2"));
}
