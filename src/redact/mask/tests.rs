use super::*;
use crate::domain::secret::Secret;
use proptest::prelude::*;

fn mask() -> Mask {
    let secrets = Redactor::default();
    secrets.learn(&Secret::from("opensesame"));
    let patterns = vec![Regex::new(r"\bcust-\d+\b").unwrap()];
    let people = ["alice", "web", "postgres"].map(str::to_owned).into();
    Mask::new(7, patterns, secrets).with_people(people)
}

fn hidden(text: &str) -> String {
    mask().hide(text).unwrap_or_else(|| text.to_owned())
}

/// Marks without their number: `‹addr›`.
fn shown(text: &str) -> String {
    Regex::new("-[0-9a-f]{3}›").unwrap().replace_all(&hidden(text), "›").into_owned()
}

#[test]
fn what_tells_of_people_and_places_is_hidden_and_the_rest_stays() {
    let cases = [
        ("10.0.1.4:9100 is down", "‹addr›:9100 is down"),
        ("[fe80::1%eth0]:22 and ::1", "[‹addr›]:22 and ‹addr›"),
        ("2001:db8::ff00:42:8329", "‹addr›"),
        ("at 12:34:56 std::vec", "at 12:34:56 std::vec"),
        ("00:1B:44:11:3a:b7", "‹mac›"),
        ("http://am-1.internal:9093/api", "http://‹addr›:9093/api"),
        ("http://localhost:9093/api", "http://localhost:9093/api"),
        ("postgres://qd@db-1/app", "postgres://‹addr›/app"),
        ("alice@bastion did it", "‹who› did it"),
        ("bob@example.org", "‹who›"),
        ("user=bob@example.org, login: \"bob@example.org\".", "user=‹who›, login: \"‹who›\"."),
        ("web idle in tx; web-1 and my_web run", "‹who› idle in tx; web-1 and my_web run"),
        ("postgres/primary", "postgres/primary"),
        ("user=bob db=app", "user=‹who› db=app"),
        ("for user \"bob\"", "for user \"‹who›\""),
        ("the user can log in", "the user can log in"),
        ("/home/bob/.ssh/config", "/home/‹who›/.ssh/config"),
        ("ghp_abcdefgh12345678 x", "‹token› x"),
        ("a4f2a9c04f2a9c04f2a9c0 x", "‹token› x"),
        ("matchmaker-service-production-eu-1", "matchmaker-service-production-eu-1"),
        ("say opensesame", "say ‹redacted›"),
        ("cust-4711 pays", "‹hidden› pays"),
        ("it doesn't answer; don't ask", "it doesn't answer; don't ask"),
        ("invalid input 'abc def' here", "invalid input '…' here"),
        ("spacetime/api:2.14.1", "spacetime/api:2.14.1"),
    ];
    for (given, expected) in cases {
        assert_eq!(shown(given), expected, "{given}");
    }
}

#[test]
fn a_statement_keeps_its_shape_without_what_it_is_about() {
    let cases = [
        ("UPDATE players SET name = 'O''Hara' WHERE id = 42", "UPDATE players SET name = '…' WHERE id = …"),
        (
            "select * from t1 where a = E'x\\y' and b = $1 limit 10",
            "select * from t1 where a = E'…' and b = $1 limit …",
        ),
        ("/* api */ SELECT 1.5e3, ''", "/* api */ SELECT …, ''"),
        ("DO $$ begin perform 'x'; end $$", "DO $…$"),
        ("SELECT 'cut off in the mid", "SELECT '…"),
        ("select $tag$a$tag$, $2", "select $…$, $2"),
    ];
    for (given, expected) in cases {
        assert_eq!(hidden(given), expected, "{given}");
    }
}

#[test]
fn the_same_thing_has_the_same_mark_and_another_another() {
    assert_eq!(hidden("10.0.0.1"), hidden("10.0.0.1"));
    assert_ne!(hidden("10.0.0.1"), hidden("10.0.0.2"));
    assert_ne!(hidden("ghp_abcdefgh12345678"), hidden("ghp_abcdefgh12345679"));
    assert_ne!(hidden("cust-1"), hidden("cust-2"));
    let mail = hidden("bob@mail.example.org");
    let inside = Mask { patterns: vec![Regex::new(r"\.example\b").unwrap()], ..mask() };
    for around in ["user=#", "<#>", "...#.", "to \"#\"", "# and", "mailto:#"] {
        let whole = around.replace('#', "bob@mail.example.org");
        assert_eq!(hidden(&whole), around.replace('#', &mail), "{whole}");
        assert_eq!(inside.hide(&whole), Some(around.replace('#', &mail)), "{whole}, of which a pattern finds a part");
    }
}

#[test]
fn what_was_typed_may_be_the_beginning_of_what_is_hidden() {
    let typed = |text: &str| mask().hide_typed(text).unwrap_or_else(|| text.to_owned());
    for text in ["al", "user:ali", "10.0.3.", "!10.0.3", "bob@", "https://am", "fe80::", "x alic y"] {
        assert!(typed(text).contains('‹'), "{text}: {}", typed(text));
    }
    for text in ["svc-01", "cpu>80", "state:run", "mem>1.5G", "api|db", "!timeout", "a", "12:34"] {
        assert_eq!(typed(text), text);
    }
    assert_ne!(Mask::new(8, Vec::new(), Redactor::default()).hide("10.0.0.1"), mask().hide("10.0.0.1"));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(
        text in "(\\PC|'|\\$|::|[0-9]{1,3}\\.|://|@|select |user=|E'|\n){0,40}"
    ) {
        hidden(&hidden(&text));
    }

    #[test]
    fn an_address_never_survives(a in 1u8..255, b: u8, c: u8, d: u8, around in "[ ,;()\\[\\]='/]{0,3}") {
        let address = format!("{a}.{b}.{c}.{d}");
        let text = format!("x {around}{address}{around} y");
        prop_assert!(!hidden(&text).contains(&address), "{}", text);
    }
}
