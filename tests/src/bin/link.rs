//! Long and bad lines for a measurement: `stead-link ROUND_TRIP_MS LOSS_PERCENT ADDRESS…`.
//!
//! Prints the port of this machine at which the line to each address begins, a line each, and keeps them until its standard input ends.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use stead_tests::link::{self, Line};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((line, addresses)) = read(&arguments) else {
        let _ = writeln!(io::stderr(), "usage: stead-link ROUND_TRIP_MS LOSS_PERCENT ADDRESS:PORT…");
        return ExitCode::from(2);
    };
    for address in addresses {
        if writeln!(io::stdout(), "{}", link::open(address, line)).is_err() {
            return ExitCode::FAILURE;
        }
    }
    let _ = io::stdout().flush();
    let _ = io::stdin().read_to_end(&mut Vec::new());
    ExitCode::SUCCESS
}

fn read(arguments: &[String]) -> Option<(Line, Vec<SocketAddr>)> {
    let [trip, loss, addresses @ ..] = arguments else { return None };
    let line =
        Line { delay: Duration::from_millis(trip.parse().ok()?) / 2, loss: loss.parse().ok().filter(|loss| *loss <= 100)? };
    let addresses = addresses.iter().map(|address| address.parse().ok()).collect::<Option<Vec<_>>>()?;
    (!addresses.is_empty()).then_some((line, addresses))
}
