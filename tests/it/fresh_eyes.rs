//! Attempts to make the program act without a confirmation, or on another target than was shown. docs/safety.md lists them.

use crate::books::Books;
use crate::desk::{docker as engine, insist};
use crate::lab::need;
use crate::lab::scripted::{Say, Scripted};
use crate::lab::service::folder;
use crate::pty::Session;
use crate::support::{LONG, leave, look_at, press};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

/// Long enough for a change that was asked for to show.
const QUIET: Duration = Duration::from_secs(1);

const POSTS: &str = "### It\n\n```http run on=shop timeout=5s undo=none\nPOST /change\n```\n\n```http verify on=shop timeout=5s expect=(status == 200)\nGET /\n```\n";

fn shop(service: &Scripted) -> String {
    format!(
        "environment = \"lab\"\n[http.shop]\nurl = \"http://127.0.0.1:{}\"\n[runbooks]\npaths = [\"books\"]\n",
        service.port()
    )
}

fn service() -> Scripted {
    Scripted::start(|_| Say::good("{\"ok\": true}"))
}

fn changes(service: &Scripted) -> usize {
    service.requests().iter().filter(|request| request.starts_with("POST")).count()
}

/// With the config whose only service this is.
fn books(service: &Scripted) -> Books {
    let books = Books::new("", "", POSTS);
    books.desk.file("config.toml", &shop(service));
    books
}

#[test]
fn a_plans_hash_says_where_it_goes() {
    let (first, second) = (service(), service());
    let books = books(&first);
    let plan = books.plan(&[]);
    books.desk.file("config.toml", &shop(&second));
    let ran = books.run_plan(&plan, &[]);
    assert_eq!((ran.code, changes(&first), changes(&second)), (5, 0, 0), "{}", ran.said);
    assert!(ran.said.contains("the plan is another one"), "{}", ran.said);
    // An environment that names another address is another plan too.
    books.desk.file("staging.toml", &format!("[http.shop]\nurl = \"http://127.0.0.1:{}\"\n", first.port()));
    let plan = books.plan(&[]);
    let ran = books.run_plan(&plan, &["--env", "staging"]);
    assert_eq!((ran.code, changes(&first), changes(&second)), (5, 0, 0), "{}", ran.said);
    let ran = books.run_plan(&plan, &[]);
    assert_eq!((ran.code, changes(&first), changes(&second)), (0, 0, 1), "{}", ran.said);
}

#[test]
fn another_page_other_values_or_a_stricter_policy_are_another_plan() {
    let service = service();
    let front = "params:\n  - {name: x, type: string, many: true, default: [a]}\n";
    let steps = POSTS.replace("POST /change\n", "POST /change?x={{ x[0] }}\n");
    let books = Books::new("", front, &steps);
    books.desk.file("config.toml", &shop(&service));
    let plan = books.plan(&["--var", "x=a,b"]);
    for vars in [&["--var", "x=a"][..], &["--var", "x=b,a"], &["--var", "x=a,b,c"], &[]] {
        assert_eq!(books.run_plan(&plan, vars).code, 5, "{vars:?}");
    }
    books.write(front, &steps.replace("/change", "/other"));
    assert_eq!(books.run_plan(&plan, &["--var", "x=a,b"]).code, 5, "the page changed");
    books.write(front, &steps);
    books.desk.file("config.toml", &(shop(&service) + "[policy]\nlow = \"typed\"\n"));
    assert_eq!(books.run_plan(&plan, &["--var", "x=a,b"]).code, 5, "the policy changed");
    assert_eq!(changes(&service), 0);
    books.desk.file("config.toml", &shop(&service));
    assert_eq!((books.run_plan(&plan, &["--var", "x=a,b"]).code, changes(&service)), (0, 1));
}

#[test]
fn a_container_of_the_same_name_is_another_one() {
    let docker = need!(docker);
    let old = docker.container("twin").start();
    let name = old.name.clone();
    let step = "### It\n\n```docker run on=$container timeout=20s undo=none\ndocker stop -t 1 $container\n```\n\n\
        ```docker verify on=$container timeout=10s expect=(!container.State.Running)\ndocker inspect $container\n```\n";
    let books =
        Books::new(&engine("lab", &docker.host(), "1s"), "params:\n  - {name: container, type: container}\n", step);
    let var = format!("container=lab/{name}");
    let plan = books.plan(&["--var", &var]);
    drop(old);
    let new = docker.container("twin").named(&name).start();
    let before = new.started_at();
    let ran = books.run_plan(&plan, &["--var", &var]);
    assert_eq!(ran.code, 5, "{}", ran.said);
    assert_eq!((new.state().as_str(), new.started_at()), ("running", before));
}

