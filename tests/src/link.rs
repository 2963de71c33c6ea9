//! A long and bad line between two machines: what goes in on one side comes out on the other later.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How a line is.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// From one end to the other.
    pub delay: Duration,
    /// Of a hundred packets so many are lost: what is behind them waits until they were sent again.
    pub loss: u64,
}

/// How long TCP waits before it sends a lost packet again, at the least.
const AGAIN: Duration = Duration::from_millis(200);
/// Bytes in a packet.
const PACKET: usize = 1448;

/// Opens a line to an address. Returns the port at which it begins on this machine; it is there as long as the process.
///
/// # Panics
/// When no port can be had.
pub fn open(to: SocketAddr, line: Line) -> u16 {
    let listener = TcpListener::bind(("0.0.0.0", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect(to) else { continue };
            for stream in [&near, &far] {
                let _ = stream.set_nodelay(true);
            }
            let (Ok(near_again), Ok(far_again)) = (near.try_clone(), far.try_clone()) else { continue };
            thread::spawn(move || carry(near, far_again, line));
            thread::spawn(move || carry(far, near_again, line));
        }
    });
    port
}

/// Carries one direction.
fn carry(mut from: TcpStream, mut to: TcpStream, line: Line) {
    let (tell, packets) = mpsc::sync_channel::<(Instant, Vec<u8>)>(256);
    let reader = thread::spawn(move || {
        let mut packet = [0; PACKET];
        let mut sent = 0_u64;
        let mut late = Instant::now();
        while let Ok(length @ 1..) = from.read(&mut packet) {
            sent += 1;
            let mut arrives = Instant::now() + line.delay;
            // Every so many packets one is lost: the same in each run.
            if line.loss > 0 && sent.is_multiple_of(100 / line.loss) {
                arrives += AGAIN;
            }
            late = late.max(arrives);
            if tell.send((late, packet[..length].to_vec())).is_err() {
                break;
            }
        }
    });
    while let Ok((arrives, packet)) = packets.recv() {
        thread::sleep(arrives.saturating_duration_since(Instant::now()));
        if to.write_all(&packet).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    drop(packets);
    let _ = reader.join();
}
