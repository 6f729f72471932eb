//! Files made to do harm: cut off, made of noise, far too large, or no files at all.

use super::fixture::{Elf, Home, LOADER};
use crate::resolve::elf::{BadElf, check_ident, read};
use crate::resolve::ldcache::Cache;
use crate::resolve::{ResolveError, files};
use proptest::prelude::*;
use std::ffi::OsStr;
use std::io::Cursor;
use std::path::Path;

fn sample() -> Vec<u8> {
    let elf = Elf {
        loader: Some(LOADER),
        needed: vec!["liba.so", "libb.so"],
        runpath: Some("$ORIGIN/../lib"),
        ..Elf::default()
    };
    elf.build()
}

#[test]
fn sample_is_read_in_full() {
    let elf = read(Cursor::new(sample())).unwrap();
    assert_eq!(elf.loader.as_deref(), Some(Path::new(LOADER)));
    assert_eq!(elf.needed, ["liba.so", "libb.so"]);
    assert_eq!(elf.runpath.as_deref(), Some(OsStr::new("$ORIGIN/../lib")));
    assert_eq!(elf.rpath, None);
}

#[test]
fn every_prefix_of_a_program_is_an_error_or_less() {
    let whole = sample();
    for end in 0..whole.len() {
        let cut = whole[..end].to_vec();
        let result = read(Cursor::new(cut.clone()));
        assert!(result.is_err(), "cut at {end}: {result:?}");
        let _ident = check_ident(&mut Cursor::new(cut));
    }
}

#[test]
fn every_prefix_of_a_real_program_is_survived() {
    let real = std::fs::read("/bin/sh").unwrap();
    for end in 0..real.len().min(4096) {
        let _elf = read(Cursor::new(real[..end].to_vec()));
    }
    assert!(read(Cursor::new(real)).unwrap().loader.is_some());
}

#[test]
fn every_single_byte_of_a_program_may_be_wrong() {
    let whole = sample();
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bent = whole.clone();
            bent[at] = value;
            let _elf = read(Cursor::new(bent));
        }
    }
}

#[test]
fn sizes_of_the_file_are_not_believed() {
    // A sparse file as large as it says: nothing of that size may be allocated.
    let home = Home::new(&["bin"]);
    let mut whole = sample();
    let dynamic_size = 64 + 2 * 56 + 32;
    whole[dynamic_size..dynamic_size + 8].copy_from_slice(&(1u64 << 40).to_le_bytes());
    let path = home.bytes("bin/huge", &whole);
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 41).unwrap();
    super::fixture::executable(path);
    assert!(matches!(home.resolve("huge"), Err(ResolveError::DamagedElf { .. })));
}

#[test]
fn count_of_segments_is_not_believed() {
    let mut whole = sample();
    whole[56..58].copy_from_slice(&u16::MAX.to_le_bytes());
    assert_eq!(read(Cursor::new(whole)), Err(BadElf::Damaged("it has too many segments")));
}

