use super::container::MIB;
use super::database::At;
use super::*;

fn world() -> World {
    World::new(7, Size::default())
}

fn run(world: &mut World, seconds: usize) {
    (0..seconds).for_each(|_| world.step());
}

fn server(world: &World, name: &str) -> usize {
    world.servers.iter().position(|server| server.name == name).unwrap()
}

fn game(world: &World, name: &str) -> usize {
    world.service(server(world, name), "godot-server").unwrap()
}

#[test]
fn one_that_lies_says_that_it_is_well_and_has_no_players() {
    let mut world = World::new(3, Size::default());
    let liar = world.servers.iter().position(|server| server.name == "game-3").unwrap();
    let container = world.service(liar, "godot-server").unwrap();
    world.order(Order::Lie(container)).unwrap();
    (0..60).for_each(|_| world.step());
    assert!(world.claims(liar) && !world.serves(liar) && world.servers[liar].players == 0.0);
    assert_eq!(world.containers[container].health, Health::Healthy);
    world.order(Order::Restart(container)).unwrap();
    (0..60).for_each(|_| world.step());
    assert!(world.claims(liar) && world.serves(liar) && world.servers[liar].players > 0.0);
}

#[test]
fn the_same_seed_and_orders_give_the_same_world() {
    let tell = |seed| {
        let mut world = World::new(seed, Size::default());
        run(&mut world, 30);
        world.order(Order::Kill(game(&world, "game-2"))).unwrap();
        run(&mut world, 300);
        format!("{world:?}")
    };
    assert_eq!(tell(7), tell(7));
    assert_ne!(tell(7), tell(8));
}

#[test]
fn on_a_quiet_day_nothing_happens() {
    let mut world = world();
    for _ in 0..3 * 3600 {
        world.step();
        for server in &world.servers {
            assert!(server.cpu < 0.75 && server.memory_used < server.memory * 0.8, "{} {}", server.name, server.cpu);
            assert!(server.failing < 0.02 && server.latency < 0.2, "{}", server.name);
        }
        assert!(world.databases[0].sessions.len() < 60, "{}", world.databases[0].sessions.len());
    }
    assert_eq!(world.events, []);
    assert!(world.databases[1].behind_since.is_none());
}

#[test]
fn nor_does_it_where_there_are_many_machines() {
    let mut world = World::new(1, Size { servers: 300, containers: 3 });
    for _ in 0..120 {
        world.step();
        assert!(world.servers.iter().all(|server| server.cpu < 0.75 && server.failing < 0.02));
    }
    assert!(world.databases[1].behind_since.is_none());
}

#[test]
fn who_plays_on_a_shard_that_dies_goes_to_the_others() {
    let mut world = world();
    let (dead, container) = (server(&world, "game-2"), game(&world, "game-2"));
    let before = world.servers[server(&world, "game-1")].players;
    world.order(Order::Kill(container)).unwrap();
    run(&mut world, 120);
    assert!(!world.serves(dead) && world.servers[dead].players == 0.0);
    assert!(world.servers[server(&world, "game-1")].players > before * 1.1);
    // Nothing starts what a person killed.
    assert_eq!(world.containers[container].state, State::Exited { code: 137, oom: false });
    world.order(Order::Restart(container)).unwrap();
    run(&mut world, 180);
    assert!(world.serves(dead) && world.servers[dead].players > before * 0.8);
    assert_eq!(world.containers[container].health, Health::Healthy);
}

#[test]
fn a_leak_ends_its_container_again_and_again_until_the_build_is_taken_back() {
    let mut world = world();
    let leak = Flaw { leak: 8.0 * MIB, ..Flaw::default() };
    let deploy = |version: &str, flaw| Order::Deploy {
        service: "godot-server".into(),
        version: version.into(),
        flaw,
        server: None,
    };
    world.order(deploy("v2.5.1", leak)).unwrap();
    let container = game(&world, "game-1");
    run(&mut world, 60);
    let early = world.containers[container].memory;
    run(&mut world, 60);
    assert!(world.containers[container].memory > early + 400.0 * MIB);
    run(&mut world, 600);
    assert!(world.containers[container].restarts >= 1);
    assert!(world.engine_events.iter().any(|event| event.action == "oom"));
    assert!(world.servers[server(&world, "game-1")].counted.oom_kills >= 1.0);
    world.order(deploy("v2.5.0", Flaw::default())).unwrap();
    run(&mut world, 900);
    assert_eq!(world.containers[container].restarts, 0);
    assert!(world.containers[container].memory < 1500.0 * MIB);
}

