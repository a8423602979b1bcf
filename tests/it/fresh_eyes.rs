//! Attempts to make the program act without a confirmation, or on another target than was shown. docs/safety.md lists them.

use crate::books::Books;
use crate::desk::{docker as engine, insist, lull};
use crate::lab::need;
use crate::lab::postgres::Postgres;
use crate::lab::scripted::{Say, Scripted};
use crate::lab::service::folder;
use crate::lab::sshd::{HOST, Sshd};
use crate::pty::Session;
use crate::support::{LONG, answer, leave, look_at, press};
use serde_json::Value;
use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::Duration;

/// Long enough for a change that was asked for to show.
const QUIET: Duration = Duration::from_secs(1);

/// Keys count again when none came for 0.3 s.
const PAUSE: Duration = Duration::from_millis(400);

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

/// A page whose script leaves a mark on a host, and the config that names it.
fn on_host(sshd: &Sshd) -> (Books, PathBuf) {
    let mark = folder("led-elsewhere").join("mark");
    let mut steps = String::from("### It\n\n```bash run on=box timeout=9s confirm=typed undo=none\nset -eu\n");
    let _ = write!(
        steps,
        "touch {mark}\n```\n\n```bash verify on=box timeout=9s expect=(rc == 0)\nset -eu\ntest -e {mark}\n```\n",
        mark = mark.display()
    );
    let config = format!(
        "environment = \"lab\"\n[ssh.{HOST}]\nhost = \"{HOST}\"\nconfig = \"{}\"\n[[server]]\nname = \"{HOST}\"\n",
        sshd.config().display()
    );
    (Books::new(&config, "", &steps), mark)
}

/// Lines of a client's config for the host, each of which leads elsewhere.
const ELSEWHERE: [&str; 5] =
    ["HostName 127.0.0.9", "User nobody", "Port 9", "ProxyJump hop", "ProxyCommand nc 127.0.0.9 22"];

#[test]
fn a_plans_hash_says_where_ssh_leads_by_its_own_config() {
    let sshd = need!(own_sshd);
    let (books, mark) = on_host(&sshd);
    let refused = |plan: &Value, why: &str| {
        let ran = books.run_plan(plan, &[]);
        assert_eq!((ran.code, mark.exists()), (5, false), "{why}: {}", ran.said);
        assert!(ran.said.contains("the plan is another one"), "{why}: {}", ran.said);
    };
    let plan = books.plan(&[]);
    let address = plan["steps"][0]["address"].as_str().unwrap();
    assert!(address.ends_with(&format!("@127.0.0.1:{}", sshd.port)), "{address}");
    for line in ELSEWHERE {
        sshd.client(line);
        refused(&plan, line);
    }
    // The jump host stays, and leads elsewhere itself.
    let hop = |host: &str| {
        sshd.client("ProxyJump hop");
        sshd.client_block(&format!("Host hop\n  HostName {host}"));
    };
    hop("127.0.0.7");
    let through = books.plan(&[]);
    assert!(through["steps"][0]["address"].as_str().unwrap().contains("127.0.0.7"), "{through}");
    hop("127.0.0.8");
    refused(&through, "another jump host behind its name");
    sshd.client("");
    let ran = books.run_plan(&plan, &[]);
    assert_eq!((ran.code, mark.exists()), (0, true), "{}", ran.said);
}

#[test]
fn a_host_that_ssh_leads_elsewhere_under_an_open_plan_is_not_touched_and_the_plan_is_asked_anew() {
    let sshd = need!(own_sshd);
    let (books, mark) = on_host(&sshd);
    let open = || {
        sshd.client("");
        let mut screen = books.desk.launch().start();
        screen.wait_text("4 Databases");
        look_at(&mut screen, "5", "R plan", "own");
        insist(&mut screen, "R", "plan: Own");
        screen.wait_text(&format!("@127.0.0.1:{}", sshd.port));
        screen.wait_text("to run it type  go on box");
        sshd.wait_masters(1);
        screen
    };
    // Whether its connection still stands or not: one that does leads to another host than the plan is about.
    for (line, stands) in [
        ("HostName 127.0.0.9", true),
        ("User nobody", false),
        ("Port 9", true),
        ("Port 9", false),
        ("ProxyJump hop", true),
    ] {
        let mut screen = open();
        sshd.client(line);
        if !stands {
            sshd.end_sessions();
            sshd.wait_masters(0);
        }
        answer(&mut screen, "go on box");
        screen.wait_text("! box leads to ");
        screen.wait_text("to run it type  go on box");
        screen.never_text("✓ Own", QUIET);
        assert!(!mark.exists(), "{line}");
        press(&mut screen, "\x1b");
        screen.wait_no_text("plan: Own");
        leave(&mut screen);
    }
    let journal = books.desk.run(&["journal", "export"]);
    let journal = String::from_utf8_lossy(&journal.stdout);
    assert!(journal.contains("run.finish") && !journal.contains("step.intent"), "{journal}");
    // What the command line plans at the same moment is the same place: an old connection is not used for a new plan.
    let mut screen = open();
    sshd.client("Hostname localhost");
    press(&mut screen, "\x1b");
    screen.wait_no_text("plan: Own");
    insist(&mut screen, "R", "plan: Own");
    screen.wait_text(&format!("@localhost:{}", sshd.port));
    assert!(books.plan(&[])["steps"][0]["address"].as_str().unwrap().contains("@localhost:"));
    screen.wait_text("to run it type  go on box");
    press(&mut screen, "\x1b");
    screen.wait_no_text("plan: Own");
    sshd.client("");
    insist(&mut screen, "R", "plan: Own");
    screen.wait_text(&format!("@127.0.0.1:{}", sshd.port));
    screen.wait_text("to run it type  go on box");
    answer(&mut screen, "go on box");
    screen.wait_screen("a verdict", LONG, |screen| screen.contents().contains("✓ Own"));
    assert!(mark.exists());
    leave(&mut screen);
}

