//! The compose files of the workspace, for `jail doctor`.

use crate::compose::check::{self, Checked};
use crate::compose::disk;
use crate::compose::project::{Rejection, Request};
use crate::doctor::all::Section;
use crate::doctor::finding::Finding;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// More than any workspace has.
const MOST: usize = 64;

/// Judges the compose files of the top folder, and those of `docker/`.
pub(super) fn section(top: &Path) -> Section {
    let mut projects = Vec::new();
    let mut notes = Vec::new();
    match disk::has_project(top) {
        // Without a file: those that `docker compose` would take there.
        Ok(true) => projects.push((Vec::new(), Vec::new())),
        Ok(false) => {}
        // It may be a file of another program's, in another form.
        Err(failure) => notes.push(format!("the top folder has no compose file, and {failure}")),
    }
    let folder = top.join("docker");
    match in_docker(&folder) {
        Ok(files) => {
            let env = variables(&folder);
            projects.extend(files.into_iter().map(|file| (vec![file], env.clone())));
        }
        Err(error) => {
            return Section::blind(
                "compose",
                format!("cannot look at {}: {error}", folder.display()),
            );
        }
    }
    if projects.is_empty() {
        let note = "there is no compose file in the top folder or in docker/".to_owned();
        notes.insert(0, note);
        return Section { notes, ..Section::looked("compose", Vec::new()) };
    }
    let mut section = Section { notes, ..Section::looked("compose", Vec::new()) };
    for (files, env) in projects {
        match judged(&files, &env, top) {
            Ok((files, findings, allowed)) => {
                let shown: Vec<_> = files.iter().map(|it| it.display().to_string()).collect();
                section.notes.push(format!("judged {}, {allowed} allowed", shown.join(" with ")));
                section.findings.extend(findings);
            }
            Err(why) => {
                section.looked = false;
                section.notes.push(why);
            }
        }
    }
    section
}

/// The files, what is found, and how much was allowed.
fn judged(
    files: &[PathBuf],
    env: &[PathBuf],
    top: &Path,
) -> Result<(Vec<PathBuf>, Vec<Finding>, usize), String> {
    let request: Request = disk::request(files, env, top).map_err(|failure| failure.what)?;
    match check::check(&request, &[], &disk::read) {
        Ok(Checked { found, allowed, .. }) => {
            // `jail doctor --fix` edits no compose file.
            let plain = |it: check::Judged| Finding { safe_fix: false, ..it.finding };
            Ok((request.files, found.into_iter().map(plain).collect(), allowed.len()))
        }
        Err(Rejection::Wrong(problems)) => Ok((request.files, check::wrong(&problems), 0)),
        Err(Rejection::Unreadable(failure)) => Err(failure.what),
    }
}

/// Its compose files, by name.
fn in_docker(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let yaml = name.ends_with(".yaml") || name.ends_with(".yml");
        if yaml && name.contains("compose") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    files.truncate(MOST);
    Ok(files)
}

/// What an engine would take, else the example.
fn variables(folder: &Path) -> Vec<PathBuf> {
    let own = [".env", ".env.example"].map(|name| folder.join(name));
    own.into_iter().find(|path| path.is_file()).into_iter().collect()
}
