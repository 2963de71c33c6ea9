//! Addresses, networks, host names and URLs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use stead_catalog::Value;

use super::arguments::{count, fits, int, invalid, items_of, overflow, string, text};
use super::{BuiltinError, Entry, MAX_ITEMS, plain};

pub(super) const ENTRIES: &[Entry] = &[
    plain("Ip.is_ipv4() -> Bool", "Says whether it is an IPv4 address.", &[("\"10.0.0.1\".is_ipv4()", "true")], |a| {
        Ok(Value::Bool(ip(a, 0)?.is_ipv4()))
    }),
    plain("Ip.is_ipv6() -> Bool", "Says whether it is an IPv6 address.", &[("\"::1\".is_ipv6()", "true")], |a| {
        Ok(Value::Bool(ip(a, 0)?.is_ipv6()))
    }),
    plain(
        "Ip.is_loopback() -> Bool",
        "Says whether it is an address of the machine itself.",
        &[("\"127.0.0.1\".is_loopback()", "true")],
        |a| Ok(Value::Bool(ip(a, 0)?.is_loopback())),
    ),
    plain(
        "Ip.is_private() -> Bool",
        "Says whether it is for private networks: RFC 1918 or fc00::/7.",
        &[("\"192.168.1.1\".is_private()", "true"), ("\"8.8.8.8\".is_private()", "false")],
        |a| {
            Ok(Value::Bool(match ip(a, 0)? {
                IpAddr::V4(v4) => v4.is_private(),
                IpAddr::V6(v6) => v6.is_unique_local(),
            }))
        },
    ),
    plain(
        "Ip.in_cidr(network: Cidr) -> Bool",
        "Says whether the network holds the address.",
        &[("\"10.1.2.3\".in_cidr(\"10.0.0.0/8\")", "true")],
        |a| Ok(Value::Bool(net(a, 1)?.contains(&ip(a, 0)?))),
    ),
    plain(
        "Ip.offset(count: Int) -> Ip",
        "Returns the address so many after it, or before it when negative.",
        &[("\"10.0.0.255\".offset(1)", "\"10.0.1.0\"")],
        |a| {
            let by = i128::from(int(a, 1)?);
            string(shift(ip(a, 0)?, by).ok_or_else(|| overflow("there is no such address"))?.to_string())
        },
    ),
    plain(
        "Ip.reverse_pointer() -> String",
        "Returns the name of its PTR record.",
        &[("\"10.1.2.3\".reverse_pointer()", "\"3.2.1.10.in-addr.arpa\"")],
        |a| {
            string(match ip(a, 0)? {
                IpAddr::V4(v4) => {
                    let [p, q, r, s] = v4.octets();
                    format!("{s}.{r}.{q}.{p}.in-addr.arpa")
                }
                IpAddr::V6(v6) => {
                    let digits: Vec<String> = v6
                        .octets()
                        .iter()
                        .rev()
                        .flat_map(|byte| [byte & 15, byte >> 4])
                        .map(|digit| format!("{digit:x}"))
                        .collect();
                    format!("{}.ip6.arpa", digits.join("."))
                }
            })
        },
    ),
    plain(
        "Ip.for_url() -> String",
        "Writes the address as a URL needs it: IPv6 in brackets.",
        &[("\"::1\".for_url()", "\"[::1]\"")],
        |a| {
            string(match ip(a, 0)? {
                IpAddr::V4(v4) => v4.to_string(),
                IpAddr::V6(v6) => format!("[{v6}]"),
            })
        },
    ),
    plain(
        "Cidr.address() -> Ip",
        "Returns the address before the slash.",
        &[("\"10.1.2.3/8\".address()", "\"10.1.2.3\"")],
        |a| string(net(a, 0)?.addr().to_string()),
    ),
    plain("Cidr.prefix() -> Int", "Returns the number after the slash.", &[("\"10.0.0.0/8\".prefix()", "8")], |a| {
        Ok(Value::Int(i64::from(net(a, 0)?.prefix_len())))
    }),
    plain(
        "Cidr.network() -> Cidr",
        "Returns the network, with the bits of the host cleared.",
        &[("\"10.1.2.3/8\".network()", "\"10.0.0.0/8\"")],
        |a| string(net(a, 0)?.trunc().to_string()),
    ),
    plain("Cidr.netmask() -> Ip", "Returns the mask as an address.", &[("\"10.0.0.0/8\".netmask()", "\"255.0.0.0\"")], |a| {
        string(net(a, 0)?.netmask().to_string())
    }),
    plain("Cidr.broadcast() -> Ip", "Returns the last address.", &[("\"10.0.0.0/8\".broadcast()", "\"10.255.255.255\"")], |a| {
        string(net(a, 0)?.broadcast().to_string())
    }),
    plain(
        "Cidr.includes(address: Ip) -> Bool",
        "Says whether the network holds the address.",
        &[("\"10.0.0.0/8\".includes(\"11.0.0.1\")", "false")],
        |a| Ok(Value::Bool(net(a, 0)?.contains(&ip(a, 1)?))),
    ),
    plain(
        "Cidr.covers(other: Cidr) -> Bool",
        "Says whether it holds all of the other network.",
        &[("\"10.0.0.0/8\".covers(\"10.1.0.0/16\")", "true")],
        |a| Ok(Value::Bool(net(a, 0)?.contains(&net(a, 1)?))),
    ),
    plain(
        "Cidr.address_at(index: Int) -> Ip",
        "Returns the address at a position in the network: 1 is the first after the network's own. Negative positions count from the end.",
        &[("\"10.0.0.0/24\".address_at(1)", "\"10.0.0.1\""), ("\"10.0.0.0/24\".address_at(-2)", "\"10.0.0.254\"")],
        |a| {
            let (net, index) = (net(a, 0)?, i128::from(int(a, 1)?));
            let found = if index < 0 { shift(net.broadcast(), index + 1) } else { shift(net.network(), index) };
            match found.filter(|address| net.contains(address)) {
                Some(address) => string(address.to_string()),
                None => Err(invalid(1, format!("{net} has no address {index}"))),
            }
        },
    ),
    plain(
        "Cidr.hosts() -> List<Ip>",
        "Returns every address a host may have. Networks of more than a million addresses are refused.",
        &[("\"10.0.0.0/30\".hosts()", "[\"10.0.0.1\", \"10.0.0.2\"]")],
        |a| {
            let net = net(a, 0)?;
            fits(
                1_usize.checked_shl(u32::from(net.max_prefix_len() - net.prefix_len())).filter(|n| *n > 0).unwrap_or(usize::MAX),
                MAX_ITEMS * 2,
                "addresses",
            )?;
            items_of(net.hosts().map(|address| Value::string(address.to_string())))
        },
    ),
    plain(
        "Cidr.subnets(prefix: Int) -> List<Cidr>",
        "Cuts the network into networks with a longer prefix.",
        &[("\"10.0.0.0/23\".subnets(24)", "[\"10.0.0.0/24\", \"10.0.1.0/24\"]")],
        |a| {
            let (net, prefix) = (net(a, 0)?, count(a, 1)?);
            let prefix = u8::try_from(prefix).map_err(|_| invalid(1, "the prefix is too long"))?;
            let steps = u32::from(prefix.saturating_sub(net.prefix_len()));
            fits(1_usize.checked_shl(steps).filter(|n| *n > 0).unwrap_or(usize::MAX), MAX_ITEMS, "networks")?;
            match net.subnets(prefix) {
                Ok(subnets) => items_of(subnets.map(|subnet| Value::string(subnet.to_string()))),
                Err(_) => Err(invalid(1, format!("a prefix of {net} is from {} to {}", net.prefix_len(), net.max_prefix_len()))),
            }
        },
    ),
    plain(
        "Hostname.domain() -> String?",
        "Returns what follows the first dot; `none` of a name without dots.",
        &[("\"web-1.example.com\".domain()", "\"example.com\"")],
        |a| match text(a, 0)?.split_once('.') {
            Some((_, domain)) => string(domain),
            None => Ok(Value::None),
        },
    ),
    plain(
        "Hostname.short_name() -> Hostname",
        "Returns what comes before the first dot.",
        &[("\"web-1.example.com\".short_name()", "\"web-1\"")],
        |a| string(text(a, 0)?.split('.').next().unwrap_or_default()),
    ),
    plain("Url.scheme() -> String", "Returns what comes before `://`.", &[("\"https://a.b/c\".scheme()", "\"https\"")], |a| {
        string(url(a)?.scheme)
    }),
    plain(
        "Url.host() -> String",
        "Returns the host, an IPv6 address without brackets.",
        &[("\"https://me@a.b:8443/c\".host()", "\"a.b\"")],
        |a| string(url(a)?.host),
    ),
    plain(
        "Url.port() -> Port?",
        "Returns the port that is written, or the usual one of http, https, ftp, ssh and ldap.",
        &[("\"https://a.b/c\".port()", "443")],
        |a| {
            let url = url(a)?;
            let usual = match url.scheme {
                "http" => Some(80),
                "https" => Some(443),
                "ftp" => Some(21),
                "ssh" => Some(22),
                "ldap" => Some(389),
                _ => None,
            };
            match (url.port, usual) {
                ("", usual) => Ok(usual.map_or(Value::None, Value::Int)),
                (port, _) => match port.parse::<u16>() {
                    Ok(port) if port > 0 => Ok(Value::Int(i64::from(port))),
                    _ => Err(invalid(0, format!("`{port}` is not a port"))),
                },
            }
        },
    ),
    plain(
        "Url.url_path() -> String",
        "Returns the path, `/` when there is none.",
        &[("\"https://a.b/c/d?e=f\".url_path()", "\"/c/d\"")],
        |a| string(url(a)?.path),
    ),
    plain(
        "Url.query() -> String?",
        "Returns what follows the `?`; `none` when there is none.",
        &[("\"https://a.b/c?d=e#f\".query()", "\"d=e\"")],
        |a| url(a)?.query.map_or(Ok(Value::None), string),
    ),
];

