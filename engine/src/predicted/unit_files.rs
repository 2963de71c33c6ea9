//! What a unit file that comes or goes means for its unit.

use std::path::Path;

use super::Predicted;
use super::writers::Name;
use crate::units::{self, UnitFile};
use crate::{ActiveState, Known, World};

impl Predicted<'_> {
    pub(super) fn put_unit_file(&mut self, file: &UnitFile, content: Option<&[u8]>) {
        let state = match self.unit(&file.unit) {
            // systemd reads what an apply puts in place right away, once for all of it.
            Ok(Known::Is(mut state)) if state.exists => {
                state.needs_daemon_reload = false;
                state
            }
            Ok(Known::Unknown(_)) => return,
            _ if file.drop_in => return,
            _ => units::unloaded(content),
        };
        self.writers.name(Name::Unit, &file.unit);
        self.units.insert(file.unit.clone(), state);
    }

    pub(super) fn remove_unit_file(&mut self, file: &UnitFile) {
        if file.drop_in {
            return;
        }
        let elsewhere = units::DIRECTORIES
            .iter()
            .any(|directory| matches!(self.stat(&Path::new(directory).join(&*file.unit)), Ok(Known::Is(Some(_)))));
        if let (false, Ok(Known::Is(mut state))) = (elsewhere, self.unit(&file.unit)) {
            // A running service goes on without its unit file; nothing is enabled that cannot be found.
            state.exists = matches!(state.active, Known::Is(ActiveState::Active));
            self.writers.name(Name::Unit, &file.unit);
            self.units.insert(file.unit.clone(), state);
        }
    }

    /// The service manager will have read its unit files again.
    pub(crate) fn daemon_reload(&mut self) {
        for state in self.units.values_mut() {
            state.needs_daemon_reload = false;
        }
    }
}
