//! Tells how much room is left on the disks that a run writes to.
//! A full disk shows as dozens of failures that name something else.

use std::path::Path;

const GIB: u64 = 1 << 30;
/// What a first run writes below `target`, rounded up.
const BUILD_GIB: u64 = 10;
/// What its throwaway servers and temporary folders hold at most, rounded up.
const TEMPORARY_GIB: u64 = 5;

/// The room at the workspace and in the temporary folder, with a warning where a first run may not fit.
pub(super) fn room(root: &Path) -> Result<String, String> {
    let (build, temporary) = (free_gib(root)?, free_gib(&std::env::temp_dir())?);
    let told = format!("{build} GiB free for building, {temporary} GiB for temporary files");
    let enough = build >= BUILD_GIB && temporary >= TEMPORARY_GIB;
    let warning = format!("; a first run writes up to {BUILD_GIB} and {TEMPORARY_GIB}, and its tests fail where that is missing");
    Ok(if enough { told } else { told + &warning })
}

fn free_gib(folder: &Path) -> Result<u64, String> {
    let told = rustix::fs::statvfs(folder).map_err(|error| format!("the disk of {} could not be asked: {error}", folder.display()))?;
    Ok(told.f_bavail.saturating_mul(told.f_frsize) / GIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_is_told_and_a_missing_folder_named() {
        assert!(room(&std::env::temp_dir()).unwrap().contains("GiB free for building"));
        assert!(room(Path::new("/no/such/folder")).unwrap_err().contains("/no/such/folder"));
    }
}
