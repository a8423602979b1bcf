//! What a real Debian and a real busybox told, and what nobody should tell.

use super::there::understand;
use super::*;
use proptest::prelude::*;

const ANSWERS: [&str; 2] = [
    include_str!("../../../tests/fixtures/processes/coreutils.txt"),
    include_str!("../../../tests/fixtures/processes/busybox.txt"),
];

fn read(text: &str) -> Processes {
    understand(text, &Redactor::default()).unwrap()
}

fn named<'a>(found: &'a Processes, name: &str) -> &'a Process {
    found.list.iter().find(|process| process.name == name).unwrap_or_else(|| panic!("no {name:?} in {found:#?}"))
}

#[test]
fn real_answers_are_read_whatever_the_processes_call_themselves() {
    for text in ANSWERS {
        let found = read(text);
        assert_eq!((found.total, found.hangs, found.measured), (found.list.len(), false, false));
        assert!(found.notes.is_empty() && found.boot.as_ref().is_some_and(|boot| boot.len() == 36), "{found:?}");
        let odd = named(&found, "a) S 1 (b");
        assert_eq!((odd.pid, odd.state, odd.user.as_str()), (2, 'S', "root"));
        assert!(odd.command.as_ref().unwrap().ends_with("a) S 1 (b 300"), "{odd:?}");
        assert_eq!(named(&found, "x\n1 (init) R").pid, 3, "a line break in a name makes no other process");
        assert_eq!((found.count('D'), found.count('Z')), (1, 1));
        let zombie = found.list.iter().find(|process| process.state == 'Z').unwrap();
        assert_eq!((zombie.memory, zombie.command.as_ref()), (None, None));
        let first = found.list.iter().find(|process| process.pid == 1).unwrap();
        assert!(first.memory.unwrap() > 1 << 20 && first.age < Duration::from_secs(30), "{first:?}");
    }
}

#[test]
fn a_command_line_tells_no_password_and_none_that_is_claimed_twice_is_believed() {
    for text in ANSWERS {
        let found = read(text);
        let command = |pid: i32| found.list.iter().find(|process| process.pid == pid).unwrap().command.clone();
        let app = named(&found, "app --password ");
        assert_eq!(app.command.as_deref(), Some("app --password ‹redacted› --listen 80"));
        assert_eq!(command(1), None, "another process says in its arguments what the first one is called");
        assert!(!format!("{found:?}").contains("hunter2"));
    }
}

#[test]
fn an_answer_that_breaks_off_is_as_good_as_far_as_it_came() {
    let whole = read(ANSWERS[0]);
    let at = ANSWERS[0].find("@@ command-lines").unwrap();
    let cut = read(&ANSWERS[0][..at]);
    assert_eq!((cut.list.len(), cut.hangs, cut.notes.len()), (whole.list.len(), true, 1));
    assert!(cut.list.iter().all(|process| process.command.is_none()));
    let killed = ANSWERS[0].replace("status-of-command-lines 1", "status-of-command-lines 137");
    assert!(read(&killed).hangs);
    for text in ["", "nothing", "@@ uptime\n", "@@ uptime 1.0\n@@ stat\n", "@@ uptime x y\n@@ stat\n1 (a) S 0\n"] {
        assert_eq!(understand(text, &Redactor::default()), None, "{text:?}");
    }
}

#[test]
fn who_sees_only_his_own_is_told_so() {
    let own = ANSWERS[0].replace("\n1 (dash)", "\n100 (dash)");
    assert!(read(&own).notes[0].contains("hidepid"));
}

#[test]
fn a_long_command_line_ends_before_the_argument_that_was_cut() {
    let line = |args: &[&str]| {
        let mut bytes = args.join("\0").into_bytes();
        bytes.truncate(LONGEST);
        command(&bytes, &Redactor::default()).unwrap()
    };
    let filler = "x".repeat(LONGEST - 30);
    assert_eq!(line(&["app", &filler, "postgres://web:hunter2@database/app-and-more"]), format!("app {filler} …"));
    let title = format!("postgres: web {filler} hunter2hunter2hunter2hunter2");
    assert_eq!(line(&[&title]), format!("postgres: web {filler} …"));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        parts in proptest::collection::vec(
            "@@ (uptime 1.5|boot x|total 9|stat|users-and-memory|names-of-users|command-lines)|[0-9]{1,9} \\([a-z() ]{0,9}\\) S( [0-9]{1,20}){0,22}\
             |[0-9]{1,4}/status:(Uid|VmRSS):\t[0-9]{1,20}( kB)?|==> /proc/[0-9]{1,12}/cmdline <==|[ -~é\0]{0,30}",
            0..20,
        ),
    ) {
        let redactor = Redactor::default();
        let _ = stat(&String::from_utf8_lossy(&bytes));
        let _ = command(&bytes, &redactor);
        let _ = understand(&String::from_utf8_lossy(&bytes), &redactor);
        let _ = understand(&format!("@@ uptime 1.5\n{}", parts.join("\n")), &redactor);
    }

    #[test]
    fn any_cut_and_any_flipped_byte_of_a_real_answer_is_survived(at in 0usize..3000, byte in any::<u8>()) {
        for text in ANSWERS {
            let mut bytes = text.as_bytes().to_vec();
            let at = at.min(bytes.len() - 1);
            let _ = understand(&String::from_utf8_lossy(&bytes[..at]), &Redactor::default());
            bytes[at] = byte;
            let _ = understand(&String::from_utf8_lossy(&bytes), &Redactor::default());
        }
    }
}
