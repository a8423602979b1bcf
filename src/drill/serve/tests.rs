//! All faces over real sockets, as any client sees them.

use crate::drill::{Drill, Options, Scenario, Size};

fn drill() -> Drill {
    let scenario = Scenario::built_in("steady").unwrap();
    Drill::start(&Options { scenario, seed: 3, size: Size::default(), speed: 1.0, by_hand: false }).unwrap()
}

#[test]
fn a_drill_leaves_nothing_behind() {
    let drill = drill();
    let folder = drill.folder().to_owned();
    assert!(folder.join("game-1.sock").exists() && drill.config().exists());
    drop(drill);
    assert!(!folder.exists());
}
