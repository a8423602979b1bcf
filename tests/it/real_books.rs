//! Runbooks on the real thing that nothing else tries: as another user, images that come and go, hosts behind others and under another key.

use crate::books::Books;
use crate::desk;
use crate::lab::docker::IMAGE;
use crate::lab::service::folder;
use crate::lab::sshd::{HOST, Sshd};
use crate::lab::{is_root, need, program};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

/// A folder in which everybody may write.
fn open_folder() -> PathBuf {
    let folder = folder("open");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o1777)).unwrap();
    folder
}

fn config_of(sshd: &Sshd) -> String {
    format!("[ssh.{HOST}]\nhost = \"{HOST}\"\nconfig = \"{}\"\n", sshd.config().display())
}

/// What sudo needs: to be there, and somebody who may use it without a password.
fn sudo() -> Result<(), String> {
    let found = program(&["sudo"], &[]).ok_or("sudo is not installed (sudo)")?;
    if is_root() { Ok(()) } else { Err(format!("root, who uses {} without a password", found.display())) }
}

#[test]
fn sudo_is_root_sudo_of_a_user_is_that_user_and_one_who_is_nobody_begins_nothing() {
    if let Err(why) = sudo() {
        return crate::lab::skip(
            "it::real_books::sudo_is_root_sudo_of_a_user_is_that_user_and_one_who_is_nobody_begins_nothing",
            &why,
        );
    }
    let sshd = need!(own_sshd);
    let folder = open_folder();
    let step = |title: &str, on: &str, sudo: &str| {
        let file = folder.join(title);
        let file = file.display();
        format!(
            "### {title}\n\n```bash run on={on} timeout=20s undo=none {sudo}\nset -eu\nprintf '%s %s' \"$(id -un)\" \"$word\" > {file}\n```\n\n\
             ```bash verify on={on} timeout=20s {sudo}\nset -eu\ntest -s {file}\n: \"$word\"\n```\n\n"
        )
    };
    let steps =
        [step("root", "local", "sudo"), step("other", "local", "sudo=nobody"), step("there", HOST, "sudo=nobody")]
            .concat();
    let books = Books::new(&config_of(&sshd), "params:\n  - {name: word, type: string}\n", &steps);
    let vars = ["--var", "word=it's $HOME"];
    let shown = books.refusal(&vars);
    assert!(shown.contains("# runs as nobody") && shown.contains("# runs as root"), "{shown}");
    let ran = books.run(&vars);
    assert_eq!(ran.code, 0, "{}", ran.said);
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(
        [read("root"), read("other"), read("there")],
        ["root it's $HOME", "nobody it's $HOME", "nobody it's $HOME"]
    );
    assert_ne!(fs::metadata(folder.join("other")).unwrap().uid(), 0);
    books.write(
        "",
        &step("gone", "local", "sudo=no-such-user")
            .replace(" \"$word\"", "")
            .replace("%s %s", "%s")
            .replace("\n: \"$word\"", ""),
    );
    let ran = books.run(&[]);
    assert!(
        ran.code == 1 && ran.said.contains("the script did not begin") && ran.said.contains("no-such-user"),
        "{}",
        ran.said
    );
    assert!(!folder.join("gone").exists());
}

#[test]
fn a_script_as_another_user_is_ended_with_all_that_it_began() {
    if let Err(why) = sudo() {
        return crate::lab::skip("it::real_books::a_script_as_another_user_is_ended_with_all_that_it_began", &why);
    }
    let folder = open_folder();
    let pid = folder.join("pid");
    let steps = format!(
        "### It\n\n```bash run on=local timeout=2s undo=none sudo=nobody\nset -eu\nsleep 300 &\necho $! > {}\nwait\n```\n\n\
         ```bash verify on=local timeout=5s\nset -eu\nfalse\n```\n",
        pid.display()
    );
    let books = Books::new("", "", &steps);
    let ran = books.run(&[]);
    assert!(
        ran.code == 1 && ran.said.contains("was ended half-way after 2s, and nothing of it is left"),
        "{}",
        ran.said
    );
    let stat =
        fs::read_to_string(format!("/proc/{}/stat", fs::read_to_string(pid).unwrap().trim())).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
}

