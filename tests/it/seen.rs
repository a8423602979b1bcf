//! What a scene shows, in tests: what is on the screen, what is not, and how the cursor gets to a row.

use crate::dump;
use crate::scene::Scene;
use crossterm::event::KeyCode;

/// What is on the screen, as text.
pub fn shown(scene: &mut Scene) -> String {
    dump::text(&scene.paint())
}

/// All of these are on the screen.
pub fn has(scene: &mut Scene, words: &[&str]) {
    let shown = shown(scene);
    for word in words {
        assert!(shown.contains(word), "{word:?} is not in\n{shown}");
    }
}

/// That is not on the screen.
pub fn has_not(scene: &mut Scene, word: &str) {
    let shown = shown(scene);
    assert!(!shown.contains(word), "{word:?} is in\n{shown}");
}

/// Puts the cursor of the focused pane on a row by filtering for it, and clears the filter again.
pub fn find(scene: &mut Scene, word: &str) {
    scene.keys("/");
    scene.keys(word);
    scene.key(KeyCode::Enter);
    scene.paint();
    scene.key(KeyCode::Esc);
}
