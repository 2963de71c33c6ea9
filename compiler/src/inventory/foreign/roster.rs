//! Rosters of salt-ssh.

use super::variables::Given;
use super::{Reach, Reader};
use crate::data::{Kind, Node};

impl Reader<'_> {
    /// Hosts with `host`, `user`, `port`, `priv`, `sudo`; or an address alone.
    pub(super) fn roster(&mut self, root: &Node) {
        for (name, at, node) in self.entries(root, "hosts, each with `host: ADDRESS`") {
            let mut reach = Reach::default();
            if !matches!(node.kind, Kind::Map(_)) {
                let value = Given::Node(node);
                reach.address = self.word(&value, node.span);
                self.host(name, at, &reach, &[], &[]);
                continue;
            }
            let mut tags = Vec::new();
            for (key, key_at, value) in self.entries(node, "the settings of a host") {
                let given = Given::Node(value);
                match &**key {
                    "host" => reach.address = self.word(&given, value.span),
                    "user" => reach.user = self.word(&given, value.span),
                    "port" => reach.port = self.port(&given, value.span),
                    "priv" if given.text().as_deref() == Some("agent-forwarding") => {}
                    "priv" => reach.identity = self.word(&given, value.span),
                    "sudo" => reach.becomes = self.flag(&given, value.span),
                    "sudo_user" => reach.become_user = self.word(&given, value.span),
                    "passwd" | "priv_passwd" => {
                        let message = format!("`{key}` is not read: passwords do not belong in an inventory");
                        self.once(key, key_at, message, "log in with a key; ssh-agent keeps its passphrase");
                    }
                    "ssh_options" => {
                        let hint =
                            "put it into your ssh configuration, which is followed: `Host NAME` and `ProxyJump …`, for example";
                        self.warning("unread-variable", key_at, "`ssh_options` is not read", hint);
                    }
                    "tags" => self.variable("tags", &given, (key_at, value.span), &mut reach, &mut tags),
                    // How salt-ssh works on the target: nothing of that is needed here.
                    "tty"
                    | "timeout"
                    | "thin_dir"
                    | "cmd_umask"
                    | "set_path"
                    | "ssh_pre_flight"
                    | "ssh_pre_flight_args"
                    | "rosters"
                    | "python_binary"
                    | "winrm" => {}
                    other => self.variable(other, &given, (key_at, value.span), &mut reach, &mut tags),
                }
            }
            self.host(name, at, &reach, &tags, &[]);
        }
    }
}