#[test]
fn an_image_is_pulled_and_one_that_is_not_there_is_not() {
    let docker = need!(docker);
    let registry = need!(own_registry(docker));
    let image = format!("127.0.0.1:{}/lab/tool:1", registry.port);
    docker.cli(&["tag", IMAGE, &image]);
    docker.cli(&["push", "-q", &image]);
    docker.cli(&["rmi", &image]);
    let there = || docker.cli(&["images", "-q", &image]);
    assert_eq!(there(), "");
    let step = "### It\n\n```docker run on=lab timeout=60s undo=none\ndocker pull $image\n```\n\n\
        ```docker verify on=lab timeout=10s expect=(rows.size() >= 0)\ndocker ps\n```\n";
    let books =
        Books::new(&desk::docker("lab", &docker.host(), "1s"), "params:\n  - {name: image, type: string}\n", step);
    let ran = books.run(&["--var", &format!("image={image}")]);
    assert_eq!(ran.code, 0, "{}", ran.said);
    assert_ne!(there(), "", "{}", ran.said);
    assert!(
        ran.said.contains("| Pulling from lab/tool") || ran.said.contains(": Pulling from lab/tool"),
        "{}",
        ran.said
    );
    assert!(ran.said.contains("Digest: sha256:"), "{}", ran.said);
    docker.cli(&["rmi", &image]);
    let ran = books.run(&["--var", &format!("image={image}-none")]);
    assert_eq!(ran.code, 1, "{}", ran.said);
    assert!(ran.said.contains("the engine refused") || ran.said.contains("not found"), "{}", ran.said);
}

/// In an engine of the lab's own, so that nobody else's images go.
#[test]
fn images_without_a_name_are_pruned_and_no_others() {
    let engine = &need!(tls_docker).docker;
    let archive = crate::lab::docker::busybox_archive().unwrap();
    let nameless = engine.cli(&["import", archive.to_str().unwrap()]);
    let images = || engine.cli(&["images", "-aq", "--no-trunc"]);
    assert!(images().contains(&nameless));
    let step = "### It\n\n```docker run on=lab timeout=60s undo=none\ndocker image prune\n```\n\n\
        ```docker verify on=lab timeout=10s expect=(rows.size() >= 0)\ndocker ps\n```\n";
    let books = Books::new(&desk::docker("lab", &engine.host(), "1s"), "", step);
    let plan = books.plan(&[]);
    assert!(images().contains(&nameless), "a plan prunes nothing");
    let ran = books.run_plan(&plan, &[]);
    assert_eq!(ran.code, 0, "{}", ran.said);
    assert!(!images().contains(&nameless));
    assert_eq!(engine.cli(&["image", "inspect", "--format", "{{index .RepoTags 0}}", IMAGE]), IMAGE);
}

const TOUCHES: &str = "### It\n\n```bash run on=HOST timeout=20s undo=none\nset -eu\necho once >> \"$file\"\n```\n\n\
    ```bash verify on=HOST timeout=20s\nset -eu\ntest -e \"$file\"\n```\n";
const FILE: &str = "params:\n  - {name: file, type: string}\n";

#[test]
fn a_host_behind_another_one_is_reached_and_its_jump_host_asks_nothing() {
    let sshd = need!(own_sshd);
    // The same server twice, under two names: the second only through the first.
    sshd.client_block(&format!(
        "Host inner\n  HostName 127.0.0.1\n  Port {}\n  ProxyJump {HOST}\n  User {}",
        sshd.port,
        whoami()
    ));
    let config = format!("[ssh.inner]\nhost = \"inner\"\nconfig = \"{}\"\n", sshd.config().display());
    let file = folder("jump").join("file");
    let books = Books::new(&config, FILE, &TOUCHES.replace("HOST", "inner"));
    let var = format!("file={}", file.display());
    let ran = books.run(&["--var", &var]);
    assert_eq!(ran.code, 0, "{}", ran.said);
    assert_eq!(fs::read_to_string(&file).unwrap(), "once\n");
    // The one in between is nobody that is known any more.
    sshd.distrust();
    let ran = books.run(&["--var", &var]);
    assert!(ran.code == 1 && ran.said.contains("known_hosts"), "{}", ran.said);
    assert_eq!(fs::read_to_string(&file).unwrap(), "once\n", "{}", ran.said);
}