#[test]
fn sessions_that_are_forgotten_shut_others_out_until_somebody_ends_them() {
    let mut world = world();
    let flaw = Flaw { sessions: 0.5, ..Flaw::default() };
    world.order(Order::Deploy { service: "godot-api".into(), version: "v2.5.1".into(), flaw, server: None }).unwrap();
    run(&mut world, 400);
    let database = &world.databases[0];
    let idle = database.sessions.iter().filter(|session| session.at == At::IdleInTransaction).count();
    assert!(idle > 40 && database.room() <= 1, "{idle}");
    let api = server(&world, "api-1");
    assert!(world.servers[api].failing > 0.0 || database.turned_away > 0.0);
    world
        .order(Order::Deploy {
            service: "godot-api".into(),
            version: "v2.5.0".into(),
            flaw: Flaw::default(),
            server: None,
        })
        .unwrap();
    let forgotten: Vec<i32> =
        world.databases[0].sessions.iter().filter(|one| one.forgotten).map(|one| one.pid).collect();
    for pid in forgotten {
        world.order(Order::Terminate(pid)).unwrap();
    }
    run(&mut world, 60);
    assert!(world.databases[0].room() > 30 && world.databases[0].turned_away == 0.0);
}

#[test]
fn who_waits_for_a_lock_goes_on_when_its_holder_is_gone() {
    let mut world = world();
    world.order(Order::Lock(1)).unwrap();
    run(&mut world, 30);
    let waiting = |world: &World| world.databases[0].sessions.iter().filter(|one| one.blocked_by.is_some()).count();
    assert!(waiting(&world) > 5);
    let slow = world.servers[server(&world, "game-1")].latency;
    assert!(slow > 0.5, "{slow}");
    let holder = world.databases[0].sessions.iter().find_map(|one| one.blocked_by).unwrap();
    assert_eq!(world.order(Order::Cancel(holder)).unwrap_err().0, format!("there is no such session: {holder}"));
    world.order(Order::Terminate(holder)).unwrap();
    run(&mut world, 10);
    assert_eq!(waiting(&world), 0);
    assert!(world.servers[server(&world, "game-1")].latency < 0.2);
}

#[test]
fn a_drained_shard_empties_and_a_crowded_one_slows_down() {
    let mut world = world();
    let (drained, hot) = (server(&world, "game-1"), server(&world, "game-3"));
    world.order(Order::Drain(drained, true)).unwrap();
    run(&mut world, 150);
    assert!(world.servers[drained].players < 1.0);
    world.order(Order::Drain(drained, false)).unwrap();
    world.order(Order::Attract(hot, 6.0)).unwrap();
    run(&mut world, 300);
    assert!(world.servers[hot].players > FULL * 1.3 && world.servers[hot].failing > 0.05);
}

#[test]
fn a_standby_that_stalls_falls_behind_and_catches_up() {
    let mut world = world();
    world.order(Order::Stall(true)).unwrap();
    run(&mut world, 300);
    assert!(world.databases[1].behind_since.is_some_and(|at| at < 30));
    world.order(Order::Stall(false)).unwrap();
    run(&mut world, 120);
    assert_eq!(world.databases[1].behind_since, None);
}

#[test]
fn a_machine_without_power_serves_nobody_and_counts_from_nothing_afterwards() {
    let mut world = world();
    let dead = server(&world, "game-1");
    world.order(Order::Power(dead, false)).unwrap();
    run(&mut world, 20);
    assert!(!world.serves(dead));
    assert_eq!(world.order(Order::Start(game(&world, "game-1"))).unwrap_err().0, "the machine has no power");
    world.order(Order::Power(dead, true)).unwrap();
    run(&mut world, 20);
    assert!(world.serves(dead) && world.servers[dead].counted.idle < 8.0 * 21.0);
}

#[test]
fn a_full_disk_is_full_and_can_be_cleaned() {
    let mut world = world();
    let at = server(&world, "game-1");
    world.order(Order::Fill { server: at, growth: 1e9, used: None }).unwrap();
    run(&mut world, 600);
    assert!(world.servers[at].disk_used >= world.servers[at].disk);
    world.order(Order::Fill { server: at, growth: 0.0, used: None }).unwrap();
    world.order(Order::Clean(at, 5e10)).unwrap();
    assert!(world.servers[at].disk_used < world.servers[at].disk);
}

