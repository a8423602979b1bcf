//! nginx with addresses as services have them: well, sick, locked, and some that lie.

use super::service::{Service, folder, free_port};
use super::{http, program};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// A web server.
#[derive(Debug)]
pub struct Web {
    /// Port on loopback. `/health` is well, `/sick` answers 503, `/locked` 401, `/gone` 404; `/status.json` is JSON,
    /// `/page` is HTML, `/big` is JSON of 10 MB.
    pub port: u16,
    _service: Service,
}

/// The one of this test process, or what is missing. Tests share it.
pub fn web() -> Result<&'static Web, String> {
    static SHARED: OnceLock<Result<Web, String>> = OnceLock::new();
    SHARED.get_or_init(|| Web::start().map_err(|why| format!("nginx: {why}"))).as_ref().map_err(Clone::clone)
}

impl Web {
    fn start() -> Result<Self, String> {
        let program = program(&["nginx"], &[]).ok_or("it is not installed (nginx)")?;
        let (home, port) = (folder("nginx"), free_port());
        let root = home.join("root");
        fs::create_dir_all(&root).map_err(|why| why.to_string())?;
        let status = r#"{"player_count": 212, "build": {"version": "1.4.2"}, "draining": false}"#;
        let big = format!("{{\"player_count\": 1, \"pad\": \"{}\"}}", "x".repeat(10 << 20));
        for (name, text) in [("status.json", status), ("page", "<html>log in</html>"), ("big", &big)] {
            let file = root.join(name);
            fs::write(&file, text).map_err(|why| why.to_string())?;
            // Started by root, nginx serves as another user.
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).map_err(|why| why.to_string())?;
        }
        for folder in [&home, &root] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(|why| why.to_string())?;
        }
        let config = home.join("nginx.conf");
        let (home, root) = (home.display(), root.display());
        let text = format!(
            "daemon off; pid {home}/pid; error_log {home}/error.log; worker_processes 1;\n\
             events {{}}\n\
             http {{ access_log off; client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;\n\
             fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;\n\
             server {{ listen 127.0.0.1:{port}; root {root};\n\
             location = /health {{ return 200 \"well\"; }} location = /sick {{ return 503; }}\n\
             location = /locked {{ return 401; }} }} }}\n"
        );
        fs::write(&config, text).map_err(|why| why.to_string())?;
        let mut service = Service::start("nginx-log", Command::new(program).arg("-c").arg(&config))?;
        service
            .ready(Duration::from_secs(30), || http::get(port, "/health").is_ok_and(|answer| answer.status == 200))?;
        Ok(Self { port, _service: service })
    }
}