#[test]
fn pipes_do_not_make_us_wait() {
    let home = Home::new(&["bin"]);
    let pipe = home.at("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o777)).unwrap();
    assert!(files::head(&pipe, 16).is_err());
    assert!(matches!(home.resolve("~/pipe"), Err(ResolveError::NotAProgram { .. })));
    // As a version file, and as the interpreter of a script.
    home.script("bin/x", "#!~/pipe\n");
    assert!(home.resolve("x").is_err());
}

/// A project may be anybody's: none of its files may make a secret of the user's a need.
#[test]
fn projects_do_not_reach_secrets() {
    let home = Home::new(&["bin"]);
    home.program("bin/node");
    home.file(".ssh/id_rsa", "KEY");
    home.file(".ssh/python3", "KEY");
    home.program(".ssh/tool");

    home.link("proj/package.json", "../.ssh/id_rsa");
    home.link("proj/node_modules", "../.ssh");
    home.link("proj/lib", "../.ssh");
    home.file("proj/index.js", "");
    home.expect_with(
        "node",
        &["proj/index.js"],
        "bin/node",
        &["file bin/node", "file proj/index.js"],
    );

    home.link("proj/evil.js", "../.ssh/id_rsa");
    let error = home.resolve_with("node", &["proj/evil.js"]);
    assert!(matches!(error, Err(ResolveError::Secret { .. })), "{error:?}");

    home.link("proj/tool", "../.ssh/tool");
    assert!(matches!(home.resolve("~/proj/tool"), Err(ResolveError::Secret { .. })));

    let config = format!("home = {0}\nexecutable = {0}/id_rsa\n", home.at(".ssh").display());
    home.file("proj/venv/pyvenv.cfg", &config);
    home.program("proj/venv/bin/python");
    let error = home.resolve("~/proj/venv/bin/python");
    assert!(matches!(error, Err(ResolveError::Secret { .. })), "{error:?}");
}

#[test]
fn environments_that_name_each_other_end() {
    let home = Home::new(&["a/bin"]);
    for (one, other) in [("a", "b"), ("b", "a")] {
        home.program(&format!("{one}/bin/python3.1"));
        home.link(&format!("{one}/bin/python3"), &format!("~/{other}/bin/python3.1"));
        let config = format!("home = {}\n", home.at(other).join("bin").display());
        home.file(&format!("{one}/pyvenv.cfg"), &config);
    }
    home.expect("python3", "a/bin/python3", &["tree a", "tree b"], &["a/bin"]);
}

#[test]
fn settings_beyond_the_cap_are_none() {
    let home = Home::new(&[]);
    let large = home.file("large", &"x".repeat(70_000));
    assert_eq!(files::text(&large), None);
    let noise = home.bytes("noise", &[0xff, 0xfe]);
    assert_eq!(files::text(&noise), None);
}

/// A cache in the new format with these libraries.
fn cache(entries: &[(&str, &str)]) -> Vec<u8> {
    let flags: u32 = if cfg!(target_arch = "aarch64") { 0x0a03 } else { 0x0303 };
    let mut bytes = b"glibc-ld.so.cache1.1".to_vec();
    let mut strings: Vec<u8> = Vec::new();
    let strings_at = 48 + entries.len() * 24;
    let mut body: Vec<u8> = Vec::new();
    for (name, path) in entries {
        let mut put = |text: &str| {
            let at = u32::try_from(strings_at + strings.len()).unwrap();
            strings.extend(text.as_bytes());
            strings.push(0);
            at
        };
        let (key, value) = (put(name), put(path));
        body.extend([flags, key, value, 0, 0, 0].into_iter().flat_map(u32::to_le_bytes));
    }
    bytes.extend(u32::try_from(entries.len()).unwrap().to_le_bytes());
    bytes.extend(u32::try_from(strings.len()).unwrap().to_le_bytes());
    bytes.resize(48, 0);
    bytes.extend(body);
    bytes.extend(strings);
    bytes
}

#[test]
fn cache_finds_exact_names() {
    let whole =
        cache(&[("libb.so.1", "/x/libb.so.1"), ("liba.so", "/x/liba.so"), ("librel.so", "rel")]);
    let parsed = Cache::parse(whole.clone());
    assert_eq!(parsed.find(OsStr::new("liba.so")).as_deref(), Some(Path::new("/x/liba.so")));
    assert_eq!(parsed.find(OsStr::new("libb.so")), None);
    assert_eq!(parsed.find(OsStr::new("librel.so")), None);
    for end in 0..whole.len() {
        let _found = Cache::parse(whole[..end].to_vec()).find(OsStr::new("liba.so"));
    }
}

#[test]
fn cache_behind_an_old_header() {
    let mut bytes = b"ld.so-1.7.0\0".to_vec();
    bytes.extend(1u32.to_le_bytes());
    bytes.resize(16 + 12, 0);
    bytes.resize(32, 0);
    bytes.extend(cache(&[("liba.so", "/x/liba.so")]));
    let found = Cache::parse(bytes).find(OsStr::new("liba.so"));
    assert_eq!(found.as_deref(), Some(Path::new("/x/liba.so")));
}

#[test]
fn cache_of_this_machine_knows_the_c_library() {
    let path = Path::new("/etc/ld.so.cache");
    if path.exists() {
        let found = Cache::load(path).find(OsStr::new("libc.so.6")).unwrap();
        assert!(found.exists());
    }
}

proptest! {
    #[test]
    fn noise_as_a_program(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut file = sample();
        let _elf = read(Cursor::new(bytes.clone()));
        file.truncate(64);
        file.extend(&bytes);
        let _elf = read(Cursor::new(file));
    }

    #[test]
    fn noise_over_a_program(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40)) {
        let mut file = sample();
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        let _elf = read(Cursor::new(file));
    }

    #[test]
    fn noise_as_a_cache(bytes in prop::collection::vec(any::<u8>(), 0..400), old in any::<bool>()) {
        let mut file = if old { b"ld.so-1.7.0\0".to_vec() } else { b"glibc-ld.so.cache1.1".to_vec() };
        file.extend(bytes);
        let _found = Cache::parse(file).find(OsStr::new("libc.so.6"));
    }

    #[test]
    fn noise_over_a_cache(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let mut file = cache(&[("liba.so", "/x/liba.so"), ("libb.so", "/x/libb.so")]);
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        let _found = Cache::parse(file).find(OsStr::new("liba.so"));
    }
}

proptest! {
    // Each case makes folders: fewer of them.
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A whole run over a script with a hostile first line in a real folder.
    #[test]
    fn noise_as_a_script(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let home = Home::new(&["bin"]);
        let mut text = b"#!".to_vec();
        text.extend(bytes);
        super::fixture::executable(home.bytes("bin/x", &text));
        let _found = home.resolve("x");
    }

    #[test]
    fn noise_as_settings(text in "(\\PC|\n|\\[tools\\]\n|node = |channel = |\\[overrides\\]|\"){0,60}") {
        let home = Home::new(&[".local/share/mise/shims", ".cargo/bin"]);
        home.program("m/mise");
        home.link(".local/share/mise/shims/node", "~/m/mise");
        home.program(".local/share/mise/installs/node/20.1.0/bin/node");
        home.program(".cargo/bin/rustup");
        home.link(".cargo/bin/cargo", "rustup");
        home.program(".rustup/toolchains/a/bin/cargo");
        home.file("mise.toml", &text);
        home.file(".tool-versions", &text);
        home.file("rust-toolchain", &text);
        home.file(".rustup/settings.toml", &text);
        let _found = (home.resolve("node"), home.resolve("cargo"));
    }
}
