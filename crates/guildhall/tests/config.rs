//! Configuration as its user meets it: the sample file, the order of precedence, and mistakes that are told.
//! Leaves single rules (masking, nearest keys) to the files that own them.

use guildhall::config::{Config, Mistakes, Origin, Override, RefundMode};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/guildhall.toml")
}

fn load(file: &str, env: &[(&str, &str)], flags: &[(&str, &str, &str)]) -> Result<Config, Mistakes> {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let path = dir.path().join("g.toml");
    std::fs::write(&path, file).expect("the test's folder takes a file");
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let flags: Vec<Override> =
        flags.iter().map(|(key, value, flag)| Override { key: (*key).into(), value: (*value).into(), flag: (*flag).into() }).collect();
    Config::load(Some(&path), env, &flags)
}

/// Each mistake as `key | value | file line, variable or flag | advice`.
fn told(result: Result<Config, Mistakes>) -> Vec<String> {
    let place = |origin: &Origin| match origin {
        Origin::File(_, line) => format!("line {line}"),
        other => other.to_string(),
    };
    let line =
        |m: &guildhall::config::Mistake| format!("{} | {} | {} | {}", m.key, m.value.as_deref().unwrap_or("-"), place(&m.origin), m.advice);
    result.expect_err("there are mistakes").0.iter().map(line).collect()
}

#[test]
fn the_sample_file_holds_every_key_at_its_default() {
    let from_sample = Config::load(Some(&sample()), std::iter::empty(), &[]).unwrap();
    assert_eq!(from_sample, Config::default());

    // Loading alone would not notice a key that is missing from the file, so the texts are compared too.
    let text = std::fs::read_to_string(sample()).unwrap();
    let in_file: serde_json::Value = serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap();
    let in_struct = serde_json::to_value(Config::default()).unwrap();
    assert_eq!(in_file, in_struct);
    let keys_of_struct: BTreeSet<String> = in_struct
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(section, keys)| keys.as_object().unwrap().keys().map(move |key| format!("{section}.{key}")))
        .collect();
    let keys_read: BTreeSet<String> = Config::keys().into_iter().map(str::to_owned).collect();
    assert_eq!(keys_read, keys_of_struct, "a field is read by its own name");
}

