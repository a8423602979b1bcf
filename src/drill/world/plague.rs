//! What encrypts files and goes on to the next machine, until each that has it is cut off from the others.

use super::{Role, World};

/// It is through with what a machine is there for after so many seconds.
const TAKES: i64 = 45;
/// Bytes a second that it writes meanwhile.
const WRITES: f64 = 9e7;

impl World {
    /// Whether any machine has it.
    pub fn is_infected(&self) -> bool {
        self.servers.iter().any(|server| server.infected.is_some())
    }

    /// Somebody's files begin to be encrypted, on this machine first, and on another each so many seconds.
    pub(super) fn infect(&mut self, server: usize, every: i64) {
        self.spreads = every;
        self.encrypt(server);
    }

    fn encrypt(&mut self, server: usize) {
        self.servers[server].infected = Some(self.at);
        let name = self.servers[server].name.clone();
        self.tell(name, "its files are being encrypted");
    }

    pub(super) fn plague(&mut self) {
        if self.spreads == 0 {
            return;
        }
        for at in 0..self.servers.len() {
            let Some(since) = self.servers[at].infected else { continue };
            if self.at - since < TAKES {
                self.servers[at].counted.written += WRITES;
            } else if self.at - since == TAKES {
                self.lose_service(at);
            }
        }
        let newest = self.servers.iter().filter_map(|server| server.infected).max();
        if newest.is_some_and(|newest| self.at - newest >= self.spreads)
            && let Some(next) = self.next_victim()
        {
            self.encrypt(next);
        }
    }

    /// A container was started from files that were encrypted by then: it can't read them.
    pub(super) fn has_no_files(&self, container: usize) -> bool {
        let one = &self.containers[container];
        let server = &self.servers[one.server];
        let is_main = one.service == server.role.service();
        is_main && server.infected.is_some_and(|since| one.started - since >= TAKES)
    }

    /// Its service can't read its own files any more.
    fn lose_service(&mut self, server: usize) {
        let service = self.servers[server].role.service();
        if let Some(at) = self.service(server, service).filter(|at| self.containers[*at].runs()) {
            self.containers[at].hung = true;
            let title = self.title(at);
            self.tell(title, "answers nobody: its files are encrypted");
        }
    }

    /// Whom one that has it, and still reaches others, reaches next: the databases at last, behind everything else.
    fn next_victim(&self) -> Option<usize> {
        let spreads = self.servers.iter().any(|server| server.infected.is_some() && server.reachable());
        let order = [Role::Game, Role::Api, Role::Balancer, Role::Standby, Role::Primary];
        let open = |at: &usize| self.servers[*at].infected.is_none() && self.servers[*at].reachable();
        let of = |role: Role| (0..self.servers.len()).filter(move |at| self.servers[*at].role == role);
        order.into_iter().flat_map(of).find(open).filter(|_| spreads)
    }
}
