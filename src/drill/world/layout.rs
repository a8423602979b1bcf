//! Which machines there are, and what runs on them.

use super::container::Container;
use super::server::{Role, Server};
use std::fmt;
use std::str::FromStr;

/// The version that runs on a quiet day.
pub const VERSION: &str = "v2.5.0";
/// Machines that every world has: a balancer, an API, a primary and a standby.
const OTHERS: usize = 4;
/// Machines that the cloud has to give, where there are not many anyway.
const SPARE: usize = 2;
/// More machines than these are many.
const LARGE: usize = 60;
/// Containers beside the service on every machine, over and over.
const BESIDE: [&str; 6] = ["node-exporter", "redis", "log-shipper", "telemetry", "chat", "matchmaker"];

/// How large a world is: machines, and containers on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// 5 to 2,000.
    pub servers: usize,
    /// 1 to 100.
    pub containers: usize,
}

impl Size {
    /// Its machines are many: they share engines and a pooler, and are looked at less often.
    pub const fn is_large(self) -> bool {
        self.servers > LARGE
    }
}

impl Default for Size {
    fn default() -> Self {
        Self { servers: 8, containers: 3 }
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no size: write SERVERSxCONTAINERS, as in 1000x20 (5 to 2000, 1 to 100)");
        let (servers, containers) = text.split_once('x').ok_or_else(wrong)?;
        let size = Self {
            servers: servers.parse().map_err(|_| wrong())?,
            containers: containers.parse().map_err(|_| wrong())?,
        };
        let fits = (5..=2000).contains(&size.servers) && (1..=100).contains(&size.containers);
        fits.then_some(size).ok_or_else(wrong)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.servers, self.containers)
    }
}

/// The machines and containers of that size, and behind them those that can be rented besides.
pub(super) fn layout(seed: u64, size: Size) -> (Vec<Server>, Vec<Container>) {
    let games = size.servers - OTHERS;
    let game = |at: usize| (format!("game-{}", at + 1), Role::Game);
    let named = |(name, role): (&str, Role)| (name.to_owned(), role);
    let first = [("lb-1", Role::Balancer)].map(named).into_iter();
    let last = [("api-1", Role::Api), ("db-primary", Role::Primary), ("db-replica-1", Role::Standby)].map(named);
    let all = first.chain((0..games).map(game)).chain(last);
    let spare = if size.is_large() { 0 } else { SPARE };
    let servers: Vec<Server> = all
        .chain((games..games + spare).map(game))
        .enumerate()
        .map(|(at, (name, role))| {
            let server = Server::new(seed, &name, address(at), role);
            if at < size.servers { server } else { server.spare() }
        })
        .collect();
    let containers =
        servers.iter().enumerate().flat_map(|(at, server)| on(seed, at, server, size.containers)).collect();
    (servers, containers)
}

/// 10.0.1.3 and on: the game servers begin at .4, as in the handbook.
fn address(at: usize) -> String {
    let host = at + 3;
    format!("10.0.{}.{}", 1 + host / 250, host % 250)
}

fn on(seed: u64, at: usize, server: &Server, count: usize) -> Vec<Container> {
    let main = server.role.service();
    let beside = (0..count.saturating_sub(1)).map(|nth| (BESIDE[nth % BESIDE.len()], nth / BESIDE.len() + 1));
    std::iter::once((main, 1))
        .chain(beside)
        .map(|(service, nth)| {
            // The balancer's is called so by name in the handbook.
            let name = match (service, nth) {
                ("nginx", _) => "spacetime-nginx".to_owned(),
                (service, 1) => service.to_owned(),
                (service, nth) => format!("{service}-{nth}"),
            };
            let version = if service.starts_with("godot") { VERSION } else { "1.4" };
            let mut container = Container::new(seed, name, (at, &server.name), service, version);
            if server.gone {
                container.stop(container.finished);
            }
            container
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_refused() {
        assert_eq!("1000x20".parse(), Ok(Size { servers: 1000, containers: 20 }));
        assert_eq!(Size::default().to_string().parse(), Ok(Size::default()));
        for wrong in ["", "8", "8x", "4x3", "8x0", "2001x1", "8x101", "-8x3", "8 x 3"] {
            assert!(wrong.parse::<Size>().unwrap_err().contains("SERVERSxCONTAINERS"), "{wrong}");
        }
    }

    #[test]
    fn names_and_addresses_are_unique_at_every_size() {
        for size in [Size::default(), Size { servers: 5, containers: 1 }, Size { servers: 2000, containers: 100 }] {
            let (servers, containers) = layout(1, size);
            let there = servers.iter().filter(|server| !server.gone).count();
            assert_eq!((there, containers.len()), (size.servers, servers.len() * size.containers));
            let unique = |all: Vec<String>| all.iter().collect::<std::collections::BTreeSet<_>>().len() == all.len();
            assert!(unique(servers.iter().map(|server| server.address.clone()).collect()));
            assert!(unique(containers.iter().map(|one| one.id.clone()).collect()));
            assert!(unique(containers.iter().map(|one| format!("{}/{}", one.server, one.name)).collect()));
        }
    }
}