#[test]
fn a_host_under_another_key_is_refused_with_what_where_and_how_to_mend() {
    let sshd = need!(own_sshd);
    let file = folder("key").join("file");
    let books = Books::new(&config_of(&sshd), FILE, &TOUCHES.replace("HOST", HOST));
    let var = format!("file={}", file.display());
    sshd.distrust();
    let ran = books.run(&["--var", &var]);
    assert_eq!(ran.code, 1, "{}", ran.said);
    assert!(!file.exists());
    for word in [HOST, "key", "known_hosts", "ssh-keygen -R"] {
        assert!(ran.said.contains(word), "{word}: {}", ran.said);
    }
    sshd.trust();
    let ran = books.run(&["--var", &var]);
    assert_eq!((ran.code, fs::read_to_string(&file).unwrap().as_str()), (0, "once\n"), "{}", ran.said);
}

#[test]
fn each_step_goes_to_its_own_host_and_to_no_other() {
    let (first, second) = (need!(own_sshd), need!(own_sshd));
    let config = [("a", &first), ("b", &second)]
        .map(|(name, sshd)| format!("[ssh.{name}]\nhost = \"{HOST}\"\nconfig = \"{}\"\n", sshd.config().display()))
        .concat();
    let folder = open_folder();
    let step = |name: &str| {
        let file = folder.join(name);
        format!(
            "### On {name}\n\n```bash run on={name} timeout=20s undo=none\nset -eu\nprintf '%s' \"$SSH_CONNECTION\" > {file}\n```\n\n\
             ```bash verify on={name} timeout=20s\nset -eu\ntest -s {file}\n```\n\n",
            file = file.display()
        )
    };
    let books = Books::new(&config, "", &[step("a"), step("b")].concat());
    let ran = books.run(&[]);
    assert_eq!(ran.code, 0, "{}", ran.said);
    for (name, sshd) in [("a", &first), ("b", &second)] {
        let said = fs::read_to_string(folder.join(name)).unwrap();
        assert!(said.ends_with(&format!(" {}", sshd.port)), "{name}: {said}");
    }
}

fn whoami() -> String {
    let output = std::process::Command::new("id").arg("-un").output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_secret_that_is_not_there_is_told_by_its_name_and_with_its_mend() {
    let step = "### It\n\n```bash run on=local timeout=5s undo=none vars=(token)\nset -eu\n: \"$token\"\n```\n\n```bash verify on=local timeout=5s\nset -eu\n```\n";
    let front = "secrets: [token]\n";
    let home = folder("secrets");
    let empty = home.join("empty");
    fs::write(&empty, "\n").unwrap();
    fs::set_permissions(&empty, fs::Permissions::from_mode(0o600)).unwrap();
    let cases = [
        (String::new(), vec!["no [secret.token] in the config", "one of env, command or file"]),
        (
            "[secret.tokne]\nenv = \"X\"\n".to_owned(),
            vec!["no [secret.token] in the config", "did you mean \"tokne\"?"],
        ),
        ("[secret.token]\nenv = \"NO_SUCH\"\n".to_owned(), vec!["[secret.token]", "NO_SUCH is not set, or empty"]),
        (
            format!("[secret.token]\nfile = \"{}\"\n", empty.display()),
            vec!["[secret.token]", "is empty", "write the secret there"],
        ),
        ("[secret.token]\ncommand = \"exit 3\"\n".to_owned(), vec!["[secret.token]", "ended with 3"]),
    ];
    for (config, wanted) in cases {
        let books = Books::new(&config, front, step);
        let told = books.refusal(&[]) + &books.run(&[]).said;
        for word in wanted {
            assert!(told.contains(word), "{config}{word}: {told}");
        }
    }
}
