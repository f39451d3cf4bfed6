//! Where a peer is.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// A host, by name or number, and a port, such as `node-a.example:7000`, `10.0.0.7:7000` or `[::1]:7000`. Names are
/// looked up when they are dialled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(String);

/// Text that is no [`Address`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no host and port, such as node-a.example:7000")]
pub struct AddressError(String);

impl Address {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        let wrong = || AddressError(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_host = !host.is_empty() && host.chars().all(is_name);
        let has_port = port.parse::<u16>().is_ok_and(|port| port > 0);
        match text.parse::<SocketAddr>() {
            Ok(address) if address.port() > 0 => Ok(Address(text.to_owned())),
            Err(_) if is_host && has_port => Ok(Address(text.to_owned())),
            _ => Err(wrong()),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address(address.to_string())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for text in ["localhost:7000", "node-a.example:1", "10.0.0.7:7000", "[::1]:7000"] {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "localhost", "localhost:", ":7000", "a b:7", "localhost:70000", "::1", "10.0.0.7:0"]
        {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