fn ip(args: &[Value], at: usize) -> Result<IpAddr, BuiltinError> {
    let text = text(args, at)?;
    text.parse().map_err(|_| invalid(at, format!("{} is not an IP address", Value::string(text))))
}

fn net(args: &[Value], at: usize) -> Result<IpNet, BuiltinError> {
    let text = text(args, at)?;
    text.parse().map_err(|_| invalid(at, format!("{} is not a network such as 10.0.0.0/8", Value::string(text))))
}

fn shift(address: IpAddr, by: i128) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::try_from(i128::from(u32::from(v4)).checked_add(by)?).ok().map(|n| Ipv4Addr::from(n).into()),
        IpAddr::V6(v6) => {
            let (n, by) = (u128::from(v6), by);
            let n = if by < 0 { n.checked_sub(by.unsigned_abs()) } else { n.checked_add(by.unsigned_abs()) };
            n.map(|n| Ipv6Addr::from(n).into())
        }
    }
}

struct Url<'a> {
    scheme: &'a str,
    host: &'a str,
    port: &'a str,
    path: &'a str,
    query: Option<&'a str>,
}

/// Takes a URL apart by RFC 3986.
fn url(args: &[Value]) -> Result<Url<'_>, BuiltinError> {
    let text = text(args, 0)?;
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(invalid(0, format!("{} is not a URL with a scheme", Value::string(text))));
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let slash = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(slash);
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = match authority.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').unwrap_or_default()),
        None => authority.rsplit_once(':').unwrap_or((authority, "")),
    };
    Ok(Url { scheme, host, port, path: if path.is_empty() { "/" } else { path }, query })
}