#[test]
fn every_key_of_the_sample_has_a_comment_above_it() {
    let text = std::fs::read_to_string(sample()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for (above, line) in lines.iter().zip(&lines[1..]).filter(|(_, line)| line.contains(" = ") && !line.starts_with('#')) {
        assert!(above.starts_with("# "), "{line}");
    }
}

#[test]
fn every_key_has_a_variable_of_its_own() {
    let variables: BTreeSet<String> = Config::keys().into_iter().map(Config::variable).collect();
    assert_eq!(variables.len(), Config::keys().len());
    assert_eq!(Config::variable("server.listen"), "GUILDHALL_SERVER_LISTEN");
}

#[test]
fn flags_win_over_the_environment_which_wins_over_the_file() {
    let file = "[db]\nreaders = 2\nwriters = 2\nqueue_max = 300\n[store]\nrefund_mode = \"next_day\"\n";
    let env = [("GUILDHALL_DB_WRITERS", "3"), ("GUILDHALL_DB_QUEUE_MAX", "400"), ("PATH", "/bin")];
    let config = load(file, &env, &[("db.queue_max", "500", "--set")]).unwrap();
    assert_eq!((config.db.readers, config.db.writers, config.db.queue_max), (2, 3, 500));
    assert_eq!(config.store.refund_mode, RefundMode::NextDay);
    assert_eq!(config.db.batch_max, 256, "the default");
}

#[test]
fn every_mistake_is_told_with_its_place_value_and_remedy() {
    let file = "[server]\nlisten = \"localhost\"\nlisen = 1\nbody_limit_bytes = \"1 MB\"\n\n[store]\nrefund_mode = \"later\"\nhold_s = -1\n\
                points_currency = \"points\"\n[log]\nfilter = \"info,db=loud\"\nformat = true\n";
    let env = [("GUILDHALL_DB_READERS", "many"), ("GUILDHALL_DB_WRITTERS", "3")];
    let told = told(load(file, &env, &[("outbox.poll_ms", "0", "--set outbox.poll_ms"), ("colour", "red", "--set colour")]));
    let expected = [
        "server.listen | \"localhost\" | line 2 | should be an address and a port, as 127.0.0.1:8080 or [::]:8080",
        "server.body_limit_bytes | \"1 MB\" | line 4 | should be a whole number from 1024 to 1073741824",
        "db.readers | \"many\" | environment variable GUILDHALL_DB_READERS | should be a whole number from 1 to 1000",
        "store.points_currency | \"points\" | line 9 | should be 3 to 12 of A-Z, as POINTS",
        "store.hold_s | -1 | line 8 | should be a whole number from 1 to 604800",
        "store.refund_mode | \"later\" | line 7 | should be \"immediate\" or \"next_day\"",
        "outbox.poll_ms | \"0\" | flag --set outbox.poll_ms | should be a whole number from 1 to 3600000",
        "log.format | true | line 12 | should be \"text\" or \"json\"",
        "log.filter | \"info,db=loud\" | line 11 | should be a level, or levels per part, as info or info,db=debug",
        "server.lisen | - | line 3 | there is no such key; did you mean server.listen?",
        "GUILDHALL_DB_WRITTERS | - | environment variable GUILDHALL_DB_WRITTERS | no setting has this variable; did you mean GUILDHALL_DB_WRITERS?",
        "colour | - | flag --set colour | there is no such key; the sections are server, data, db, store, accounts, outbox, mail, webhooks, kafka, broker, stream, campaigns, teams, gateway, registry, fleet, log, telemetry, \
         retention",
    ];
    assert_eq!(told, expected);
}

#[test]
fn an_overridden_value_is_checked_too() {
    let told = told(load("[db]\nreaders = 0\n", &[("GUILDHALL_DB_READERS", "2")], &[]));
    assert_eq!(told, ["db.readers | 0 | line 2 | should be a whole number from 1 to 1000"]);
}

#[test]
fn a_typing_error_in_the_file_hides_no_other_mistake() {
    let told = told(load("[server]\nlisten = 127.0.0.1:8080\nrequest_timeout_ms = 1\n[bd]\nreaders = 3\n", &[], &[]));
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[0].starts_with(" | - | line 2 | this is not TOML: "), "{}", told[0]);
    assert!(told[1].starts_with("server.request_timeout_ms | 1 | line 3"), "{}", told[1]);
    assert!(told[2].ends_with("did you mean db.readers?"), "{}", told[2]);
}

#[test]
fn a_section_is_no_value_and_a_key_is_no_section() {
    let told = told(load("log = \"json\"\nlisten = \"127.0.0.1:80\"\n[server.listen]\nport = 80\n", &[], &[]));
    assert_eq!(
        told,
        [
            "server.listen | a section | line 3 | should be an address and a port, as 127.0.0.1:8080 or [::]:8080",
            "log | - | line 1 | this is a section and has no value itself; write [log] and its keys below",
            "listen | - | line 2 | there is no such key; did you mean server.listen?",
        ]
    );
}

#[test]
fn keys_that_contradict_each_other_are_a_mistake() {
    let told =
        told(load("[accounts]\naccess_token_s = 600\n", &[("GUILDHALL_ACCOUNTS_REFRESH_TOKEN_S", "60")], &[("db.queue_max", "9", "--q")]));
    assert_eq!(
        told,
        [
            "accounts.refresh_token_s | 60 | environment variable GUILDHALL_ACCOUNTS_REFRESH_TOKEN_S | should be at least accounts.access_token_s, which is 600",
            "db.queue_max | 9 | flag --q | should be at least db.batch_max, which is 256",
        ]
    );
}

