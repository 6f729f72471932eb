//! What is written, where, and what is left of it.

use super::support::{Case, Outcome, assert_code, assert_refused, skip, stderr, stdout, trial};
use libtest_mimic::Trial;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("workspace::tmpfs_is_gone_and_capped", tmpfs),
        trial("workspace::host_files_belong_to_the_caller", host),
        trial("workspace::copy_leaves_the_host_alone", copy),
        trial("workspace::copy_is_capped", copy_capped),
        trial("workspace::wrong_folders", wrong),
        trial("workspace::a_group_of_ones_own_is_nobody_else", own_group),
        trial("workspace::dry_run_starts_nothing", dry_run),
        trial("workspace::traps_are_put_aside", traps),
    ]
}

fn tmpfs() -> Outcome {
    let case = Case::new();
    let script = "df -k /workspace | awk 'END { print $2 }'; echo x > /workspace/file; ls /workspace; \
                  head -c 3000000 /dev/zero > /workspace/big || echo full; wc -c < /workspace/big";
    let output = case.run(&["--workspace", "tmpfs:1M"], script);
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..3], ["1024", "file", "full"], "{text}");
    assert!(lines[3].parse::<u32>().unwrap() <= 1 << 20, "{text}");
    let output = case.run(&[], "ls -A /workspace /tmp /home/jail | grep -v ':$'; true");
    assert_eq!(stdout(&output).trim(), "");
    // Files are memory as well: their number has an end.
    let output = case
        .run(&["--workspace", "tmpfs:1M"], "cd /workspace; seq 5000 | xargs touch || echo full");
    assert!(stdout(&output).contains("full"), "{}", stderr(&output));
    Ok(())
}

fn host() -> Outcome {
    let case = Case::new();
    let folder = case.path("project");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("before"), "host").unwrap();
    let option = format!("host:{}", folder.display());
    let output = case.run(
        &["--workspace", &option],
        "pwd; cat before; echo new > after; mkdir sub; rm before; umask; id -u; stat -c %u after",
    );
    assert_code(&output, 0);
    assert!(stdout(&output).starts_with("/workspace\nhost"), "{}", stdout(&output));
    assert!(stdout(&output).ends_with("1000\n1000\n"), "{}", stdout(&output));
    let meta = folder.join("after").metadata().unwrap();
    let caller = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    assert_eq!((meta.uid(), meta.gid()), caller);
    assert_eq!(meta.mode() & 0o6000, 0);
    assert!(folder.join("sub").is_dir() && !folder.join("before").exists());
    case.assert_nothing_left();
    Ok(())
}

/// Where umask 002 is usual (Ubuntu), folders are made writable for a group that has nobody else in it.
fn own_group() -> Outcome {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap();
    let group = nix::unistd::Group::from_gid(nix::unistd::getegid()).unwrap();
    let names = (user.map(|user| user.name), group.map(|group| group.name));
    if names.0.is_none() || names.0 != names.1 {
        return skip("this user has no group of its own");
    }
    let case = Case::new();
    let folder = case.path("work/.cloned");
    fs::create_dir_all(&folder).unwrap();
    for (mode, code) in [(0o775, 0), (0o777, 125), (0o757, 125)] {
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
        let output = case.run(&[], "true");
        assert_eq!(output.status.code(), Some(code), "{mode:o}: {}", stderr(&output));
        assert_eq!(stderr(&output).contains("group or others can write"), code == 125);
    }
    // An access list shows as the right of the group: acl(5).
    if !list(&folder) {
        return skip("no access list can be set here (python3, the file system)");
    }
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o775);
    let output = case.run(&[], "true");
    assert_eq!(output.status.code(), Some(125), "{}", stderr(&output));
    Ok(())
}

/// Lets uid 12345 write to it, in the form of linux/posix_acl_xattr.h.
fn list(folder: &Path) -> bool {
    let program = "import os, struct, sys; \
                   own = 0xffffffff; \
                   entries = [(1, 7, own), (2, 7, 12345), (4, 5, own), (16, 7, own), (32, 5, own)]; \
                   value = struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e) for e in entries); \
                   os.setxattr(sys.argv[1], 'system.posix_acl_access', value)";
    let set = Command::new("/usr/bin/python3").args(["-c", program]).arg(folder).status();
    set.is_ok_and(|status| status.success())
}

