//! The way out over SSH, on a real sshd: one connection for all, what fails says why, and nothing is left behind.

use crate::lab::fault::Hung;
use crate::lab::service::{folder, free_port};
use crate::lab::sshd::{HOST, Sshd};
use crate::lab::{need, poll};
use quarterdeck::connect::ssh::{Ended, Job};
use quarterdeck::connect::{Connections, Ssh};
use quarterdeck::domain::SourceError;
use rustix::process::{Signal, kill_process};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);

/// The connection to a lab's server, and what closes it.
fn connect(sshd: &Sshd) -> (Connections, Arc<Ssh>) {
    connect_to(sshd, HOST)
}

fn connect_to(sshd: &Sshd, host: &str) -> (Connections, Arc<Ssh>) {
    let mut connections = Connections::default();
    let ssh = connections.add_ssh(host, Some(&sshd.config())).unwrap();
    (connections, ssh)
}

async fn say(ssh: &Ssh, words: &[&str]) -> String {
    let output = ssh.run(&Job::argv(words, LIMIT)).await.unwrap();
    assert_eq!(output.ended, Ended::Exit(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn failure(ssh: &Ssh) -> SourceError {
    ssh.run(&Job::argv(&["true"], LIMIT)).await.unwrap_err()
}

#[tokio::test]
async fn a_command_ends_as_it_ends_there() {
    let sshd = need!(own_sshd);
    let (connections, ssh) = connect(&sshd);
    assert_eq!(say(&ssh, &["printf", "%s|", "a b", "$HOME", "it's", "-n"]).await, "a b|$HOME|it's|-n|");
    let script = "echo \"$#:$1\" >&2; exit 3";
    let output = ssh.run(&Job::script(script, &["x y"], LIMIT)).await.unwrap();
    assert_eq!(output.ended, Ended::Exit(3));
    assert_eq!(output.stderr, b"1:x y\n");
    let output = ssh.run(&Job::argv(&["no-such-program"], LIMIT)).await.unwrap();
    assert_eq!(output.ended, Ended::Exit(127));
    let output = ssh.run(&Job::script("kill -KILL $$", &[], LIMIT)).await.unwrap();
    assert_eq!(output.ended, Ended::Killed);
    connections.close().await;
}

#[tokio::test]
async fn what_runs_there_goes_on_when_the_line_breaks() {
    let sshd = need!(own_sshd);
    let (connections, ssh) = connect(&sshd);
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let script = format!("touch '{}'; sleep 2; touch '{}'", at("began").display(), at("ended").display());
    let job = tokio::spawn(async move { ssh.run(&Job::script(&script, &[], LIMIT)).await });
    let there = |name: &str| {
        let path = at(name);
        tokio::task::spawn_blocking(move || crate::lab::poll(LIMIT, || path.exists().then_some(())))
    };
    assert!(there("began").await.unwrap().is_some());
    sshd.break_lines();
    assert!(job.await.unwrap().is_err());
    assert!(there("ended").await.unwrap().is_some());
    connections.close().await;
}

#[tokio::test]
async fn what_is_too_long_is_cut_and_what_takes_too_long_is_given_up() {
    let sshd = need!(own_sshd);
    let (connections, ssh) = connect(&sshd);
    let job = Job::script("head -c 3000000 /dev/zero; exit 7", &[], LIMIT).keep(1000);
    let output = ssh.run(&job).await.unwrap();
    assert_eq!((output.ended, output.stdout.len(), output.cut), (Ended::Exit(7), 1000, true));
    let job = Job::script("echo so far; exec sleep 60", &[], Duration::from_secs(4));
    let (started, output) = (Instant::now(), ssh.run(&job).await.unwrap());
    assert_eq!((output.ended, output.cut), (Ended::GivenUp, false));
    assert_eq!(output.stdout, b"so far\n");
    assert!(started.elapsed() < LIMIT);
    connections.close().await;
}

#[tokio::test]
async fn all_share_one_connection_and_closing_leaves_none() {
    let sshd = need!(own_sshd);
    let mut connections = Connections::default();
    let first = connections.add_ssh(HOST, Some(&sshd.config())).unwrap();
    let second = connections.add_ssh(&format!("ssh://{HOST}"), Some(&sshd.config())).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    let jobs = (0..8).map(|number| {
        let ssh = Arc::clone(&first);
        async move { assert_eq!(say(&ssh, &["printf", &number.to_string()]).await, number.to_string()) }
    });
    futures_util::future::join_all(jobs).await;
    assert_eq!(sshd.masters().len(), 1);
    connections.close().await;
    sshd.wait_masters(0);
    assert!(failure(&first).await.what.ends_with("quarterdeck is leaving"));
}

#[tokio::test]
async fn a_connection_that_nobody_holds_any_more_is_closed() {
    let sshd = need!(own_sshd);
    let (connections, ssh) = connect(&sshd);
    say(&ssh, &["true"]).await;
    sshd.wait_masters(1);
    drop((connections, ssh));
    sshd.wait_masters(0);
}

#[tokio::test]
async fn an_ssh_that_was_stopped_here_is_given_up_too() {
    let sshd = need!(own_sshd);
    let (connections, ssh) = connect(&sshd);
    say(&ssh, &["true"]).await;
    let stopped = sshd.masters()[0];
    kill_process(stopped, Signal::STOP).unwrap();
    assert_eq!(say(&ssh, &["echo", "anew"]).await, "anew\n");
    assert_eq!(sshd.masters().len(), 2);
    kill_process(stopped, Signal::CONT).unwrap();
    sshd.wait_masters(1);
    connections.close().await;
    sshd.wait_masters(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn giving_up_while_connecting_leaves_nothing() {
    let sshd = need!(own_sshd);
    sshd.hang();
    let (connections, ssh) = connect(&sshd);
    let error = ssh.run(&Job::argv(&["true"], Duration::from_millis(500))).await.unwrap_err();
    assert_eq!(error.what, format!("SSH to {HOST}: no connection within 0.5 s"));
    sshd.wait_masters(0);
    let connecting = tokio::spawn(async move { failure(&ssh).await });
    poll(LIMIT, || (sshd.masters().len() == 1).then_some(())).unwrap();
    connections.close().await;
    assert!(connecting.await.unwrap().what.ends_with("quarterdeck is leaving"));
    sshd.wait_masters(0);
}

#[tokio::test]
async fn each_way_of_not_getting_in_is_told_with_its_mend() {
    let mut sshd = need!(own_sshd);
    let (_connections, ssh) = connect(&sshd);
    let host = format!("[127.0.0.1]:{}", sshd.port);
    sshd.forget();
    let error = failure(&ssh).await;
    assert_eq!(error.what, format!("SSH to {HOST}: the host key of {host} is not in known_hosts"));
    assert!(error.hint.contains(&format!("`ssh-keyscan -p {} 127.0.0.1`", sshd.port)), "{}", error.hint);
    assert!(error.hint.contains(&format!("ssh -F {} {HOST}", sshd.config().display())), "{}", error.hint);
    sshd.distrust();
    let error = failure(&ssh).await;
    assert!(error.what.contains("its host key is not the known one"), "{}", error.what);
    assert!(error.hint.contains(&format!("ssh-keygen -R '{host}' -f '")), "{}", error.hint);
    sshd.trust();
    sshd.turn_away();
    let error = failure(&ssh).await;
    assert!(error.what.ends_with("was refused (publickey)"), "{}", error.what);
    assert!(error.hint.contains("ssh-add -l") && error.hint.contains("IdentityFile"), "{}", error.hint);
    sshd.admit();
    sshd.stop();
    let error = failure(&ssh).await;
    assert_eq!(error.what, format!("SSH to {HOST}: nothing listens on its SSH port"));
    sshd.run().unwrap();
    assert_eq!(say(&ssh, &["echo", "back"]).await, "back\n");
}

#[tokio::test]
async fn each_way_of_not_reaching_it_is_told_with_its_mend() {
    let sshd = need!(own_sshd);
    let hung = Hung::tcp();
    sshd.client_block(&format!(
        "Host nowhere\n  HostName no-such-host.invalid\nHost mute\n  HostName 127.0.0.1\n  Port {}\n\
         Host behind\n  HostName 127.0.0.1\n  Port 9\n  ProxyJump broken\nHost broken\n  HostName 127.0.0.1\n  Port {}\n\
         Host beyond\n  HostName 127.0.0.1\n  Port 9\n  ProxyJump {HOST}",
        hung.port(),
        free_port(),
    ));
    let told = async |host: &str| failure(&connect_to(&sshd, host).1).await;
    let error = told("nowhere").await;
    assert_eq!(error.what, "SSH to nowhere: the host name is not known");
    let error = told("mute").await;
    assert_eq!(error.what, "SSH to mute: it takes connections and does not greet in time");
    let error = told("behind").await;
    assert_eq!(
        error.what,
        "SSH to behind: the way there is broken (ProxyJump, ProxyCommand): nothing listens on its SSH port"
    );
    let error = told("beyond").await;
    assert!(error.what.starts_with("SSH to beyond: the way there is broken"), "{}", error.what);
    sshd.client_block("Nonsense yes");
    let error = told(HOST).await;
    assert!(error.what.contains("Bad configuration option: nonsense"), "{}", error.what);
    sshd.wait_masters(0);
}

#[tokio::test]
async fn a_jump_host_that_is_not_known_never_asks_on_the_terminal() {
    let sshd = need!(own_sshd);
    sshd.client_block(&format!(
        "Host far\n  HostName 127.0.0.1\n  Port 9\n  ProxyJump stranger\nHost stranger\n  \
                                HostName 127.0.0.1\n  Port {}\n  HostKeyAlias stranger",
        sshd.port
    ));
    let error = failure(&connect_to(&sshd, "far").1).await;
    assert_eq!(
        error.what,
        "SSH to far: the way there is broken (ProxyJump, ProxyCommand): the host key on the way is not known"
    );
}

#[tokio::test]
async fn a_jump_host_is_told_with_its_own_port_and_user_behind_another_one_too() {
    let sshd = need!(own_sshd);
    sshd.client_block(
        "Host far\n  HostName 10.0.0.4\n  User ops\n  ProxyJump jump\nHost jump\n  HostName 10.0.0.5\n  Port 2200\n  User hop\n  \
         ProxyJump 127.0.0.9:2299\nHost 127.0.0.9\n  User root\nHost six\n  HostName fe80::4\n  User ops\n  ProxyJump ops@[fe80::9]:2299",
    );
    let (_, far) = connect_to(&sshd, "far");
    let wanted = "ops@10.0.0.4:22 through jump, hop@10.0.0.5:2200 through 127.0.0.9:2299, root@127.0.0.9:2299";
    assert_eq!(far.target().await, wanted);
    let (_, six) = connect_to(&sshd, "six");
    assert_eq!(six.target().await, "ops@[fe80::4]:22 through ops@[fe80::9]:2299, ops@[fe80::9]:2299");
}

#[tokio::test]
async fn a_connection_that_the_config_leads_past_by_now_ends_what_goes_through_it_and_takes_nothing_more() {
    let sshd = need!(own_sshd);
    let (connections, ssh) = connect(&sshd);
    let before = ssh.target().await;
    say(&ssh, &["true"]).await;
    let (own, dir) = (Arc::clone(&ssh), tempfile::tempdir().unwrap());
    let [begun, go] = ["begun", "go"].map(|name| dir.path().join(name));
    let script =
        format!("touch '{}'; until test -e '{}'; do sleep 0.05; done; echo ended", begun.display(), go.display());
    let job = tokio::spawn(async move { own.run(&Job::script(&script, &[], LIMIT)).await });
    let there = tokio::task::spawn_blocking(move || poll(LIMIT, || begun.exists().then_some(())));
    assert!(there.await.unwrap().is_some());
    // What can't be read leads nowhere else.
    sshd.client("Nonsense yes");
    assert_eq!(ssh.target().await, before);
    sshd.client("");
    assert_eq!(ssh.target().await, before, "nor does what is as it was");
    assert_eq!(sshd.masters().len(), 1);
    sshd.client("HostName 127.0.0.8");
    assert!(ssh.target().await.contains("@127.0.0.8:"));
    assert!(failure(&ssh).await.what.contains("SSH to"), "nothing listens there");
    std::fs::write(go, "").unwrap();
    let output = job.await.unwrap().unwrap();
    assert_eq!((output.ended, &output.stdout[..]), (Ended::Exit(0), &b"ended\n"[..]));
    sshd.wait_masters(0);
    sshd.client("");
    assert_eq!((ssh.target().await, say(&ssh, &["echo", "back"]).await), (before, "back\n".to_owned()));
    connections.close().await;
}

#[tokio::test]
async fn a_lost_connection_is_told_and_made_again() {
    let sshd = need!(own_sshd);
    let (connections, ssh) = connect(&sshd);
    say(&ssh, &["true"]).await;
    // Between two uses: nobody need know.
    kill_process(sshd.masters()[0], Signal::KILL).unwrap();
    sshd.wait_masters(0);
    assert_eq!(say(&ssh, &["echo", "again"]).await, "again\n");
    // Under way, on either side.
    for end in [|sshd: &Sshd| kill_process(sshd.masters()[0], Signal::KILL).unwrap(), |sshd: &Sshd| sshd.end_sessions()]
    {
        let mark = folder("mark").join("started");
        let script = "echo > \"$1\"; sleep 60";
        let running = async {
            let args = [mark.to_str().unwrap()];
            ssh.run(&Job::script(script, &args, LIMIT)).await
        };
        let ending = async {
            while !mark.exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            end(&sshd);
        };
        let (outcome, ()) = tokio::join!(running, ending);
        let error = outcome.unwrap_err();
        assert!(error.what.starts_with(&format!("SSH to {HOST}: the connection was lost")), "{}", error.what);
        assert_eq!(say(&ssh, &["echo", "again"]).await, "again\n");
    }
    connections.close().await;
    sshd.wait_masters(0);
}

#[tokio::test]
async fn a_host_that_hangs_is_given_up_and_does_not_hold_up_another() {
    let (sick, well) = (need!(own_sshd), need!(own_sshd));
    let ((_a, sick_ssh), (_b, well_ssh)) = (connect(&sick), connect(&well));
    say(&sick_ssh, &["true"]).await;
    say(&well_ssh, &["true"]).await;
    sick.hang();
    let job = Job::argv(&["true"], LIMIT / 2);
    let waiting = sick_ssh.run(&job);
    let other = async {
        let started = Instant::now();
        say(&well_ssh, &["true"]).await;
        started.elapsed()
    };
    let (given_up, took) = tokio::join!(waiting, other);
    assert_eq!(given_up.unwrap().ended, Ended::GivenUp);
    assert!(took < LIMIT / 4, "{took:?}");
    sick.resume();
    assert_eq!(say(&sick_ssh, &["echo", "well"]).await, "well\n");
}

#[tokio::test]
async fn a_cut_cable_is_noticed_and_when_it_is_mended_so_is_the_connection() {
    let (sshd, scissors) = (need!(own_sshd), need!(scissors));
    let (connections, ssh) = connect(&sshd);
    say(&ssh, &["true"]).await;
    let cut = scissors.cut(sshd.port);
    let started = Instant::now();
    let error = ssh.run(&Job::script("sleep 60", &[], Duration::from_secs(60))).await.unwrap_err();
    assert_eq!(error.what, format!("SSH to {HOST}: it gave no sign of life, and the connection was given up"));
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    let error = failure(&ssh).await;
    assert_eq!(error.what, format!("SSH to {HOST}: it does not answer in time"));
    drop(cut);
    assert_eq!(say(&ssh, &["echo", "back"]).await, "back\n");
    connections.close().await;
    sshd.wait_masters(0);
}

/// A service on a Unix socket that says hello to each who comes.
fn greeter() -> std::path::PathBuf {
    let path = folder("greeter").join("s");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let _ = socket.unwrap().write_all(b"hello");
        }
    });
    path
}

fn hear(path: &std::path::Path) -> String {
    let mut said = String::new();
    let mut socket = UnixStream::connect(path).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    // Reset or closed: nothing was said.
    let _ = socket.read_to_string(&mut said);
    said
}

#[tokio::test]
async fn a_socket_over_there_is_a_socket_here_and_stays_the_same_one() {
    let sshd = need!(own_sshd);
    let (connections, ssh) = connect(&sshd);
    let there = greeter();
    let here = ssh.forward_unix(there.to_str().unwrap()).await.unwrap();
    assert_eq!(hear(&here), "hello");
    kill_process(sshd.masters()[0], Signal::KILL).unwrap();
    sshd.wait_masters(0);
    assert_eq!(ssh.forward_unix(there.to_str().unwrap()).await.unwrap(), here);
    assert_eq!(hear(&here), "hello");
    assert!(ssh.explain_forward("/x").await.is_none());
    let nothing = ssh.forward_unix("/no/such.sock").await.unwrap();
    assert_ne!(nothing, here);
    assert_eq!(hear(&nothing), "");
    let error = ssh.explain_forward("/no/such.sock").await.unwrap();
    assert!(error.what.contains("the socket /no/such.sock over there does not answer"), "{}", error.what);
    assert!(ssh.explain_forward("/no/such.sock").await.is_none(), "told once: it says nothing of a later failure");
    connections.close().await;
    assert!(!here.exists());
}

#[tokio::test]
async fn forbidden_forwarding_is_told() {
    let sshd = match Sshd::start("AllowStreamLocalForwarding no") {
        Ok(sshd) => sshd,
        Err(why) => return crate::lab::skip("it::ssh::forbidden_forwarding_is_told", &why),
    };
    let (_connections, ssh) = connect(&sshd);
    let here = ssh.forward_unix("/run/x.sock").await.unwrap();
    assert_eq!(hear(&here), "");
    let error = ssh.explain_forward("/run/x.sock").await.unwrap();
    assert!(error.what.ends_with("or forwarding is forbidden"), "{}", error.what);
    assert!(error.hint.contains("AllowStreamLocalForwarding"));
}

#[tokio::test]
async fn a_host_that_takes_no_more_commands_is_told() {
    let sshd = match Sshd::start("MaxSessions 1") {
        Ok(sshd) => sshd,
        Err(why) => return crate::lab::skip("it::ssh::a_host_that_takes_no_more_commands_is_told", &why),
    };
    let (_connections, ssh) = connect(&sshd);
    let mark = folder("mark").join("started");
    let args = [mark.to_str().unwrap()];
    let second = async {
        while !mark.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        failure(&ssh).await
    };
    let hog = Job::script("echo > \"$1\"; sleep 2", &args, LIMIT);
    let (hogged, error) = tokio::join!(ssh.run(&hog), second);
    assert_eq!(hogged.unwrap().ended, Ended::Exit(0), "the one under way goes on");
    assert!(error.what.ends_with("it refuses another command on this connection"), "{}", error.what);
    assert_eq!(say(&ssh, &["echo", "again"]).await, "again\n");
}