#[test]
fn no_report_and_no_print_shows_a_password() {
    let file = "[db]\nurl = \"mysql://ann:hunter2@db/g\"\n[accounts]\ntoken_key = \"hunter2\"\n[server]\npublic_url = \"ftp://a:hunter2@x\"\n\
                password = \"hunter2\nlisten = \"ann:hunter2@db\"\n";
    let env = [("GUILDHALL_PERSONAL_KEYS", "hunter2"), ("GUILDHALL_DB_READERS", "postgres://ann:hunter2@db/g")];
    let report = load(file, &env, &[("db.password", "hunter2", "--set db.password")]).unwrap_err();
    assert_eq!(report.0.len(), 8, "{report}");
    assert!(!format!("{report} {report:?}").contains("hunter2"), "{report}");

    let config = load("[db]\nurl = \"postgres://ann:hunter2@db/g\"\n", &[], &[]).unwrap();
    assert!(!format!("{config:?}{}", serde_json::to_string(&config).unwrap()).contains("hunter2"));
    assert_eq!(config.database_url().reveal(), "postgres://ann:hunter2@db/g");
}

#[test]
fn variables_that_are_no_settings_are_let_be() {
    let env = [
        ("GUILDHALL_TOKEN_KEY", "00"),
        ("GUILDHALL_PERSONAL_KEY", "00"),
        ("GUILDHALL_CONFIG", "g.toml"),
        ("GUILDHALL_TEST_POSTGRES", "postgres://db"),
        ("GUILDHALL_SERVICE_HOST", "10.0.0.1"),
        ("GUILDHALL_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
    ];
    assert_eq!(load("", &env, &[]).unwrap(), Config::default());
}

#[test]
fn what_is_empty_follows_the_data_folder_and_the_address() {
    let config = load("[data]\ndir = \"/srv/g\"\n[server]\nlisten = \"[::1]:9\"\n", &[], &[]).unwrap();
    assert_eq!(config.database_url().sqlite_file(), Some("/srv/g/guildhall.db".into()));
    assert_eq!(config.mail_dir(), Path::new("/srv/g/mail"));
    assert_eq!(config.events_file(), None);
    assert_eq!(config.public_url(), "http://[::1]:9");
    let set = [("GUILDHALL_SERVER_PUBLIC_URL", "https://guild.example/"), ("GUILDHALL_OUTBOX_EVENTS_FILE", "e.jsonl")];
    let config = load("", &set, &[]).unwrap();
    assert_eq!(config.public_url(), "https://guild.example");
    assert_eq!(config.events_file(), Some(Path::new("e.jsonl")));
}

#[test]
fn a_file_that_cannot_be_read_is_told_together_with_the_rest() {
    let flags = [Override { key: "db.readers".into(), value: "0".into(), flag: "--set db.readers".into() }];
    let report = Config::load(Some(Path::new("/nowhere/g.toml")), std::iter::empty(), &flags).unwrap_err().to_string();
    assert!(report.starts_with("the configuration has 2 mistakes:\n\n  file /nowhere/g.toml\n    it cannot be read"), "{report}");
    assert!(report.ends_with("\n\n  db.readers = \"0\" (flag --set db.readers)\n    should be a whole number from 1 to 1000"), "{report}");
}

#[test]
fn brokers_are_hosts_with_ports() {
    let config = load("[kafka]\nbrokers = \"a:9092,[::1]:9093\"\n[broker]\nlisten = \"\"\n", &[], &[]).unwrap();
    assert_eq!((config.kafka.brokers.as_str(), config.broker.listen), ("a:9092,[::1]:9093", None));
    let wrong = told(load("[kafka]\nbrokers = \"kafka://a\"\ngroup = \"a b\"\n", &[], &[]));
    assert_eq!(
        wrong,
        [
            "kafka.brokers | \"kafka://a\" | line 2 | should be empty, or HOST:PORT of brokers, between commas",
            "kafka.group | \"a b\" | line 3 | should be 1 to 100 of a-z, A-Z, 0-9, dot, hyphen and underscore",
        ]
    );
}
