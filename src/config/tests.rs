//! Real files in real folders, and the corpus of `tests/corpora/config`.

use super::*;
use crate::domain::risk::Level;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn folder(mode: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    folder
}

fn write(folder: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

fn problems(choice: &Choice, env: Option<&str>) -> String {
    load(choice, env).unwrap_err().to_string()
}

#[test]
fn with_no_file_this_machine_is_looked_at() {
    let folder = folder(0o700);
    let config = load(&Choice::Usual(folder.path().join("config.toml")), None).unwrap();
    assert!(config.is_builtin() && !config.guarded);
    assert_eq!(config.environment, "local");
    let ids: Vec<_> = config.sources.iter().map(|source| source.id.as_str()).collect();
    assert_eq!(ids, ["local/host", "docker/local", "prometheus/localhost", "alertmanager/localhost", "postgres/local"]);
}

#[test]
fn a_named_file_must_be_there() {
    let folder = folder(0o700);
    let path = folder.path().join("nothing.toml");
    let said = problems(&Choice::Named(path.clone()), None);
    assert!(said.starts_with(&format!("{}: cannot be read: No such file", path.display())), "{said}");
    assert!(said.contains("config example"), "{said}");
}

#[test]
fn what_others_can_change_is_refused_with_the_mend() {
    let folder_ = folder(0o700);
    let path = write(folder_.path(), "config.toml", "", 0o664);
    let said = problems(&Choice::Named(path.clone()), None);
    assert!(said.contains("others can change it: its mode is 664 (chmod go-w "), "{said}");
    let open = folder(0o777);
    let path = write(open.path(), "config.toml", "", 0o600);
    assert!(
        problems(&Choice::Named(path), None).contains("others can replace it, its folder being open: its mode is 777")
    );
    let sticky = folder(0o1777);
    let path = write(sticky.path(), "config.toml", "", 0o644);
    assert!(load(&Choice::Named(path), None).is_ok());
}

#[test]
fn the_place_is_chosen_in_order() {
    let home = |name: &str| (name == "HOME").then(|| "/home/me".into());
    assert_eq!(choose(None, home), Choice::Usual("/home/me/.config/quarterdeck/config.toml".into()));
    let xdg = |name: &str| (name == "XDG_CONFIG_HOME").then(|| "/x".into()).or_else(|| home(name));
    assert_eq!(choose(None, xdg), Choice::Usual("/x/quarterdeck/config.toml".into()));
    let relative = |name: &str| (name == "XDG_CONFIG_HOME").then(|| "x".into()).or_else(|| home(name));
    assert_eq!(choose(None, relative), Choice::Usual("/home/me/.config/quarterdeck/config.toml".into()));
    let named = |name: &str| (name == "QUARTERDECK_CONFIG").then(|| "/q.toml".into()).or_else(|| xdg(name));
    assert_eq!(choose(None, named), Choice::Named("/q.toml".into()));
    assert_eq!(choose(Some("/a.toml".into()), named), Choice::Named("/a.toml".into()));
    assert_eq!(choose(None, |_| None), Choice::Builtin);
}

#[test]
fn an_environment_is_laid_over_key_by_key() {
    let folder = folder(0o700);
    let base = "environment = \"staging\"\n[docker.a]\nhost = \"unix:///a\"\ninterval = \"1s\"\n[docker.b]\n";
    let path = write(folder.path(), "config.toml", base, 0o600);
    let over = "environment = \"production\"\n[docker.a]\ninterval = \"5s\"\n[docker.c]\n[policy]\nlow = \"typed\"\n";
    write(folder.path(), "production.toml", over, 0o600);
    let config = load(&Choice::Named(path.clone()), Some("production")).unwrap();
    assert!(config.guarded, "a name that begins with prod guards");
    assert_eq!(config.policy.low, Level::Typed);
    let ids: Vec<_> = config.sources.iter().map(|source| source.id.as_str()).collect();
    assert_eq!(ids, ["docker/a", "docker/b", "docker/c"]);
    assert_eq!(config.sources[0].settings.parts()[0].pace.interval, Duration::from_secs(5));
    assert!(format!("{:?}", config.sources[0].settings).contains("unix:///a"));
    assert_eq!(config.files.len(), 2);
    let said = problems(&Choice::Named(path.clone()), Some("prod"));
    assert!(said.contains("prod.toml: cannot be read") && said.contains("--env prod needs it"), "{said}");
    assert!(problems(&Choice::Named(path), Some("../x")).contains("is no name of an environment"));
}

#[test]
fn a_mistake_in_an_overlay_is_told_with_that_file() {
    let folder = folder(0o700);
    let path = write(folder.path(), "config.toml", "[docker.a]\ninterval = \"1\"\n", 0o600);
    write(folder.path(), "prod.toml", "\n[docker.a]\ntimeout = \"9\"\n[docker.\"é\"]\n", 0o600);
    let said = problems(&Choice::Named(path), Some("prod"));
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].contains("config.toml:2:12: \"1\" is no length of time"), "{said}");
    assert!(lines[1].contains("prod.toml:3:11: \"9\" is no length of time"), "{said}");
    assert!(lines[2].contains("prod.toml:4:9: "), "{said}");
}

