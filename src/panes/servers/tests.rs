use super::*;

#[test]
fn a_skew_is_written_with_its_sign_and_nothing_is_made_of_a_twitch() {
    let written = |value| figure::text(|out| skew(out, value));
    assert_eq!([0.01, -0.04, 1.26, -12.4, 7200.0].map(written), ["0s", "0s", "+1.3s", "-12s", "+120m"]);
}

#[test]
fn mapped_texts_are_ordered_as_numbers_where_they_are() {
    assert_eq!(by_mapped(Some("9"), Some("10")), Ordering::Less);
    assert_eq!(by_mapped(Some("b"), Some("a")), Ordering::Greater);
    assert_eq!(by_mapped(None, Some("0")), Ordering::Less);
    assert_eq!(by_mapped(Some("x"), Some("0")), Ordering::Less);
}

#[test]
fn the_columns_are_where_their_numbers_say() {
    let title = |column: usize| Servers::COLUMNS[column].title;
    let said = [NAME, STATE, CPU, MEMORY, SWAP, DISK, FULL_IN, LOAD, PER_CORE, WAIT, OOM, SKEW, UP, ROLES].map(title);
    let want = [
        "NAME", "STATE", "CPU", "MEM", "SWAP", "DISK", "FULL IN", "LOAD", "/CORE", "WAIT", "OOM", "SKEW", "UP", "ROLES",
    ];
    assert_eq!(said, want);
    assert_eq!(Servers::COLUMNS.len(), ROLES + 1);
}
