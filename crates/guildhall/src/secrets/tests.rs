//! The keys' sources, their refusals and their rotation, on real files.
//! Leaves what is done with the keys to the accounts.

use super::*;
use std::collections::HashSet;

const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn nothing(_: &str) -> Option<String> {
    None
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn both<'a>(token: &'a str, personal: &'a str) -> impl Fn(&str) -> Option<String> + 'a {
    move |name| match name {
        TOKEN_KEY_VARIABLE => Some(token.to_owned()),
        PERSONAL_KEY_VARIABLE => Some(personal.to_owned()),
        _ => None,
    }
}

#[test]
fn the_first_start_makes_keys_that_only_the_owner_can_read_and_the_next_start_uses_them() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("new/data");
    let database = data.join("guildhall.db");
    let first = Secrets::load(&data, nothing, Missing::Generate { database: &database }).unwrap();
    assert_ne!(first.token_key(), &first.current_personal_key().key);
    assert_eq!(mode(&data.join("secrets")), 0o700);
    for file in [TOKEN_FILE, PERSONAL_FILE] {
        assert_eq!(mode(&data.join("secrets").join(file)), 0o600);
    }
    std::fs::write(&database, "").unwrap();
    assert_eq!(Secrets::load(&data, nothing, Missing::Generate { database: &database }).unwrap(), first);
    assert_eq!(Secrets::load(&data, nothing, Missing::Refuse).unwrap(), first, "files may be given to a fleet too");
    assert_eq!(std::fs::read_dir(data.join("secrets")).unwrap().count(), 2, "no passing file is left");
}

#[test]
fn servers_that_start_at_once_end_with_the_same_keys() {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("guildhall.db");
    let load = || Secrets::load(dir.path(), nothing, Missing::Generate { database: &database }).unwrap();
    let all = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(all.iter().all(|secrets| *secrets == all[0]));
}

#[test]
fn making_a_key_never_replaces_one() {
    // What happens to the slower of two servers that both saw no key: its own must lose.
    let dir = tempfile::tempdir().unwrap();
    let place = Place { variable: TOKEN_KEY_VARIABLE, file: dir.path().join("secrets/token.key") };
    place.generate().unwrap();
    let first = read_private(&place.file).unwrap();
    place.generate().unwrap();
    assert_eq!(read_private(&place.file).unwrap(), first);
}

#[test]
fn a_lost_key_is_not_replaced_under_an_existing_database() {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("guildhall.db");
    Secrets::load(dir.path(), nothing, Missing::Generate { database: &database }).unwrap();
    std::fs::write(&database, "").unwrap();
    let lost = dir.path().join("secrets/personal.key");
    std::fs::remove_file(&lost).unwrap();
    let told = Secrets::load(dir.path(), nothing, Missing::Generate { database: &database }).unwrap_err().to_string();
    assert!(told.contains("personal.key is missing although") && told.contains("restore it from a backup"), "{told}");
    assert!(!lost.exists());
}

#[test]
fn a_fleet_without_keys_is_told_of_both_and_how_to_make_them() {
    let dir = tempfile::tempdir().unwrap();
    let told = Secrets::load(dir.path(), nothing, Missing::Refuse).unwrap_err().to_string();
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(told.contains(TOKEN_KEY_VARIABLE) && told.contains(PERSONAL_KEY_VARIABLE), "{told}");
    assert!(told.contains("openssl rand -hex 32"), "{told}");
    assert!(!dir.path().join("secrets").exists());
}

#[test]
fn a_key_is_read_as_hex_and_as_base64_and_the_environment_wins_over_files() {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("guildhall.db");
    let made = Secrets::load(dir.path(), nothing, Missing::Generate { database: &database }).unwrap();
    let given = Secrets::load(dir.path(), both(HEX, BASE64), Missing::Refuse).unwrap();
    assert_eq!(given.token_key().reveal(), &std::array::from_fn::<u8, 32, _>(|i| u8::try_from(i).unwrap()));
    assert_eq!(given.token_key(), &given.current_personal_key().key);
    assert_eq!(given.current_personal_key().id, 1);
    assert_ne!(given.token_key(), made.token_key());
    let url_safe = "-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_A";
    assert!(Secrets::load(dir.path(), both(HEX, url_safe), Missing::Refuse).is_ok(), "the other alphabet, without padding");
}