#[test]
fn a_path_is_seen_from_the_config() {
    let folder = folder(0o700);
    let path =
        write(folder.path(), "c.toml", "keymap = \"keys.toml\"\ntheme = \"my.toml\"\njournal.path = \"/j\"\n", 0o600);
    let config = load(&Choice::Named(path), None).unwrap();
    assert_eq!(config.keymap, Some(folder.path().join("keys.toml").display().to_string()));
    assert_eq!(config.theme, Some(folder.path().join("my.toml").display().to_string()));
    assert_eq!(config.journal.path, Some("/j".into()));
}

#[test]
fn looks_and_notices_are_read_and_their_mistakes_told() {
    let text = "theme = \"nord\"\nkeymap = \"k9s\"\ncolors = \"256\"\nascii = true\n\
                [notify]\nbell = false\nosc = \"777\"\nquiet = \"22:00-07:00\"\nzone = \"Europe/Berlin\"\n";
    let config = parse("looks.toml", text).unwrap();
    assert_eq!((config.theme.as_deref(), config.keymap.as_deref()), (Some("nord"), Some("k9s")));
    assert_eq!(config.colors, Some(theme::Choice::Depth(theme::Depth::Indexed)));
    assert!(config.ascii == Some(true) && !config.notify.bell && config.notify.quiet.is_some());
    let wrong =
        "colors = \"17\"\nascii = \"yes\"\n[notify]\nosc = \"8\"\nquiet = \"22-7\"\nzone = \"Mars\"\nbel = true\n";
    let said = parse("x.toml", wrong).unwrap_err().to_string();
    let told = [
        "x.toml:1:10: \"17\" is no number of colours",
        "x.toml:2:9: ",
        "x.toml:4:7: ",
        "x.toml:5:9: \"22-7\" is no span",
    ];
    for told in told.into_iter().chain(["x.toml:6:8: there is no time zone \"Mars\"", "x.toml:7:1: "]) {
        assert!(said.contains(told), "{told}\n{said}");
    }
}

#[test]
fn a_named_server_makes_a_source_of_each_kind_that_can_ask_it_and_keeps_its_columns_in_order() {
    let text = "[[server]]\nname = \"game-1\"\nhealth = \"http://h/\"\n\
                status = { url = \"http://h/s\", columns = { zone = \"/z\", players = \"/p\", a = \"\" } }\n\
                [[server]]\nname = \"plain\"\n";
    let config = parse("servers.toml", text).unwrap();
    let ids: Vec<_> = config.sources.iter().map(|source| source.id.as_str()).collect();
    assert_eq!(ids, ["http_status/game-1"]);
    let columns: Vec<_> = config.servers[0].status.as_ref().unwrap().columns.iter().map(|(name, _)| &**name).collect();
    assert_eq!(columns, ["zone", "players", "a"]);
    assert_eq!((config.servers.len(), config.servers[1].name.as_str()), (2, "plain"));
    assert_eq!(config.untold_servers().collect::<Vec<_>>(), ["plain"]);
    let told = parse("servers.toml", &format!("{text}[prometheus.main]\n")).unwrap();
    assert_eq!(told.untold_servers().count(), 0);
    let said = parse("x.toml", "[http_status.a]\n").unwrap_err().to_string();
    assert!(said.starts_with("x.toml:1:2: http_status has no tables of its own (write [[server]]"), "{said}");
}

