//! The engine that the suite's containers are made by, and their image: of the machine's own files.

use crate::engines::{World, copy_into, libraries, which};
use crate::tier::{CONTAINER, Container};
use jail::container::attacks::Engine;
use libtest_mimic::Trial;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

const IMAGE: &str = "jail-test-escapes:1";

/// Programs that attacks start inside; the payload itself is granted, and is its own.
const PROGRAMS: &[&str] = &["/bin/true", "/usr/bin/su"];

/// Ended by [`end`]: what is static is never dropped.
static WORLD: Mutex<Option<World>> = Mutex::new(None);

/// Starts the engine; why not, where it cannot be started here.
pub fn start() -> Result<(), String> {
    let world = World::start()?;
    let engine = if world.docker { Engine::Docker } else { Engine::Podman };
    image(&world)?;
    let bin = world.path("bin");
    program(&world, &bin)?;
    let container = Container { engine, image: IMAGE.to_owned(), bin };
    CONTAINER.set(container).map_err(|_| "it is started twice")?;
    *WORLD.lock().map_err(|error| error.to_string())? = Some(world);
    Ok(())
}

/// Ends the engine, by its number.
pub fn end() {
    drop(WORLD.lock().map(|mut world| world.take()));
}

/// A counted skip, or a failure where `JAIL_TEST_MUST_RUN` says `all`, `containers` or the name of the attack.
pub fn missing(attack: &'static str, why: &str) -> Trial {
    let must = std::env::var("JAIL_TEST_MUST_RUN").unwrap_or_default();
    if must.split(',').any(|word| ["all", "containers", attack].contains(&word)) {
        let why = why.to_owned();
        return Trial::test(attack, move || Err(format!("must run, but {why}").into()));
    }
    println!("skip {attack}: {why}");
    Trial::test(attack, || Ok(())).with_ignored_flag(true)
}

/// Root owns what is in it, and set-uid programs are such.
fn image(world: &World) -> Result<(), String> {
    let root = world.path("escapes");
    for folder in ["tmp", "etc", "proc", "sys", "dev", "run"] {
        fs::create_dir_all(root.join(folder)).map_err(|error| error.to_string())?;
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))
        .map_err(|error| error.to_string())?;
    let me = std::env::current_exe().map_err(|error| error.to_string())?;
    let programs = PROGRAMS.iter().map(Path::new).filter(|path| path.exists());
    for program in programs {
        copy_into(&root, program);
    }
    let busybox = which("busybox")?;
    copy_into(&root, &busybox);
    std::os::unix::fs::symlink(&busybox, root.join("bin/sh")).map_err(|error| error.to_string())?;
    for program in PROGRAMS.iter().map(Path::new).chain([me.as_path(), &busybox]) {
        for library in libraries(program) {
            copy_into(&root, &library);
        }
    }
    let tar = world.path("escapes.tar");
    let owner = ["--owner=0", "--group=0", "--numeric-owner"];
    let packed =
        Command::new("tar").args(owner).arg("-C").arg(&root).arg("-cf").arg(&tar).arg(".").status();
    if !packed.is_ok_and(|status| status.success()) {
        return Err("tar failed".to_owned());
    }
    world.ask(&["import", &tar.display().to_string(), IMAGE]).map(drop)
}

/// A program of the engine's name that has the variables of the engine's world, and none of those of the fixture:
/// rootless podman keeps its state where they say.
fn program(world: &World, bin: &Path) -> Result<(), String> {
    let real = which(world.engine())?;
    let mut text = "#!/bin/sh\n".to_owned();
    for (name, value) in world.command("true").get_envs() {
        if let Some(value) = value {
            text += &format!("export {}='{}'\n", name.display(), value.display());
        }
    }
    text += &format!("exec '{}' \"$@\"\n", real.display());
    let path = bin.join(world.engine());
    fs::create_dir_all(bin)
        .and_then(|()| fs::write(&path, text))
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
        .map_err(|error| error.to_string())
}
