//! What an interrupted dpkg left, and how it is finished.

use super::{APT_GET, Apt, PACKAGE};
use crate::{ApplyError, Machine};

/// How apt is told to bring what unpacked packages lack, and to remove nothing for it.
pub(super) const FINISH: [&str; 4] = ["-y", "--no-remove", "--fix-broken", "install"];

impl Apt {
    /// Finishes what an interrupted dpkg began. Safe: it configures packages that are unpacked already and keeps the
    /// administrator's configuration files. Where one of them was unpacked before what it needs had come, apt brings that, and
    /// removes nothing for it.
    pub(super) fn repair(&self, machine: &Machine) -> Result<(), ApplyError> {
        for name in self.dpkg.database()?.broken() {
            machine.record(&PACKAGE, name, serde_json::json!({ "broken": true }))?;
        }
        let mut outcome = self.run(machine, &["dpkg", "--force-confdef", "--force-confold", "--configure", "-a"]);
        let has_failed = |outcome: &_| matches!(outcome, Err(ApplyError::Command { .. }));
        let mut argv = [&APT_GET[..], &FINISH].concat();
        if has_failed(&outcome) {
            outcome = self.run(machine, &argv);
        }
        if has_failed(&outcome) {
            // apt takes one whose files had not all come for one that is there: it has to be told to bring it anew.
            self.dpkg.forget();
            let database = self.dpkg.database()?;
            argv.extend(["--reinstall", "--"]);
            argv.extend(database.partial());
            outcome = self.run(machine, &argv);
        }
        machine.system().forget();
        outcome
    }
}