#[test]
fn a_page_that_others_can_change_is_no_runbook_however_it_is_reached() {
    let service = service();
    let books = books(&service);
    let (open, page) = (folder("open"), books.desk.home().join("books/own.md"));
    let text = fs::read_to_string(&page).unwrap();
    let outside = open.join("own.md");
    fs::write(&outside, &text).unwrap();
    fs::remove_file(&page).unwrap();
    symlink(&outside, &page).unwrap();
    let refused = |why: &str| {
        let told = books.refusal(&[]);
        assert!(told.contains("there is no runbook") && told.contains("chmod go-w"), "{why}: {told}");
    };
    fs::set_permissions(&outside, Permissions::from_mode(0o666)).unwrap();
    refused("a link to a file that others can write");
    fs::set_permissions(&outside, Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    refused("a link into a folder that others can write");
    fs::set_permissions(&open, Permissions::from_mode(0o755)).unwrap();
    let books_folder = books.desk.home().join("books");
    fs::set_permissions(&books_folder, Permissions::from_mode(0o777)).unwrap();
    refused("a folder that others can write");
    fs::set_permissions(&books_folder, Permissions::from_mode(0o755)).unwrap();
    assert!(books.plan(&[])["hash"].is_string(), "and when nobody else can, it is one");
    assert_eq!(changes(&service), 0);
}

fn open_plan(screen: &mut Session) {
    look_at(screen, "5", "R plan", "own");
    insist(screen, "R", "plan: Own");
    screen.wait_text("y runs it");
}

#[test]
fn a_config_that_changes_under_an_open_plan_makes_it_anew_and_the_answer_is_for_what_is_shown() {
    let (first, second) = (service(), service());
    let books = books(&first);
    let mut screen = books.desk.launch().start();
    screen.wait_text("4 Databases");
    open_plan(&mut screen);
    screen.wait_text(&format!("127.0.0.1:{}", first.port()));
    let new = books.desk.file("new", &shop(&second));
    fs::rename(new, books.desk.home().join("config.toml")).unwrap();
    screen.wait_text("this plan was made anew");
    screen.wait_text(&format!("127.0.0.1:{}", second.port()));
    screen.wait_text("y runs it");
    assert_eq!((changes(&first), changes(&second)), (0, 0));
    press(&mut screen, "\x1b");
    screen.wait_no_text("plan: Own");
    // A config that says the same of everything that a runbook reaches leaves a plan as it is.
    open_plan(&mut screen);
    let new = books.desk.file("new", &(shop(&second) + "[screen]\nmouse = false\n"));
    fs::rename(new, books.desk.home().join("config.toml")).unwrap();
    screen.wait_text("config read again");
    screen.wait_text("y runs it");
    press(&mut screen, "y");
    screen.wait_screen("a verdict", LONG, |screen| screen.contents().contains("✓ Own"));
    leave(&mut screen);
    assert_eq!((changes(&first), changes(&second)), (0, 1));
}

#[test]
fn clicks_wheels_and_a_new_size_answer_no_plan() {
    let service = service();
    let books = books(&service);
    let mut screen = books.desk.launch().start();
    screen.wait_text("4 Databases");
    open_plan(&mut screen);
    for row in (1..45).step_by(3) {
        for column in (1..160).step_by(13) {
            for button in [0, 2, 64] {
                screen.send(format!("\x1b[<{button};{column};{row}M\x1b[<{button};{column};{row}m"));
            }
        }
    }
    for (columns, rows) in [(80, 24), (40, 12), (160, 45)] {
        screen.resize(columns, rows);
        screen.never_text("✓ Own", Duration::from_millis(200));
    }
    screen.never_text("✓ Own", QUIET);
    assert_eq!(changes(&service), 0);
    // All of these are gone, and so are those that were typed into them.
    screen.send("yyyy\r\r");
    screen.never_text("✓ Own", QUIET);
    assert_eq!(changes(&service), 0, "a burst is no answer");
}

#[test]
fn what_was_typed_ahead_on_the_command_line_is_no_answer() {
    let service = service();
    let books = books(&service);
    for ahead in ["y\r", "y\ry\ry\ryes\r"] {
        let mut screen = books.desk.launch().args(&["runbook", "run", "own"]).start();
        screen.send(ahead);
        screen.wait_text("run it? y, or anything else to leave:");
        // What comes with the question was not typed by somebody who has read it.
        screen.send("y\r");
        screen.never_text("do/it", QUIET);
        assert_eq!(changes(&service), 0, "{}", screen.text());
        press(&mut screen, "no\r");
        screen.wait_text("refused, and nothing was done");
        screen.wait_exit();
    }
    assert_eq!(changes(&service), 0);
}

#[test]
fn an_answer_on_the_command_line_is_for_a_plan_that_somebody_has_seen() {
    let service = service();
    let books = books(&service);
    let mut screen = books.desk.launch().args(&["runbook", "run", "own", "--confirm", "y"]).start();
    screen.wait_text("run it? y, or anything else to leave:");
    screen.never_text("do/it", QUIET);
    assert_eq!(changes(&service), 0, "{}", screen.text());
    press(&mut screen, "y\r");
    screen.wait_text(" ok ");
    assert!(screen.wait_exit().success());
    assert_eq!(changes(&service), 1);
}
