//! Addresses and names of hosts.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use stead_catalog::{Type, Value};

use super::AttributeType;

/// An IPv4 or IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(pub IpAddr);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl AttributeType for Address {
    fn ty() -> Type {
        Type::Ip
    }
    fn from_value(value: &Value) -> Option<Self> {
        value.as_str().and_then(|text| text.parse().ok()).map(Self)
    }
    fn to_value(&self) -> Value {
        Value::string(self.0.to_string())
    }
}

/// The name of a host.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(pub Arc<str>);

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AttributeType for HostName {
    fn ty() -> Type {
        Type::Hostname
    }
    fn from_value(value: &Value) -> Option<Self> {
        value.as_shared_str().cloned().map(Self)
    }
    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}