fn copy() -> Outcome {
    let case = Case::new();
    let folder = case.path("project");
    fs::create_dir_all(folder.join("deep/er")).unwrap();
    for name in ["keep", "change", "delete", "rename", "deep/er/file"] {
        fs::write(folder.join(name), name).unwrap();
    }
    std::os::unix::fs::symlink("keep", folder.join("link")).unwrap();
    let before = listing(&folder);
    let option = format!("copy:{}", folder.display());
    let script = "cat keep change deep/er/file link; echo changed > change; cat change; rm delete; \
                  mv rename renamed; rm -r deep; mkdir deep; echo own > deep/own; chmod 600 keep; ls | tr '\\n' ' '";
    let output = case.run(&["--workspace", &option], script);
    if stderr(&output).contains("overlay") && output.status.code() == Some(125) {
        return skip(format!("no overlayfs in user namespaces here: {}", stderr(&output)));
    }
    assert_code(&output, 0);
    assert_eq!(
        stdout(&output),
        "keepchangedeep/er/filekeepchanged\nchange deep keep link renamed "
    );
    assert_eq!(listing(&folder), before, "the host's folder was changed");
    // Thrown away: the next run starts from the host's folder again.
    let output = case.run(&["--workspace", &option], "cat change; ls deep");
    assert_eq!(stdout(&output), "changeer\n");
    case.assert_nothing_left();
    Ok(())
}

/// Path, mode, size and change time of everything.
fn listing(folder: &std::path::Path) -> Vec<String> {
    let mut all: Vec<String> = super::support::files_below(folder)
        .into_iter()
        .map(|path| {
            let meta = path.symlink_metadata().unwrap();
            format!(
                "{} {:o} {} {}.{}",
                path.display(),
                meta.mode(),
                meta.size(),
                meta.ctime(),
                meta.ctime_nsec()
            )
        })
        .collect();
    all.sort();
    all
}

fn copy_capped() -> Outcome {
    let case = Case::new();
    let folder = case.path("project");
    fs::create_dir(&folder).unwrap();
    case.manifest(
        "capped",
        &format!(
            "command: sh\nargs: [\"-c\", \"head -c 9000000 /dev/zero > x || echo full\"]\n\
             filesystem:\n  workspace: {{copy: {}, size: 2M}}\n",
            folder.display()
        ),
    );
    let output = case.jail(&["run", "-q", "capped"]).output().unwrap();
    if stderr(&output).contains("overlay") {
        return skip(format!("no overlayfs in user namespaces here: {}", stderr(&output)));
    }
    assert_eq!(stdout(&output), "full\n", "{}", stderr(&output));
    Ok(())
}

fn wrong() -> Outcome {
    let case = Case::new();
    fs::write(case.path("work/file"), "").unwrap();
    let run = |option: &str| case.run(&["--workspace", option], "echo ran");
    assert_refused(&run("host:no-such"), 125, &["no-such", "--workspace"]);
    assert_refused(&run("host:file"), 125, &["no folder"]);
    assert_refused(&run("copy:file"), 125, &["no folder"]);
    assert_refused(&run("host:/"), 125, &["error:"]);
    assert_refused(&run("host:/tmp"), 125, &["error:"]);
    assert_refused(&run("host:/usr/share"), 125, &["never writable"]);
    let home = format!("host:{}", case.path("home").display());
    assert_refused(&run(&home), 125, &["home"]);
    Ok(())
}

fn dry_run() -> Outcome {
    let case = Case::new();
    let folder = case.path("project");
    fs::create_dir(&folder).unwrap();
    let option = format!("host:{}", folder.display());
    for format in [&["--dry-run"][..], &["--dry-run", "--json"][..]] {
        let mut args = vec!["--workspace", &option];
        args.extend(format);
        let output = case.run(&args, "touch /workspace/ran");
        assert_code(&output, 0);
        assert!(stdout(&output).contains("execve"), "{}", stdout(&output));
    }
    assert!(fs::read_dir(&folder).unwrap().next().is_none(), "something ran");
    assert_eq!(case.audit_log(), "", "a run was recorded that did not take place");
    case.assert_nothing_left();
    Ok(())
}

/// What acts later, outside: read-only where it is, out of the way where it was made.
fn traps() -> Outcome {
    let case = Case::new();
    let folder = case.path("project");
    fs::create_dir_all(folder.join(".git/hooks")).unwrap();
    fs::write(folder.join(".git/config"), "[core]\n").unwrap();
    let option = format!("host:{}", folder.display());
    let output = case.run(
        &["--workspace", &option],
        "echo x > .git/hooks/pre-commit; echo x >> .git/config; mv .git .git2; mv .git/hooks .git/h; \
         echo x > .envrc; mkdir .vscode; echo x > .vscode/tasks.json; echo x > .git/index; exit 0",
    );
    assert_code(&output, 0);
    assert!(!folder.join(".git/hooks/pre-commit").exists());
    assert_eq!(fs::read_to_string(folder.join(".git/config")).unwrap(), "[core]\n");
    assert!(folder.join(".git/index").exists(), "git itself still works");
    assert!(!folder.join(".envrc").exists() && !folder.join(".vscode").exists());
    assert!(stderr(&output).contains(".envrc") && stderr(&output).contains(".vscode"));
    Ok(())
}
