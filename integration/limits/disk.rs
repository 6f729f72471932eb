//! Throughput of a disk. `JAIL_TEST_DISK` is a folder on a disk of its own: `integration/vm/` gives its
//! machines one. Nothing else may use it, and no cache may be in between: what is written is O_DIRECT.

use crate::rig::{Done, Rig};
use jail::confine::cgroup::{Controller, Controllers, Support};
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

const BLOCK: usize = 1 << 20;

/// What O_DIRECT takes: a buffer at a page's start.
#[repr(align(4096))]
struct Aligned([u8; BLOCK]);

/// The connector's part: writes this many MiB into the file; says how many milliseconds it took.
pub fn write(path: &Path, mebibytes: u64) -> std::io::Result<u128> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).write(true).custom_flags(libc::O_DIRECT).open(path)?;
    let block = Box::new(Aligned([7; BLOCK]));
    let start = Instant::now();
    for _ in 0..mebibytes {
        file.write_all(&block.0)?;
    }
    file.sync_all()?;
    Ok(start.elapsed().as_millis())
}

/// Why it cannot be tried here.
pub fn unmet() -> Option<String> {
    if std::env::var_os("JAIL_TEST_DISK").is_none() {
        return Some("JAIL_TEST_DISK names no folder on a disk of its own".into());
    }
    let needs = Controllers::from([Controller::Io]);
    (!Support::probe(&needs).offers(&needs)).then(|| "the io controller is not given to us".into())
}

/// 2 MiB a second, for 8 MiB: four seconds at least, less what the kernel lets through at once. The
/// same act without a limit, or with one that is far away, is several times as fast.
pub fn limited(_: &Support) {
    let disk = PathBuf::from(std::env::var_os("JAIL_TEST_DISK").expect("asked before"));
    let folder = tempfile::tempdir_in(disk).expect("a folder on the disk");
    let rate = |limit: &str| {
        let done = run(folder.path(), limit);
        assert_eq!(done.code, Some(0), "{limit}: {done:?}");
        let millis: f64 = done.output.trim().parse().expect("milliseconds");
        8.0 * 1000.0 / millis.max(1.0)
    };
    let free = rate("1G");
    assert!(free > 4.4, "this disk takes {free:.2} MiB/s: too slow to show a limit of 2");
    let held = rate("2M");
    assert!(
        held <= 2.2,
        "2 MiB/s were allowed, {held:.2} were had, and {free:.2} with a far limit"
    );
    // A limit that were much too low would hold, too.
    assert!(
        held >= 1.0,
        "2 MiB/s were allowed, {held:.2} were had, and {free:.2} with a far limit"
    );
}

fn run(folder: &Path, limit: &str) -> Done {
    let me = std::env::current_exe().expect("my path");
    Rig::new().run_manifest(&format!(
        "name: disk\ncommand: {me}\nargs: [--act, write, file, \"8\"]\n\
         filesystem: {{workspace: {{host: {folder}}}, read: [{me}]}}\nlimits: {{io: {{write: {limit}}}}}\n",
        me = me.display(),
        folder = folder.display(),
    ))
}