#[test]
fn a_large_production_is_as_quiet_as_a_small_one() {
    let mut world = World::new(7, Size { servers: 300, containers: 20 });
    run(&mut world, 60);
    assert_eq!((world.containers.len(), world.events.as_slice()), (6000, [].as_slice()));
    assert!(world.databases[0].room() > 100);
}

/// Its power goes, and after a while comes back.
#[test]
fn who_takes_writes_is_found_and_two_that_do_are_told() {
    let mut world = world();
    let dead = world.databases[0].server;
    world.order(Order::Power(dead, false)).unwrap();
    run(&mut world, 20);
    assert_eq!((world.writable().count(), world.databases[0].turned_away), (0, 1.0));
    assert!(world.databases[0].sessions.is_empty() && !world.replicates());
    world.order(Order::Promote).unwrap();
    run(&mut world, 20);
    assert_eq!((world.primary, world.databases[1].turned_away), (1, 0.0));
    assert!(world.databases[1].sessions.len() > 30);
    assert_eq!(world.order(Order::Promote).unwrap_err().0, "recovery is not in progress");
    world.order(Order::Power(dead, true)).unwrap();
    run(&mut world, 20);
    assert_eq!(world.writable().count(), 2);
    let mut hasty = self::world();
    hasty.order(Order::Promote).unwrap();
    assert!(hasty.events.iter().any(|event| event.what.contains("goes two ways")), "{:?}", hasty.events);
}

#[test]
fn what_encrypts_files_goes_on_until_all_that_have_it_are_cut_off() {
    let has = |world: &World| {
        world.servers.iter().filter(|one| one.infected.is_some()).map(|one| one.name.clone()).collect::<Vec<_>>()
    };
    let (mut left, mut cut) = (world(), world());
    for world in [&mut left, &mut cut] {
        world.order(Order::Encrypt(server(world, "game-1"), 100)).unwrap();
        run(world, 150);
        assert_eq!(has(world), ["game-1", "game-2"]);
    }
    for name in ["game-1", "game-2"] {
        cut.order(Order::Isolate(server(&cut, name), true)).unwrap();
    }
    run(&mut cut, 900);
    assert_eq!(has(&cut), ["game-1", "game-2"]);
    assert!(!cut.serves(server(&cut, "game-2")) && cut.serves(server(&cut, "game-3")));
    run(&mut left, 900);
    assert_eq!(has(&left).len(), left.servers.iter().filter(|server| !server.gone).count());
    assert!(left.writable().next().is_none());
}

#[test]
fn what_is_restarted_from_encrypted_files_does_not_come_up_again() {
    let mut world = world();
    let at = server(&world, "game-1");
    let game = world.service(at, "godot-server").unwrap();
    world.order(Order::Encrypt(at, 100)).unwrap();
    run(&mut world, 60);
    assert!(world.containers[game].runs() && !world.serves(at), "its memory is there, and whatever is in it");
    world.order(Order::Restart(game)).unwrap();
    run(&mut world, 60);
    assert!(world.containers[game].restarts > 3 && !world.serves(at), "{:?}", world.containers[game].state);
    assert!(world.containers[game].log.iter().any(|line| line.text.contains("own files")));
}

#[test]
fn a_standby_that_is_started_again_replays() {
    let mut world = world();
    world.order(Order::Stall(true)).unwrap();
    let standby = world.service(world.databases[1].server, "postgres").unwrap();
    let primary = world.service(world.databases[0].server, "postgres").unwrap();
    world.order(Order::Restart(primary)).unwrap();
    assert!(world.databases[1].stalled);
    world.order(Order::Restart(standby)).unwrap();
    assert!(!world.databases[1].stalled);
}

#[test]
fn damaged_pages_fail_who_reads_them_until_another_database_is_in_their_place() {
    let mut world = world();
    let at = server(&world, "game-1");
    world.order(Order::Damage("inventory".to_owned())).unwrap();
    run(&mut world, 30);
    assert!(world.servers[at].failing > 0.1 && world.databases[0].bad_reads > 0.0);
    world.order(Order::Replace(None)).unwrap();
    run(&mut world, 5);
    assert!(world.servers[at].failing < 0.05, "{}", world.servers[at].failing);
    assert!(world.databases.iter().all(|database| database.bad_reads == 0.0), "another one is counted anew");
}
