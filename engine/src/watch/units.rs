//! What the service manager says by itself: units that start, stop, fail, are enabled or disabled.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use zbus::MatchRule;
use zbus::blocking::{Connection, MessageIterator, fdo::DBusProxy};

use super::alarm::Alarm;
use crate::system::systemd::{MANAGER, MANAGER_PATH, SYSTEMD, unit_path};

/// Messages that may wait at a time: a boot or a daemon-reload sends many.
const QUEUE: usize = 4096;

/// What was heard since the last look.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Object paths of units whose properties changed.
    pub(super) units: BTreeSet<String>,
    /// Unit files changed, or were read again: any unit may be different.
    pub(super) is_any: bool,
    /// The service manager or the bus is gone; nothing more is heard.
    pub(super) is_lost: bool,
}

/// Listens on a thread of its own.
pub(super) struct Listener {
    heard: Arc<Mutex<Heard>>,
}

impl Listener {
    /// Begins to listen. The alarm rings when something was said.
    ///
    /// # Errors
    /// When the bus cannot be reached, in its words.
    pub(super) fn start(alarm: &Alarm) -> Result<Self, String> {
        let (connection, messages) = subscribe().map_err(|error| error.to_string())?;
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (shared, alarm) = (heard.clone(), alarm.clone());
        let listen = move || {
            let _connection = connection;
            for message in messages {
                let is_news = {
                    let mut heard = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    match message {
                        Ok(message) => hear(&mut heard, &message),
                        Err(_) => continue,
                    }
                };
                if is_news {
                    alarm.ring();
                }
            }
            shared.lock().unwrap_or_else(PoisonError::into_inner).is_lost = true;
            alarm.ring();
        };
        std::thread::Builder::new().name("units".into()).spawn(listen).map_err(|error| error.to_string())?;
        Ok(Self { heard })
    }

    /// Takes what was heard.
    pub(super) fn take(&self) -> Heard {
        std::mem::take(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The object path that a unit's signals come from.
pub(super) fn path_of(unit: &str) -> String {
    unit_path(unit)
}

/// Says whether there is a service manager to listen to.
pub(super) fn is_here() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

fn subscribe() -> zbus::Result<(Connection, MessageIterator)> {
    let connection = zbus::blocking::connection::Builder::system()?.max_queued(QUEUE).build()?;
    let messages = MessageIterator::from(&connection);
    let bus = DBusProxy::new(&connection)?;
    let signals = || MatchRule::builder().msg_type(zbus::message::Type::Signal);
    let properties = signals().sender(SYSTEMD)?.interface("org.freedesktop.DBus.Properties")?.member("PropertiesChanged")?;
    bus.add_match_rule(properties.path_namespace(format!("{MANAGER_PATH}/unit"))?.build())?;
    for member in ["UnitFilesChanged", "Reloading"] {
        bus.add_match_rule(signals().sender(SYSTEMD)?.interface(MANAGER)?.member(member)?.build())?;
    }
    connection.call_method(Some(SYSTEMD), MANAGER_PATH, Some(MANAGER), "Subscribe", &())?;
    Ok((connection, messages))
}

/// Says whether the message is one of those that were asked for.
fn hear(heard: &mut Heard, message: &zbus::Message) -> bool {
    let header = message.header();
    let member = header.member().map(|member| member.as_str().to_owned());
    match (member.as_deref(), header.path()) {
        (Some("PropertiesChanged"), Some(path)) => {
            heard.units.insert(path.as_str().to_owned());
            true
        }
        (Some("UnitFilesChanged" | "Reloading"), _) => {
            heard.is_any = true;
            true
        }
        _ => false,
    }
}
