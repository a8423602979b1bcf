//! Servers and their load balancer: taken out and put back, cleaned, looked at, isolated.

use super::*;

#[test]
fn a_server_is_taken_out_of_the_load_balancer_and_put_back() {
    let lab = Lab::new("steady");
    let vars = [
        ("server", "game-3"),
        ("server_addr", "10.0.1.6"),
        ("target", "game-1"),
        ("target_addr", "10.0.1.4"),
        ("port", "8081"),
        ("admin_port", "8080"),
        ("conf", "/etc/nginx/conf.d/spacetime.conf"),
        ("upstream", "spacetime_backend"),
        ("site", "http://localhost/health"),
        ("admin_token", "t"),
    ];
    let at = lab.on("game-3").server;
    lab.stage.lock().order(&Order::Drain(at, true)).unwrap();
    let places = [("role:lb", "lb-1"), ("host", "lb-1")];
    lab.play(runbook!("server-drain"), &places, &vars, &["undo "]);
    assert!(!lab.stage.lock().world.servers[at].upstream);
    lab.play(runbook!("server-drain"), &places, &vars, &["run ", "verify ", "check "]);
    let taken_back = lab.stage.lock().world.servers[at].clone();
    assert!(taken_back.upstream && !taken_back.draining);
    lab.stage.lock().order(&Order::Drain(at, true)).unwrap();
    lab.play(runbook!("server-drain"), &places, &vars, &["undo "]);
    lab.stage.lock().order(&Order::Drain(at, false)).unwrap();
    lab.play(runbook!("server-return"), &places, &vars, &["undo "]);
    assert!(lab.stage.lock().world.servers[at].upstream);
}

#[test]
fn a_disk_is_cleaned() {
    let lab = Lab::new("disk-filling");
    let at = lab.on("game-1").server;
    lab.stage.lock().order(&Order::Fill { server: at, growth: 4e9, used: None }).unwrap();
    let full = |lab: &Lab| {
        let stage = lab.stage.lock();
        stage.world.servers[at].disk_used / stage.world.servers[at].disk
    };
    while full(&lab) < 0.92 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let main = lab.stage.lock().world.service(at, "godot-server").unwrap();
    lab.stage.lock().order(&Order::Restart(main)).unwrap();
    let vars = [
        ("server", "game-1"),
        ("mountpoint", "/"),
        ("limit", "85"),
        ("logs", "/opt/spacetime/production/logs"),
        ("days", "7"),
        ("images", "true"),
    ];
    let gone = fences(runbook!("disk-usage")).into_iter().find(|(_, body)| body.contains("dangling")).unwrap().1;
    let (code, said) = lab.run("game-1", &gone, USER, "/", &vars);
    assert!(code == 1 && said.contains("still there: "), "{said}");
    lab.play(runbook!("disk-usage"), &[("$server", "game-1")], &vars, &[]);
    assert!(full(&lab) < 0.85, "{}", full(&lab));
}

#[test]
fn the_playbooks_look_at_what_there_is() {
    let lab = Lab::new("bad-deploy");
    lab.pass(60);
    let vars = [("server", "game-1"), ("container", "game-1/godot-server")];
    lab.play(runbook!("high-error-rate"), &[("$server", "game-1")], &vars, &[]);
    lab.play(runbook!("service-down"), &[("$server", "game-2")], &vars, &[]);
}

#[test]
fn a_machine_is_isolated_and_opened_again() {
    let lab = Lab::new("ransomware");
    lab.pass(80);
    let at = lab.on("game-1").server;
    let way = "[{\"from\": \"127.0.0.1\", \"ssh_port\": 22}]";
    let vars = [
        ("way", way),
        ("look_in", "/opt/spacetime"),
        ("from", ""),
        ("ssh_port", "22"),
        ("SSH_CONNECTION", "127.0.0.1 50022 127.0.0.1 22"),
    ];
    lab.play(runbook!("dr-ransomware"), &[("host", "game-1")], &vars, &["undo "]);
    assert!(lab.stage.lock().world.servers[at].isolated);
    let encrypted = fences(runbook!("dr-ransomware")).into_iter().find(|(_, body)| body.contains(".locked")).unwrap().1;
    let (code, said) = lab.run("game-1", &encrypted, "root", "/", &vars);
    assert!(
        code == 2 && said.contains("HOW_TO_RECOVER_FILES.txt") && said.contains("/production/.env.locked"),
        "{code} {said}"
    );
    let undo = fences(runbook!("dr-ransomware")).into_iter().find(|(head, _)| head.starts_with("undo ")).unwrap().1;
    let (code, said) = lab.run("game-1", &undo, "root", "/", &[]);
    assert_eq!(code, 0, "{said}");
    assert!(!lab.stage.lock().world.servers[at].isolated);
}

#[test]
fn the_load_balancer_has_a_game_server_answer() {
    use tower_service::Service as _;
    let lab = Lab::new("steady");
    let mut pages = lab.on("lb-1").pages();
    let asked = axum::http::Request::get("/lb-1/status").body(axum::body::Body::empty()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = runtime.block_on(async {
        let response = pages.call(asked).await.unwrap();
        axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap()
    });
    let told: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert!(told["version"] == "v2.5.0" && told["player_count"].as_u64() > Some(0), "{told}");
}
