//! Names and addresses of machines in what others write: `host:port`, URLs, labels.

use std::net::IpAddr;

/// The host of `host:port`, `[::1]:9100`, `http://host:port` or a bare host.
pub fn of(value: &str) -> &str {
    let value = value.split_once("://").map_or(value, |(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    if let Some((inside, _)) = value.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return inside;
    }
    match value.rsplit_once(':') {
        // More than one colon and no brackets: an IPv6 address.
        Some((host, port)) if !host.contains(':') && port.bytes().all(|digit| digit.is_ascii_digit()) => host,
        _ => value,
    }
}

/// Whether it means "here", with a port or without one: `localhost`, `127.0.0.1:9100`, `::1`, `0.0.0.0`. Each machine that says so means
/// another one, so that it tells nobody which.
pub fn is_here(value: &str) -> bool {
    let host = of(value);
    if let Ok(address) = host.parse::<IpAddr>() {
        let address = address.to_canonical();
        return address.is_loopback() || address.is_unspecified();
    }
    let first = host.split('.').next().unwrap_or_default();
    ["localhost", "ip6-localhost", "ip6-loopback"].iter().any(|name| first.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_paths_are_no_part_of_a_machine() {
        for (value, expected) in [
            ("game-1:9100", "game-1"),
            ("[::1]:9100", "::1"),
            ("fe80::1", "fe80::1"),
            ("game-1", "game-1"),
            ("http://game-1:9100/metrics", "game-1"),
            ("https://[fe80::1]/metrics?a=b:1", "fe80::1"),
            ("http://game-1", "game-1"),
            ("game-1:metrics", "game-1:metrics"),
            ("", ""),
        ] {
            assert_eq!(of(value), expected, "{value}");
        }
    }

    #[test]
    fn here_is_told_from_anywhere_else() {
        for value in [
            "127.0.0.1",
            "127.0.1.1:9100",
            "::1",
            "[::1]:9100",
            "::ffff:127.0.0.1",
            "0.0.0.0",
            "localhost",
            "LOCALHOST:9090",
            "localhost.localdomain",
            "http://localhost:9090",
        ] {
            assert!(is_here(value), "{value}");
        }
        for value in ["10.0.0.1", "db-1", "localhosts", "127-0-0-1.example", "", "::2", "12.127.0.0"] {
            assert!(!is_here(value), "{value}");
        }
    }
}