/// The tables of a config that [`Postgres`] is reached by: another user, and other settings of a session.
fn logins(database: &Postgres) -> [String; 5] {
    let login = |role: &str, with: &str| {
        let dsn = format!("{}?{with}", database.url(role));
        let secret = if role == "qd_act" { "QD_ACT" } else { "QD_READ" };
        format!(
            "environment = \"lab\"\n[postgres.primary]\ndsn = \"{dsn}\"\npassword = {{ env = \"{secret}\" }}\n[runbooks]\npaths = [\"books\"]\n"
        )
    };
    [
        login("qd_act", "sslmode=disable"),
        login("qd_read", "sslmode=disable"),
        login("qd_act", "sslmode=prefer"),
        login("qd_act", "sslmode=disable&options[search_path]=other"),
        login("qd_act", "sslmode=disable&options=-c%20role=qd_read"),
    ]
}

#[test]
fn a_plans_hash_and_an_open_plan_say_who_logs_in_and_with_which_settings() {
    let database = need!(own_postgres);
    database.run("CREATE TABLE things (n int); GRANT ALL ON things TO qd_act, qd_read");
    database.run("CREATE SCHEMA other; CREATE TABLE other.things (n int); GRANT USAGE ON SCHEMA other TO qd_act; GRANT ALL ON other.things TO qd_act");
    let touched = || database.column("SELECT 'x' FROM things UNION ALL SELECT 'y' FROM other.things");
    let step = "### Row\n\n```sql run on=primary timeout=9s confirm=typed undo=none\nINSERT INTO things VALUES (1)\n```\n\n\
        ```sql verify on=primary timeout=9s expect=(rows[0].n == 1)\nSELECT count(*) AS n FROM things\n```\n";
    let books = Books::new("", "", step);
    let [first, others @ ..] = logins(&database);
    books.desk.file("config.toml", &first);
    let plan = books.plan(&[]);
    for other in &others {
        books.desk.file("config.toml", other);
        let ran = books.run_plan(&plan, &[]);
        assert_eq!((ran.code, touched()), (5, Vec::new()), "{other}\n{}", ran.said);
    }
    books.desk.file("config.toml", &first);
    let mut screen = books.desk.launch().start();
    screen.wait_text("4 Databases");
    look_at(&mut screen, "5", "R plan", "own");
    insist(&mut screen, "R", "plan: Own");
    screen.wait_text("to run it type  go on primary");
    for (other, tells) in others.iter().zip(["qd_read@", "", "search_path=other", "role=qd_read"]) {
        screen.send("go on prim");
        screen.wait_text("go on prim");
        fs::rename(books.desk.file("new", other), books.desk.home().join("config.toml")).unwrap();
        screen.wait_screen("another plan", LONG, |screen| {
            let text = screen.contents();
            let other = if tells.is_empty() { !text.contains("sslmode=") } else { text.contains(tells) };
            other && text.contains("this plan was made anew") && text.contains("to run it type  go on primary")
        });
        // The rest of the phrase is none.
        screen.send("ary");
        press(&mut screen, "\r");
        screen.wait_text("that is not");
        assert_eq!(touched(), Vec::<String>::new(), "{other}");
        fs::rename(books.desk.file("new", &first), books.desk.home().join("config.toml")).unwrap();
        screen.wait_screen("the first plan again", LONG, |screen| {
            let text = screen.contents();
            text.contains("qd_act@")
                && text.contains("with sslmode=disable")
                && !text.contains("=qd_read")
                && !text.contains("=other")
        });
        screen.wait_text("to run it type  go on primary");
    }
    answer(&mut screen, "go on primary");
    screen.wait_screen("a verdict", LONG, |screen| screen.contents().contains("✓ Own"));
    leave(&mut screen);
    assert_eq!(touched(), ["x"]);
}

fn open_plan(screen: &mut Session) {
    look_at(screen, "5", "R plan", "own");
    insist(screen, "R", "plan: Own");
    screen.wait_text("y runs it");
}

#[test]
fn what_is_typed_on_into_a_plan_that_is_taken_away_does_nothing_below() {
    let (first, second) = (service(), service());
    let books = books(&first);
    let typed = |service: &Scripted| shop(service) + "[policy]\nlow = \"typed\"\n";
    books.desk.file("config.toml", &typed(&first));
    let mut screen = books.desk.launch().start();
    screen.wait_text("4 Databases");
    look_at(&mut screen, "5", "R plan", "own");
    insist(&mut screen, "R", "plan: Own");
    screen.wait_text("to run it type  go on shop");
    screen.send("go on ");
    let new = books.desk.file("new", &typed(&second));
    fs::rename(new, books.desk.home().join("config.toml")).unwrap();
    // In the pane below it leaves, sorts, filters and opens lists.
    let mut after = 0;
    for key in "q?o/:Pzq".chars().cycle().take(300) {
        screen.send(key.to_string());
        lull(&screen);
        after += usize::from(screen.text().contains("do nothing until none came"));
        if after == 12 {
            break;
        }
    }
    assert_eq!(after, 12, "it was taken away\n{}", screen.text());
    screen.wait_text("this plan was made anew");
    screen.wait_text("to run it type  go on shop");
    let text = screen.text();
    assert!(!text.contains("filter: ") && !text.contains("q?o"), "{text}");
    screen.sees(PAUSE, |_| false);
    answer(&mut screen, "go on shop");
    screen.wait_screen("a verdict", LONG, |screen| screen.contents().contains("✓ Own"));
    leave(&mut screen);
    assert_eq!((changes(&first), changes(&second)), (0, 1));
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
