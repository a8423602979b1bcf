//! `iptables` and `iptables-restore`: the table `filter` of a machine, as far as somebody isolates it and opens it again.

use super::Machine;
use crate::drill::shell::{Call, Done, Files};
use crate::drill::world::Order;
use std::collections::BTreeMap;

/// The chains that are always there, which everything goes through.
const BUILT_IN: [&str; 3] = ["INPUT", "OUTPUT", "FORWARD"];

/// Rules by their chain, each as `-S` shows it, without its `-A CHAIN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rules(BTreeMap<String, Vec<String>>);

impl Default for Rules {
    fn default() -> Self {
        Self(BUILT_IN.iter().map(|name| ((*name).to_owned(), Vec::new())).collect())
    }
}

impl Rules {
    /// One command of `iptables`, as its words behind the options.
    fn carry_out(&mut self, words: &[&str]) -> Result<String, String> {
        let [verb, chain, rest @ ..] = words else { return Err("no command specified".to_owned()) };
        if *verb == "-N" {
            self.0.entry((*chain).to_owned()).or_default();
            return Ok(String::new());
        }
        let missing = || format!("No chain/target/match by that name: {chain}");
        let rules = self.0.get_mut(*chain).ok_or_else(missing)?;
        match *verb {
            "-S" => return Ok(self.show(chain)),
            "-A" => rules.push(written(rest)),
            "-I" => {
                let nth = rest.first().and_then(|word| word.parse::<usize>().ok());
                let at = nth.unwrap_or(1).saturating_sub(1).min(rules.len());
                rules.insert(at, written(&rest[usize::from(nth.is_some())..]));
            }
            "-D" => {
                let gone = rules.iter().position(|rule| *rule == written(rest));
                rules.remove(gone.ok_or("Bad rule (does a matching rule exist in that chain?)")?);
            }
            "-F" => rules.clear(),
            "-X" if BUILT_IN.contains(chain) || !rules.is_empty() => return Err("Directory not empty".to_owned()),
            "-X" => drop(self.0.remove(*chain)),
            other => return Err(format!("a drill's iptables does not know {other}")),
        }
        Ok(String::new())
    }

    fn show(&self, chain: &str) -> String {
        let head = if BUILT_IN.contains(&chain) { format!("-P {chain} ACCEPT\n") } else { format!("-N {chain}\n") };
        let rules = self.0.get(chain).into_iter().flatten();
        head + &rules.map(|rule| format!("-A {chain} {rule}\n")).collect::<String>()
    }

    /// What `iptables-restore -n` reads: all of it comes into force, or nothing.
    fn restore(&mut self, text: &str) -> Result<(), String> {
        let mut new = self.clone();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['*', '#'])) {
            match line.strip_prefix(':') {
                Some(chain) => {
                    let name = chain.split_whitespace().next().unwrap_or_default();
                    new.0.insert(name.to_owned(), Vec::new());
                }
                None if line == "COMMIT" => *self = new.clone(),
                None => drop(new.carry_out(&line.split_whitespace().collect::<Vec<_>>())?),
            }
        }
        Ok(())
    }

    /// Whether all that comes, goes and is passed on ends in a chain that drops what it does not name.
    fn cut_off(&self) -> bool {
        BUILT_IN.iter().all(|chain| {
            let first = self.0.get(*chain).and_then(|rules| rules.first());
            let target = first.and_then(|rule| rule.strip_prefix("-j "));
            target == Some("DROP")
                || target
                    .and_then(|name| self.0.get(name))
                    .and_then(|rules| rules.last())
                    .is_some_and(|end| end == "-j DROP")
        })
    }
}

/// A rule as `-S` shows it: addresses first, with their length, and the match that a port needs.
fn written(words: &[&str]) -> String {
    let (mut places, mut rest) = (Vec::new(), Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().copied().unwrap_or_default();
        match *word {
            "-s" | "-d" => {
                let address = value();
                let length = if address.contains('/') { "" } else { "/32" };
                places.push(format!("{word} {address}{length}"));
            }
            "-p" => {
                let protocol = value();
                rest.push(format!("-p {protocol} -m {protocol}"));
            }
            word => rest.push(word.to_owned()),
        }
    }
    places.extend(rest);
    places.join(" ")
}

/// What was made of the rules becomes true of the machine.
fn settle(machine: &Machine, rules: &Rules) {
    let mut stage = machine.stage.lock();
    let cut_off = rules.cut_off();
    if stage.world.servers[machine.server].isolated != cut_off {
        // It has power, or nothing would run here.
        let _ = stage.order(&Order::Isolate(machine.server, cut_off));
    }
}

/// `iptables -w …`
pub(super) fn iptables(machine: &Machine, call: &Call, _: &mut Files) -> Done {
    if call.user != "root" {
        return Done::failed(4, "iptables: Permission denied (you must be root)\n");
    }
    let words: Vec<&str> =
        call.args.iter().map(String::as_str).filter(|word| !matches!(*word, "-w" | "--wait")).collect();
    let mut rules = machine.rules();
    match rules.carry_out(&words) {
        Ok(said) => {
            settle(machine, &rules);
            Done::said(said)
        }
        Err(why) => Done::failed(1, format!("iptables: {why}\n")),
    }
}

/// `iptables-restore -w -n`
pub(super) fn restore(machine: &Machine, call: &Call, _: &mut Files) -> Done {
    if call.user != "root" {
        return Done::failed(4, "iptables-restore: Permission denied (you must be root)\n");
    }
    let mut rules = machine.rules();
    match rules.restore(&String::from_utf8_lossy(&call.stdin)) {
        Ok(()) => {
            settle(machine, &rules);
            Done::default()
        }
        Err(why) => Done::failed(1, format!("iptables-restore: {why}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: &str = "*filter\n:Q - [0:0]\n-I INPUT 1 -j Q\n-I OUTPUT 1 -j Q\n-I FORWARD 1 -j Q\n\
                       -A Q -p tcp -s 10.0.1.30 --dport 22 -j ACCEPT\n-A Q -j DROP\nCOMMIT\n";

    #[test]
    fn a_machine_is_cut_off_by_what_comes_first_and_opened_again() {
        let mut rules = Rules::default();
        assert!(!rules.cut_off());
        // Behind what accepts something already it is no isolation.
        rules.carry_out(&["-A", "INPUT", "-j", "ACCEPT"]).unwrap();
        rules.carry_out(&["-A", "INPUT", "-j", "DROP"]).unwrap();
        assert!(!rules.cut_off());
        rules.restore(CUT).unwrap();
        assert!(rules.cut_off());
        assert_eq!(rules.show("Q"), "-N Q\n-A Q -s 10.0.1.30/32 -p tcp -m tcp --dport 22 -j ACCEPT\n-A Q -j DROP\n");
        assert_eq!(rules.carry_out(&["-X", "Q"]), Err("Directory not empty".to_owned()));
        for chain in BUILT_IN {
            rules.carry_out(&["-D", chain, "-j", "Q"]).unwrap();
        }
        assert!(!rules.cut_off());
        assert_eq!(rules.show("INPUT"), "-P INPUT ACCEPT\n-A INPUT -j ACCEPT\n-A INPUT -j DROP\n");
    }

    #[test]
    fn what_can_t_be_read_changes_nothing() {
        let mut rules = Rules::default();
        assert!(rules.restore(&CUT.replace("-A Q -j DROP", "-A Z -j DROP")).unwrap_err().contains('Z'));
        assert_eq!(rules, Rules::default());
    }
}