#[test]
fn several_personal_keys_keep_their_ids_and_the_last_is_current() {
    let other = HEX.replace("1f", "20");
    let keys = format!("3:{HEX},5:{other}");
    let secrets = Secrets::load(Path::new("/nowhere"), both(HEX, &keys), Missing::Refuse).unwrap();
    assert_eq!(secrets.personal_keys().iter().map(|key| key.id).collect::<Vec<_>>(), [3, 5]);
    assert_eq!(secrets.current_personal_key().id, 5);
}

#[test]
fn a_wrong_key_is_told_without_showing_it() {
    let short = &HEX[2..];
    let zeros = "0".repeat(64);
    let spoiled = HEX.replace("0a", "!!");
    let twice = format!("1:{HEX},1:{BASE64}");
    let unnumbered = format!("{HEX},{BASE64}");
    for (personal, advice) in [
        (short, "it holds 31 bytes"),
        (&zeros, "one byte repeated"),
        (&spoiled, "its 64 characters are neither hexadecimal nor base64"),
        (&twice, "two keys have the number 1"),
        (&unnumbered, "entry 1 has no number"),
        ("", "it holds no key"),
    ] {
        let told = Secrets::load(Path::new("/nowhere"), both(HEX, personal), Missing::Refuse).unwrap_err().to_string();
        assert!(told.starts_with(PERSONAL_KEY_VARIABLE) && told.contains(advice), "{told}");
        assert!(!told.contains("04050607"), "{told}");
    }
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("guildhall.db");
    Secrets::load(dir.path(), nothing, Missing::Generate { database: &database }).unwrap();
    let file = dir.path().join("secrets/token.key");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let told = Secrets::load(dir.path(), nothing, Missing::Refuse).unwrap_err().to_string();
    assert!(told.contains("is open to others (mode 640)") && told.contains("chmod 600"), "{told}");
}

#[test]
fn rotating_adds_a_current_key_and_keeps_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("guildhall.db");
    let before = Secrets::load(dir.path(), nothing, Missing::Generate { database: &database }).unwrap();
    assert_eq!(rotate(dir.path(), nothing), Ok(Rotation::Made(2)));
    let after = Secrets::load(dir.path(), nothing, Missing::Refuse).unwrap();
    assert_eq!(after.personal_keys()[0], before.personal_keys()[0]);
    assert_eq!((after.personal_keys().len(), after.current_personal_key().id), (2, 2));
    assert_eq!(after.token_key(), before.token_key());
    assert_eq!(mode(&dir.path().join("secrets/personal.key")), 0o600);

    let old_lookups = before.lookup_keys();
    let lookups = after.lookup_keys();
    assert_eq!(lookups[0], old_lookups[0], "what was stored is still found");
    assert_ne!(lookups[1].key, lookups[0].key);
    assert_ne!(lookups[0].key, before.personal_keys()[0].key);
}

#[test]
fn rotations_at_once_lose_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("guildhall.db");
    Secrets::load(dir.path(), nothing, Missing::Generate { database: &database }).unwrap();
    let ids: HashSet<Rotation> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| rotate(dir.path(), nothing).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(ids.len(), 8);
    assert_eq!(Secrets::load(dir.path(), nothing, Missing::Refuse).unwrap().personal_keys().len(), 9);
}

#[test]
fn keys_from_the_environment_are_not_rotated_in_a_file() {
    let told = rotate(Path::new("/nowhere"), both(HEX, HEX)).unwrap_err().to_string();
    assert!(told.contains("GUILDHALL_PERSONAL_KEY") && told.contains("1:OLD,2:NEW"), "{told}");
    let given = format!("1:{HEX},7:{BASE64}");
    assert_eq!(rotate(Path::new("/nowhere"), both(HEX, &given)), Ok(Rotation::Given(7)));
}

#[test]
fn printing_secrets_shows_no_key() {
    let secrets = Secrets::load(Path::new("/nowhere"), both(HEX, HEX), Missing::Refuse).unwrap();
    let printed = format!("{secrets:?}");
    assert!(!printed.contains("4, 5, 6") && !printed.contains("0405"), "{printed}");
}
