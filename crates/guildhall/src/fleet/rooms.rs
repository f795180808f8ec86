//! The file of announced sales' waiting rooms, as TOML: one `[[room]]` for each.
//! Refuses a file with a mistake as a whole, and names its place.

use gateway::{Guard, RoomTerms};
use kernel::{Instant, ProductId};
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    room: Vec<Room>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Room {
    name: String,
    from: Instant,
    opens: Instant,
    until: Instant,
    admit_per_s: u32,
    #[serde(default = "admitted_s")]
    admitted_s: u32,
    #[serde(default = "buying")]
    paths: Vec<String>,
    #[serde(default)]
    products: Vec<ProductId>,
}

/// Five minutes to buy.
fn admitted_s() -> u32 {
    300
}

/// What a sale's crowd asks for.
fn buying() -> Vec<String> {
    vec!["/v1/payments/buy".to_owned()]
}

/// The rooms of a file; none where no file is named.
///
/// # Errors
/// It cannot be read, or is not as it should be.
pub(super) fn read(file: &Path) -> Result<Vec<RoomTerms>, String> {
    if file.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(file).map_err(|e| format!("gateway.rooms_file {}: {e}", file.display()))?;
    parse(&text).map_err(|why| format!("gateway.rooms_file {}: {why}", file.display()))
}

fn parse(text: &str) -> Result<Vec<RoomTerms>, String> {
    let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
    Ok(file.room.into_iter().map(terms).collect())
}

fn terms(room: Room) -> RoomTerms {
    let guard = |path: String| Guard { method: "POST".to_owned(), path, products: room.products.clone() };
    RoomTerms {
        guards: room.paths.iter().cloned().map(guard).collect(),
        name: room.name,
        from: room.from,
        opens: room.opens,
        until: room.until,
        admit_per_s: room.admit_per_s,
        admitted: Duration::from_secs(u64::from(room.admitted_s)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: &str = "[[room]]\nname = \"racer\"\nfrom = \"2026-12-01T08:00:00Z\"\nopens = \"2026-12-01T09:00:00Z\"\n\
                        until = \"2026-12-01T12:00:00Z\"\nadmit_per_s = 200\nproducts = [12]\n";

    #[test]
    fn a_room_guards_buying_unless_it_names_other_paths() {
        let rooms = parse(ROOM).unwrap();
        assert_eq!((rooms.len(), rooms[0].admit_per_s, rooms[0].admitted), (1, 200, Duration::from_secs(300)));
        assert_eq!((rooms[0].guards[0].path.as_str(), rooms[0].guards[0].products.as_slice()), ("/v1/payments/buy", &[ProductId(12)][..]));
        assert!(parse(&ROOM.replace("admit_per_s", "admit_per_sec")).unwrap_err().contains("admit_per_sec"));
    }
}
