//! What loading a filter costs, for jail's program and for libseccomp's two.

use super::child;
use jail::seccomp::arch::Arch;
use jail::seccomp::bpf;
use jail::seccomp::compile::{Shape, reference};
use jail::seccomp::oci::Profile;
use jail::seccomp::table::Table;
use jail::seccomp::{built_in, built_in_json, names};
use libtest_mimic::Trial;

/// Loads of each program; interleaved, so that a busy moment hurts all alike.
const ROUNDS: usize = 60;

/// Prints a table, and fails where jail's program is not the quickest to load.
pub(crate) fn trial() -> Trial {
    Trial::test("the tree loads quicker than libseccomp's programs", || {
        let mut lines = String::from("profile: instructions, median µs to load\n");
        for name in names() {
            let json = built_in_json(name).ok_or("no text")?;
            let table = Table::new(&Profile::parse(json.as_bytes())?, Arch::NATIVE)?;
            let programs = [
                built_in(name).ok_or("no program")?.to_vec(),
                bpf::encode(&reference(&table, Arch::NATIVE, Shape::Linear)?),
                bpf::encode(&reference(&table, Arch::NATIVE, Shape::Tree)?),
            ];
            let [tree, linear, theirs] = medians(&programs);
            let sizes = programs.each_ref().map(|program| program.len() / 8);
            lines += &format!(
                "  {name:8} jail {:4} {:7.1}   libseccomp linear {:4} {:7.1}   libseccomp tree {:4} {:7.1}\n",
                sizes[0],
                us(tree),
                sizes[1],
                us(linear),
                sizes[2],
                us(theirs),
            );
            // The small profiles are within noise of each other.
            if sizes[1] > 400 && tree >= linear {
                return Err(format!("{name} loads no quicker\n{lines}").into());
            }
        }
        print!("{lines}");
        Ok(())
    })
}

/// Prints what a profile of the user's costs, first and later; the cache must pay for itself.
pub(crate) fn own_profile() -> Trial {
    Trial::test("a proven profile is not proven again", || {
        let folder = tempfile::tempdir()?;
        let (path, cache) = (folder.path().join("own.json"), folder.path().join("cache"));
        std::fs::write(&path, built_in_json("default").ok_or("no text")?)?;
        let time = |cache: Option<&std::path::Path>| {
            let before = now();
            jail::seccomp::from_file(&path, cache).map(|_| now() - before)
        };
        time(Some(&cache))?;
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..5 {
            times[0].push(time(None)?);
            times[1].push(time(Some(&cache))?);
        }
        let [proven, remembered] = times.map(|mut list| {
            list.sort_unstable();
            list[2]
        });
        println!(
            "default as a file: {:.0} µs when new, {:.0} µs when remembered",
            us(proven),
            us(remembered)
        );
        if remembered < proven { Ok(()) } else { Err("the cache costs time".into()) }
    })
}

fn medians(programs: &[Vec<u8>; 3]) -> [i64; 3] {
    let mut times: [Vec<i64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        for (program, times) in programs.iter().zip(&mut times) {
            times.push(child::under(None, &|| time_load(program)).0.expect("the child loads"));
        }
    }
    times.map(|mut list| {
        list.sort_unstable();
        list[list.len() / 2]
    })
}

/// Nanoseconds of one load.
fn time_load(program: &[u8]) -> i64 {
    let before = now();
    let loaded = jail::sys::seccomp::load(program);
    let after = now();
    if loaded.is_ok() { after - before } else { i64::MAX }
}

fn now() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours to write; see clock_gettime(2).
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

fn us(nanoseconds: i64) -> f64 {
    nanoseconds as f64 / 1000.0
}

/// The egress process may send no signal, not even to itself: abort(3) must end it all the same, without
/// running anything that would end it otherwise.
pub(crate) fn abort() -> Trial {
    Trial::test("egress/abort ends a process that may not signal", || {
        let filter = built_in("egress").ok_or("no program")?;
        let (left, status) = child::under(Some(filter), &|| {
            // SAFETY: ends this process, a child that holds nothing; see abort(3).
            unsafe { libc::abort() }
        });
        match (left, libc::WIFSIGNALED(status)) {
            (None, true) => Ok(()),
            _ => Err(format!("it ended with status {status:#x}, and said {left:?}").into()),
        }
    })
}
