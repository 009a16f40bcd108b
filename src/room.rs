//! Room on the disks where this process writes. It asks for none of the requests that it could not finish, before a disk is full.

use std::path::{Path, PathBuf};

use suikang_stream::Readiness;

use crate::operations::Ask;

/// Tells whether each folder's disk has at least so many MiB free.
pub(crate) fn ask(folders: Vec<PathBuf>, least_mib: u64) -> Ask {
    Box::new(move || vec![readiness(&folders, least_mib)])
}

fn readiness(folders: &[PathBuf], least_mib: u64) -> Readiness {
    for folder in folders {
        match free_mib(folder) {
            Ok(free) if free < least_mib => {
                let why =
                    format!("{free} MiB are free in {}, less than the {least_mib} that are needed", folder.display());
                return Readiness::not_ready("disk", why);
            }
            Ok(_) => {}
            Err(error) => return Readiness::not_ready("disk", format!("{}: {error}", folder.display())),
        }
    }
    Readiness::ready("disk", "has room")
}

/// What is free for this user on the disk of a folder, or of what will hold it.
fn free_mib(folder: &Path) -> std::io::Result<u64> {
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let disk = rustix::fs::statvfs(there)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize) >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_with_less_than_is_needed_is_not_ready() {
        let folder = tempfile::tempdir().unwrap();
        let of = |least_mib| readiness(&[folder.path().join("not/there/yet")], least_mib);
        assert!(of(0).ready);
        let full = of(u64::MAX);
        assert!(!full.ready && full.detail.contains("MiB are free in"), "{full:?}");
    }
}