fn corpus(which: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora/config").join(which);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    assert!(!files.is_empty());
    files.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn every_valid_config_is_read() {
    for (path, text) in corpus("valid") {
        if let Err(problems) = parse(&path.display().to_string(), &text) {
            panic!("{problems}");
        }
    }
}

/// Beside each invalid file lies a `.txt` with the whole message. `UPDATE_CORPUS=1` writes it anew, to be read before it is committed.
#[test]
fn every_invalid_config_is_refused_with_these_words() {
    for (path, text) in corpus("invalid") {
        let name = path.file_name().unwrap().to_str().unwrap();
        let said = format!("{}\n", parse(name, &text).unwrap_err());
        assert!(!said.contains("hunter"), "a secret was repeated: {said}");
        let expected = path.with_extension("txt");
        if std::env::var_os("UPDATE_CORPUS").is_some() {
            fs::write(&expected, &said).unwrap();
        }
        assert_eq!(said, fs::read_to_string(&expected).unwrap_or_default(), "{name}");
    }
}

/// Who copies the example and leaves a table as it is has not changed anything by that.
#[test]
fn the_example_shows_defaults_where_nothing_is_a_name() {
    let example = parse("config.example.toml", include_str!("../../assets/config.example.toml")).unwrap();
    let bare = parse("bare.toml", "").unwrap();
    assert!(example.presenter.hide.is_empty() && !example.presenter.always);
    assert_eq!((example.log_memory, &example.log_zone), (bare.log_memory, &bare.log_zone));
    assert_eq!((example.mouse, example.remember), (bare.mouse, bare.remember));
    assert_eq!(format!("{:?}", example.limits), format!("{:?}", bare.limits));
}

/// What is wrong with a config by its schema.
fn by_schema(text: &str) -> Vec<String> {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let config: serde_json::Value = toml::from_str(text).unwrap();
    validator.iter_errors(&config).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn every_valid_config_and_the_example_have_the_shape_of_the_schema() {
    assert!(jsonschema::meta::is_valid(&schema()));
    let own = [include_str!("../../assets/config.example.toml"), include_str!("../../assets/config.default.toml")];
    let valid = corpus("valid").into_iter().map(|(_, text)| text);
    for text in own.into_iter().map(str::to_owned).chain(valid) {
        assert_eq!(by_schema(&text), [""; 0], "{text}");
    }
}

#[test]
fn an_unknown_key_and_a_wrong_type_have_not() {
    let mut found = 0;
    for (path, text) in corpus("invalid").into_iter().filter(|(path, _)| !path.ends_with("not-toml.toml")) {
        let told = fs::read_to_string(path.with_extension("txt")).unwrap();
        let of_shape = ["there is no key", "there is no choice", ": this is ", "is missing"];
        if of_shape.iter().any(|words| told.contains(words)) {
            assert!(!by_schema(&text).is_empty(), "{}", path.display());
            found += 1;
        }
    }
    assert!(found > 1);
    for text in
        ["[docker.a]\nhots = 1\n", "[prometheus.a]\nservers = 3\n", "[[server]]\n", "[postgres.a]\npassword = \"x\"\n"]
    {
        assert!(!by_schema(text).is_empty(), "{text}");
    }
    assert!(by_schema("[alertmanager.a]\nurl = \"http://a\"\n[prometheus.a]\nservers = 'job=\"x\"'\n").is_empty());
}
