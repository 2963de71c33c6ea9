//! End-to-end tests on disposable hosts: the stead binary against a real systemd, apt, sshd and user database.

mod harness;
