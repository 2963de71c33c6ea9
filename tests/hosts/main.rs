//! End-to-end tests on disposable hosts: the stead binary against a real systemd, apt and user database, and against
//! full disks, planted links, second applies and SIGKILL.

mod site;

mod audit;
mod bad_input;
mod commands;
mod downloads;
mod faults;
mod fetched;
mod fidelity;
mod fleet;
mod harness;
mod kill;
mod orphans;
mod packages;
mod pages;
mod random;
mod repositories;
mod root;
mod runs;
mod saved;
mod secrets;
mod spy;
mod system;
mod system_files;
mod tools;
mod trouble;
mod undo;
mod users;
mod watch;
mod web;
